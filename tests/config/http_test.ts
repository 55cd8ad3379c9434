// The section `http`: off unless it is there, and never open to the network without a key.
import assert from "node:assert/strict";
import { keyHash } from "../../src/config/resolve/http.ts";
import { compareConfigs, withoutRestart } from "../../src/config/plan/compare.ts";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import type { HttpConfig } from "../../src/config/resolve/config.ts";
import { documented, external, failure, lines, load, singleCar } from "./support.ts";

const KEY = "0123456789abcdef";

function http(section: Record<string, unknown>): HttpConfig | undefined {
  return load(documented({ http: section })).config.http;
}

function problems(section: Record<string, unknown>): string[] {
  return lines(failure(documented({ http: section })).problems);
}

Deno.test("parseConfig() leaves HTTP off when there is no section for it", () => {
  assert.equal("http" in load(documented()).config, false);
});

Deno.test("parseConfig() listens on loopback with an empty section, in every dialect", () => {
  const expected = { address: "127.0.0.1", port: 8080 };
  for (const document of [documented(), { ...external() }, singleCar()]) {
    assert.deepEqual(load({ ...document, http: {} }).config.http, expected);
  }
});

Deno.test("parseConfig() needs a key beyond loopback, whatever the address looks like", () => {
  for (const address of ["0.0.0.0", "::", "192.168.1.4", "fleet.example.org", "127.example.org"]) {
    const expected = `a key, as "${address}" can be reached from other machines`;
    assert.deepEqual(problems({ address }), [`http.api_key: Expected ${expected}: found nothing`]);
    assert.equal(http({ address, api_key: KEY })?.apiKey, KEY);
  }
  for (const address of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
    assert.deepEqual(http({ address }), { address, port: 8080 });
  }
});

Deno.test("parseConfig() takes the key from a file, without the newline at its end", () => {
  const { config, warnings } = load(documented({ http: { api_key_file: "api_key" } }));
  assert.equal(config.http?.apiKey, KEY);
  assert.deepEqual(warnings, []);
});

Deno.test("parseConfig() takes the longest key that a request may bring", () => {
  const key = "k".repeat(1024);
  assert.equal(http({ api_key: key })?.apiKey, key);
});

Deno.test("parseConfig() warns of a short key, and of one that crosses the network in the clear", () => {
  const { warnings } = load(documented({ http: { address: "::", api_key: "short" } }));
  assert.deepEqual(lines(warnings), [
    "http.api_key: The key is easy to guess: it has fewer than 16 characters",
    "http.tls_cert: The key is sent over the network in clear text: TLS is off",
  ]);
});

Deno.test("parseConfig() turns HTTPS on with a certificate and its key", () => {
  const section = { address: "::", api_key: KEY, tls_cert: "cert.pem", tls_key: "key.pem" };
  const { config, warnings } = load(documented({ http: section }));
  assert.deepEqual(config.http?.tls, { certFile: "/srv/cert.pem", keyFile: "/srv/key.pem" });
  assert.deepEqual(warnings, []);
});

const HASH = keyHash(KEY);
const OTHER = keyHash("another key");

Deno.test("parseConfig() takes hashed keys by name, beyond loopback in place of a clear one", () => {
  const keys = { wall: { scope: "read", hash: HASH }, "desk.1": { scope: "operate", hash: OTHER } };
  const { config, warnings } = load(documented({ http: { address: "::", keys } }));
  assert.deepEqual(config.http?.keys, [
    { name: "wall", scope: "read", hash: HASH },
    { name: "desk.1", scope: "operate", hash: OTHER },
  ]);
  assert.deepEqual(lines(warnings), [
    "http.tls_cert: The key is sent over the network in clear text: TLS is off",
  ]);
  assert.deepEqual(http({ keys: {} }), { address: "127.0.0.1", port: 8080 });
  const [problem] = problems({ address: "::", keys: {} });
  assert.match(problem ?? "", /^http\.api_key: Expected a key, as "::"/);
});

