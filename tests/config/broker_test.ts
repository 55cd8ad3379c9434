// The broker: addresses, credentials and TLS.
import assert from "node:assert/strict";
import {
  formatAddress,
  hostPort,
  isSecure,
  isWebSocket,
  overTls,
  parseAddress,
  reachableHost,
} from "../../src/net/address.ts";
import type { BrokerConfig } from "../../src/config/resolve/config.ts";
import type { Overrides } from "../../src/config/overrides.ts";
import { documented, external, failure, lines, load } from "./support.ts";

Deno.test("hostPort() puts IPv6 hosts into brackets, and nothing else", () => {
  const hosts = ["broker.example", "127.0.0.1", "::1", "fe80::1%eth0"];
  assert.deepEqual(hosts.map((host) => hostPort(host, 1883)), [
    "broker.example:1883",
    "127.0.0.1:1883",
    "[::1]:1883",
    "[fe80::1%eth0]:1883",
  ]);
});

Deno.test("isSecure(), isWebSocket() and overTls() know the four protocols", () => {
  const protocols = ["mqtt", "mqtts", "ws", "wss"] as const;
  assert.deepEqual(protocols.filter(isSecure), ["mqtts", "wss"]);
  assert.deepEqual(protocols.filter(isWebSocket), ["ws", "wss"]);
  assert.deepEqual(protocols.map(overTls), ["mqtts", "mqtts", "wss", "wss"]);
});

Deno.test("reachableHost() is this machine where something listens on all its addresses", () => {
  const hosts = ["0.0.0.0", "::", "10.0.0.1", "constructor"];
  assert.deepEqual(hosts.map(reachableHost), ["127.0.0.1", "::1", "10.0.0.1", "constructor"]);
});

Deno.test("parseConfig() takes hosts and addresses of four protocols", () => {
  const cases: readonly (readonly [string, number | undefined, BrokerConfig])[] = [
    ["10.0.0.1", undefined, { protocol: "mqtt", host: "10.0.0.1", port: 1883, path: "" }],
    ["broker.example", 5, { protocol: "mqtt", host: "broker.example", port: 5, path: "" }],
    ["::1", 5, { protocol: "mqtt", host: "::1", port: 5, path: "" }],
    ["[::1]", 5, { protocol: "mqtt", host: "::1", port: 5, path: "" }],
    ["mqtt://host:1884/", undefined, { protocol: "mqtt", host: "host", port: 1884, path: "" }],
    ["mqtt://[::1]:9", undefined, { protocol: "mqtt", host: "::1", port: 9, path: "" }],
    ["MQTTS://host", undefined, {
      protocol: "mqtts",
      host: "host",
      port: 8883,
      path: "",
      tls: {},
    }],
    ["ws://host", undefined, { protocol: "ws", host: "host", port: 80, path: "/" }],
    ["ws://host/mqtt", 9001, { protocol: "ws", host: "host", port: 9001, path: "/mqtt" }],
    ["wss://host/a/b", undefined, {
      protocol: "wss",
      host: "host",
      port: 443,
      path: "/a/b",
      tls: {},
    }],
  ];
  for (const [mqtt_address, mqtt_port, expected] of cases) {
    const { config } = load(documented({ mqtt_address, mqtt_port }));
    assert.deepEqual(config.broker, expected);
    const again = parseAddress(formatAddress(config.broker));
    assert.equal(again.ok && again.address.host, expected.host);
    assert.equal(again.ok && again.address.path, expected.path);
  }
});

