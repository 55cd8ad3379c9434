// Pulling from a server that fails in every way, and from files.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { pull, type PullOptions } from "../../src/config_source/pull.ts";
import { TempFolder } from "../support/temp.ts";
import { type Behavior, SourceServer } from "./source_server.ts";

const PATIENT_MS = 60_000;

function ask(url: string, more: Partial<PullOptions> = {}) {
  return pull({ url, etag: null, limitMs: PATIENT_MS, ...more });
}

Deno.test("pull() asks with the key and the ETag, and knows what it has", async () => {
  await using folder = await TempFolder.make();
  const apiKeyFile = await folder.write("key", "0123456789abcdef\n");
  await using server = await SourceServer.start({ kind: "document", text: "{}" });
  const first = await ask(server.url, { apiKeyFile });
  assert.ok(first.kind === "text" && first.etag !== null);
  assert.equal(first.text, "{}");
  assert.deepEqual(await ask(server.url, { apiKeyFile, etag: first.etag }), { kind: "unchanged" });
  assert.match(server.requests[0]?.head ?? "", /authorization: Bearer 0123456789abcdef\r\n/i);
  assert.deepEqual(server.requests.map(({ status }) => status), [200, 304]);
  const missing = await ask(server.url, { apiKeyFile: folder.file("none") });
  assert.match(JSON.stringify(missing), /Cannot read the key in .*no such file/);
});

const FAILURES: Readonly<Record<string, readonly [Behavior, RegExp, number?]>> = {
  "an error": [{ kind: "status", status: 500 }, /: it answered with 500$/],
  "nothing found": [{ kind: "status", status: 404 }, /: it answered with 404$/],
  "304 unasked": [{ kind: "status", status: 304 }, /: it answered with 304$/],
  "no HTTP": [{ kind: "garbage" }, /^http:\/\/127\.0\.0\.1:\d+: /],
  "half a body": [{ kind: "cut", text: "x".repeat(1000) }, /^http:\/\/127\.0\.0\.1:\d+: /],
  "an endless body": [{ kind: "endless" }, /: it has more than 100000 bytes$/],
  "no end of its head": [{ kind: "silent" }, /: no answer within 50 ms$/, 50],
  "no end of its body": [{ kind: "stall" }, /: no answer within 50 ms$/, 50],
};

for (const [what, [behavior, expected, limitMs = PATIENT_MS]] of Object.entries(FAILURES)) {
  Deno.test(`pull() fails with a reason when the server has ${what}`, async () => {
    await using server = await SourceServer.start(behavior);
    const outcome = await ask(server.url, { limitMs, maxBytes: 100_000 });
    assert.equal(outcome.kind, "failed");
    assert.match(outcome.kind === "failed" ? outcome.why : "", expected);
    assert.doesNotMatch(JSON.stringify(outcome), /token=hidden/);
  });
}

Deno.test("pull() fails when nobody listens, and when it is ended", async () => {
  const server = await SourceServer.start({ kind: "silent" });
  const { url } = server;
  const end = new AbortController();
  const ended = ask(url, { signal: end.signal });
  await server.asked();
  end.abort();
  assert.equal((await ended).kind, "failed");
  await server[Symbol.asyncDispose]();
  assert.equal((await ask(url)).kind, "failed");
});

Deno.test("pull() follows redirects within the scheme, without its key to others", async () => {
  await using folder = await TempFolder.make();
  const apiKeyFile = await folder.write("key", "0123456789abcdef");
  await using target = await SourceServer.start({ kind: "document", text: "{}" });
  await using server = await SourceServer.start({
    kind: "status",
    status: 302,
    headers: `Location: ${target.url}\r\n`,
  });
  assert.equal((await ask(server.url, { apiKeyFile })).kind, "text");
  assert.match(server.requests[0]?.head ?? "", /authorization/i);
  assert.doesNotMatch(target.requests[0]?.head ?? "", /authorization/i);
  for (const scheme of ["https", "file", "data"]) {
    const location = scheme === "data" ? "data:text/plain,x" : `${scheme}:///etc/passwd`;
    server.behavior = {
      kind: "status",
      status: 302,
      headers: `Location: ${location.replace("https:///", "https://127.0.0.1/")}\r\n`,
    };
    const refused = await ask(server.url);
    assert.match(JSON.stringify(refused), /it redirects to another scheme/);
  }
  server.behavior = { kind: "status", status: 307, headers: `Location: ${server.url}\r\n` };
  assert.match(JSON.stringify(await ask(server.url)), /it redirects more than 3 times/);
});

Deno.test("pull() reads a file, and says what is wrong with it", async () => {
  await using folder = await TempFolder.make();
  const url = pathToFileURL(await folder.write("fleet config.json", "{}")).href;
  assert.deepEqual(await ask(url), { kind: "text", text: "{}", etag: null });
  const large = await ask(url, { maxBytes: 1 });
  assert.match(JSON.stringify(large), /has more than 1 bytes/);
  assert.match(JSON.stringify(await ask(`${url}x`)), /no such file/);
  assert.match(
    JSON.stringify(await ask(pathToFileURL(await folder.pipe("pipe")).href)),
    /is a pipe/,
  );
  await Deno.writeFile(folder.file("binary"), new Uint8Array([0xff, 0xfe]));
  const binary = await ask(pathToFileURL(folder.file("binary")).href);
  assert.match(JSON.stringify(binary), /is not UTF-8 text/);
});