Deno.test("compareConfigs() shows which keys there are, and that they change at once", () => {
  const http = (more: Record<string, unknown>) => load(documented({ http: more })).config;
  const one = { wall: { scope: "read", hash: HASH } };
  const two = { ...one, desk: { scope: "admin", hash: OTHER } };
  const from = http({ keys: one });
  const to = http({ keys: two, port: 1 });
  assert.deepEqual(compareConfigs(from, to).settings, [
    { key: "http.port", from: "8080", to: "1", takes: "restart" },
    { key: "http.keys", from: "wall (read)", to: "wall (read), desk (admin)", takes: "at_once" },
  ]);
  const after = withoutRestart(from, to);
  assert.deepEqual([after.http?.keys, after.http?.port], [to.http?.keys, 8080]);
  const renewed = http({ keys: { wall: { scope: "read", hash: OTHER } } });
  assert.equal(compareConfigs(from, renewed).settings.length, 1);
  // Nothing of HTTP changes at once while it is off, or is to be turned off.
  const off = load(documented()).config;
  for (const [before, next] of [[off, from], [from, off]] as const) {
    const takes = compareConfigs(before, next).settings.map(({ takes }) => takes);
    assert.deepEqual([...new Set(takes)], ["restart"]);
    assert.deepEqual(withoutRestart(before, next).http, before.http);
  }
});

/** A section, and every line it must give. */
const WRONG: readonly (readonly [what: string, section: unknown, expected: string[]])[] = [
  ["is a port", 8080, ["http: Expected an object: found a number"]],
  ["has a port in the address", { address: "localhost:80" }, [
    'http.address: Expected a host name or an IP address, without a port: found the string "localhost:80"',
  ]],
  ["has no such port", { port: 65_536 }, [
    "http.port: Expected a port, a whole number from 0 to 65535: found the number 65536",
  ]],
  ["has two keys", { api_key: KEY, api_key_file: "api_key" }, [
    'http.api_key_file: Expected either "api_key" or "api_key_file": found both',
  ]],
  ["has an empty key", { address: "::", api_key: "" }, [
    "http.api_key: Expected a key of printable ASCII characters without spaces: found other characters",
  ]],
  ["has a key of two words", { api_key: `${KEY} ${KEY}` }, [
    "http.api_key: Expected a key of printable ASCII characters without spaces: found other characters",
  ]],
  ["has a key that no request may bring", { api_key: "k".repeat(1025) }, [
    "http.api_key: Expected a key of at most 1024 characters: found one of 1025",
  ]],
  ["has such a key in a file", { api_key_file: "long_key" }, [
    "http.api_key_file: Expected a key of at most 1024 characters: found one of 1100",
  ]],
  ["has a missing key file", { address: "::", api_key_file: "none" }, [
    'http.api_key_file: Expected an existing file: found none at "/srv/none" and "/etc/fleet/none"',
  ]],
  ["has a key that is not hashed", { keys: { wall: { scope: "read", hash: "secret" } } }, [
    'http.keys.wall.hash: Expected a hash, sha256: and 64 hexadecimal digits in lower case: found the string "secret"',
  ]],
  ["has a key of no such scope", { keys: { wall: { scope: "root", hash: HASH } } }, [
    'http.keys.wall.scope: Expected one of "read", "operate", "admin": found the string "root"',
  ]],
  ["has a key twice", {
    api_key: KEY,
    keys: {
      wall: { scope: "read", hash: HASH },
      a: { scope: "read", hash: OTHER },
      b: { scope: "admin", hash: OTHER },
    },
  }, [
    'http.keys.wall.hash: Expected a key of its own: found that of "api_key"',
    'http.keys.b.hash: Expected a key of its own: found that of "a"',
  ]],
  ["has keys of impossible names", {
    keys: { "a b": { scope: "read", hash: HASH }, api_key: { scope: "read", hash: OTHER } },
  }, [
    'http.keys["a b"]: Expected a name of 1 to 64 letters, digits, underscores, dots and hyphens, not api_key: found "a b"',
    'http.keys.api_key: Expected a name of 1 to 64 letters, digits, underscores, dots and hyphens, not api_key: found "api_key"',
  ]],
  ["has a certificate alone", { tls_cert: "cert.pem" }, [
    "http.tls_key: Expected the key of the certificate: found nothing",
  ]],
  ["has a TLS key alone", { tls_key: "key.pem" }, [
    "http.tls_cert: Expected the certificate of the key: found nothing",
  ]],
];

for (const [what, section, expected] of WRONG) {
  Deno.test(`parseConfig() reports every problem when http ${what}`, () => {
    assert.deepEqual(lines(failure(documented({ http: section })).problems), expected);
  });
}

Deno.test("effectiveDocument() masks the key, and loads again with secrets shown", () => {
  const keys = { wall: { scope: "read", hash: OTHER } };
  const section = { port: 0, api_key: KEY, keys, tls_cert: "cert.pem", tls_key: "key.pem" };
  const { config } = load(documented({ http: section }));
  assert.doesNotMatch(JSON.stringify(effectiveDocument(config)), new RegExp(KEY));
  assert.deepEqual(load(effectiveDocument(config, { showSecrets: true })).config, config);
});