Deno.test("parseConfig() refuses other addresses and shows no credentials", () => {
  const host =
    "a host without a port, or an address that begins with mqtt://, mqtts://, ws:// or wss://";
  const cases: readonly (readonly [string, string])[] = [
    ["localhost:1883", `${host}: found the string "localhost:1883"`],
    ["a b", `${host}: found the string "a b"`],
    [
      "tcp://host",
      'an address that begins with mqtt://, mqtts://, ws:// or wss://: found the string "tcp://host"',
    ],
    [
      "constructor://host",
      'an address that begins with mqtt://, mqtts://, ws:// or wss://: found the string "constructor://host"',
    ],
    [
      "mqtt://me:pw@x@host",
      'no user name or password in the address, but in "mqtt_username" and "mqtt_password": found the string "mqtt://***@host"',
    ],
    ["mqtt://", 'an address with a valid host: found the string "mqtt://"'],
    ["mqtt://host:0", 'a port from 1 to 65535: found the string "mqtt://host:0"'],
    ["mqtt://host:65536", 'a port from 1 to 65535: found the string "mqtt://host:65536"'],
    [
      "mqtt://host/path",
      'an address without a path, which only ws:// and wss:// have: found the string "mqtt://host/path"',
    ],
    [
      "ws://host/p?token=abc",
      'an address without spaces, "?" and "#": found the string "ws://host/p?token=***"',
    ],
  ];
  for (const [mqtt_address, expected] of cases) {
    assert.deepEqual(lines(failure(documented({ mqtt_address })).problems), [
      `mqtt_address: Expected ${expected}`,
    ]);
  }
});

Deno.test("parseConfig() takes credentials, or the password from a file", () => {
  const broker = (more: Record<string, unknown>) => {
    const { username, password } = load(documented(more)).config.broker;
    return [username, password];
  };
  assert.deepEqual(broker({ mqtt_username: "me" }), ["me", undefined]);
  assert.deepEqual(broker({ mqtt_username: "me", mqtt_password: "pw\n" }), ["me", "pw\n"]);
  assert.deepEqual(broker({ mqtt_username: "me", mqtt_password_file: "password" }), [
    "me",
    "from file",
  ]);
  assert.deepEqual(broker({ mqtt_username: "me", mqtt_password_file: "password2" }), [
    "me",
    "two\r\n",
  ]);
  const inB = load(external({ mqtt_username: "me", mqtt_password: "pw" })).config.broker;
  assert.deepEqual([inB.username, inB.password], ["me", "pw"]);
});

Deno.test("parseConfig() refuses credentials that do not go together", () => {
  const cases: readonly (readonly [Record<string, unknown>, string])[] = [
    [
      { mqtt_username: "me", mqtt_password: "a", mqtt_password_file: "password" },
      'mqtt_password_file: Expected either "mqtt_password" or "mqtt_password_file": found both',
    ],
    [
      { mqtt_username: "me", mqtt_password_file: "none" },
      'mqtt_password_file: Expected an existing file: found none at "/srv/none" and "/etc/fleet/none"',
    ],
    [
      { mqtt_username: "me", mqtt_password_file: "locked.pem" },
      'mqtt_password_file: Expected a readable file: found "/srv/locked.pem": permission denied',
    ],
    [
      { mqtt_password: "a" },
      "mqtt_username: Expected a string, as there is a password: found nothing",
    ],
    [
      { mqtt_username: "me", mqtt_password: 5 },
      "mqtt_password: Expected a string: found a number (hidden)",
    ],
  ];
  for (const [more, expected] of cases) {
    assert.deepEqual(lines(failure(documented(more)).problems), [expected]);
  }
});

Deno.test("parseConfig() turns TLS on with the files of dialect B [CONFIG-EXTERNAL]", () => {
  assert.deepEqual(load(external({ ca_certs_file: "ca2.pem" })).config.broker, {
    protocol: "mqtts",
    host: "localhost",
    port: 1883,
    path: "",
    tls: { caFile: "/etc/fleet/ca2.pem" },
  });
  const files = { ca_certs_file: "ca.pem", cert_file: "cert.pem", key_file: "key.pem" };
  const { broker } = load(external({ ...files, server_address: "ws://host" })).config;
  assert.equal(broker.protocol, "wss");
  assert.deepEqual(broker.tls, {
    caFile: "/srv/ca.pem",
    certFile: "/srv/cert.pem",
    keyFile: "/srv/key.pem",
  });
  const at = "external_communication";
  assert.deepEqual(lines(failure(external({ cert_file: "cert.pem" })).problems), [
    `${at}.key_file: Expected the key of the client certificate: found nothing`,
  ]);
  assert.deepEqual(lines(failure(external({ key_file: "none.pem" })).problems), [
    `${at}.key_file: Expected an existing file: found none at "/srv/none.pem" and "/etc/fleet/none.pem"`,
    `${at}.cert_file: Expected the client certificate of the key: found nothing`,
  ]);
});

Deno.test("parseConfig() takes TLS from the command line [CLI-TLS]", () => {
  const tls = { ca: "ca.pem", cert: "cert.pem", key: "key.pem" };
  const plain = load(documented({ mqtt_port: undefined }), { tls }).config.broker;
  assert.equal(plain.protocol, "mqtts");
  assert.equal(plain.port, 8883);
  const replaced = load(external({ ca_certs_file: "gone.pem" }), { tls: { ca: "ca.pem" } });
  assert.deepEqual(replaced.config.broker.tls, { caFile: "/srv/ca.pem" });
});

Deno.test("parseConfig() takes files without --tls where the document has TLS [CLI-TLS]", () => {
  const tlsFiles = { ca: "ca.pem" };
  const own = { cert: "cert.pem", key: "key.pem" };
  const secure = documented({ mqtt_address: "mqtts://host" });
  assert.deepEqual(load(secure, { tlsFiles }).config.broker.tls, { caFile: "/srv/ca.pem" });
  assert.deepEqual(load(secure, { tlsFiles: {} }).config.broker.tls, {});
  assert.deepEqual(
    load(external({ ca_certs_file: "ca2.pem" }), { tlsFiles: own }).config.broker.tls,
    { caFile: "/etc/fleet/ca2.pem", certFile: "/srv/cert.pem", keyFile: "/srv/key.pem" },
  );
  assert.deepEqual(lines(failure(secure, { tlsFiles: { cert: "cert.pem" } }).problems), [
    "--key: Expected the key of the client certificate: found nothing",
  ]);
  const plain = load(documented(), { tlsFiles });
  assert.equal(plain.config.broker.tls, undefined);
  assert.deepEqual(lines(plain.warnings), [
    "--ca: Option has no effect: neither --tls nor the address turns TLS on",
  ]);
});

Deno.test("parseConfig() leaves TLS out with --no-tls, unless the address asks for it [CLI-TLS]", () => {
  const noTls = { noTls: true } as const;
  const { broker } = load(external({ ca_certs_file: "gone.pem" }), noTls).config;
  assert.deepEqual([broker.protocol, broker.tls], ["mqtt", undefined]);
  assert.deepEqual(lines(failure(documented({ mqtt_address: "wss://host" }), noTls).problems), [
    'mqtt_address: Expected an address without TLS, as "--no-tls" is given: found "wss://host"',
  ]);
});

Deno.test("parseConfig() names what is wrong with TLS on the command line [CLI-TLS]", () => {
  const cases: readonly (readonly [Overrides["tls"], string[]])[] = [
    [{}, ['--ca: Expected a file of CA certificates, as "--tls" is given: found nothing']],
    [{ ca: "" }, ['--ca: Expected a file: found the string ""']],
    [{ ca: "ca2.pem" }, ['--ca: Expected an existing file: found none at "/srv/ca2.pem"']],
    [{ ca: "folder" }, ['--ca: Expected a file: found a directory at "/srv/folder"']],
    [{ ca: "locked.pem" }, [
      '--ca: Expected a readable file: found "/srv/locked.pem": permission denied',
    ]],
    [{ ca: "ca.pem", cert: "cert.pem" }, [
      "--key: Expected the key of the client certificate: found nothing",
    ]],
    [{ ca: "ca.pem", key: "key.pem" }, [
      "--cert: Expected the client certificate of the key: found nothing",
    ]],
  ];
  for (const [tls, expected] of cases) {
    const overrides = tls === undefined ? {} : { tls };
    assert.deepEqual(lines(failure(documented(), overrides).problems), expected);
  }
});

Deno.test("parseConfig() lets the embedded broker have its own port, and asks for its certificate", () => {
  assert.equal(load(documented(), { embeddedBroker: { port: 0 } }).config.broker.port, 0);
  assert.equal(load(documented(), { embeddedBroker: {} }).config.broker.port, 1883);
  assert.deepEqual(lines(failure(documented(), { embeddedBroker: { port: 70_000 } }).problems), [
    "--broker: Expected a port from 0 to 65535: found 70000",
  ]);
  const overrides = { embeddedBroker: {}, tls: { ca: "ca.pem" } };
  assert.deepEqual(lines(failure(documented(), overrides).problems), [
    "--cert: Expected a file with the embedded broker's certificate, as TLS is on: found nothing",
  ]);
});
