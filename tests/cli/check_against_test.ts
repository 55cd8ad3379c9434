// `check --against`: what a reload would do, in cars, said without doing anything.
import assert from "node:assert/strict";
import { runCheck } from "../../src/cli/check.ts";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import { loadConfig } from "../../src/config/load.ts";
import { configDocument, ProgramProcess } from "../e2e/server_process.ts";
import { freePort } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";

const KEY = "0123456789abcdef";

/** Writes a configuration of these cars, each with module 2 and this configuration of it. */
async function write(
  folder: TempFolder,
  name: string,
  cars: Record<string, Record<string, string>>,
  more: Record<string, unknown> = {},
): Promise<string> {
  const lib_path = await folder.write("module.so", "");
  const modules = Object.entries(cars).map(([car, config]) =>
    [car, { 2: { lib_path, config } }] as const
  );
  const document = configDocument({ port: 1883, cars: Object.fromEntries(modules), more });
  return await folder.write(name, JSON.stringify(document));
}

/** Runs `check` in this process and returns what a user would see. */
async function check(
  config: string,
  target: string,
  more: { apiKey?: string; file?: string } = {},
) {
  const out: string[] = [];
  const err: string[] = [];
  const output = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
  const against = { target, apiKey: more.apiKey, apiKeyFile: more.file };
  const code = await runCheck({ config, against }, output);
  return { code, out, err };
}

/** A server's HTTP side that answers `config.get` with what this file means. */
function serveConfig(file: string) {
  const asked: unknown[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (new URL(request.url).pathname !== "/rpc") return new Response("no", { status: 404 });
    if (request.headers.get("authorization") !== `Bearer ${KEY}`) {
      return Response.json({ error: { code: "unauthorized", message: "no" } }, { status: 401 });
    }
    const { id, method } = await request.json();
    asked.push(method);
    return Response.json({
      jsonrpc: "2.0",
      id,
      result: effectiveDocument((await loadConfig(file)).config),
    });
  });
  const address = `http://127.0.0.1:${server.addr.port}`;
  return { asked, address, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("runCheck() says against a file what a reload would do, in cars", async () => {
  await using folder = await TempFolder.make();
  const running = await write(folder, "running.json", { same: {}, changed: {}, removed: {} });
  const wanted = await write(
    folder,
    "wanted.json",
    { same: {}, changed: { url: "x" }, added: {} },
    {
      mqtt_timeout: 20,
      log_files_to_keep: 1,
      mqtt_username: "es",
      mqtt_password: "hidden",
    },
  );
  const { code, out, err } = await check(wanted, running);
  assert.deepEqual([code, err], [0, []]);
  assert.deepEqual(out, [
    "car added: added",
    "car removed: removed, its session ends (stopped)",
    "car changed: module 2 changed (config.url), its session ends (module_lost)",
    "mqtt_timeout 30 s -> 20 s: at once, sessions go on",
    "mqtt_username nothing -> es: every car reconnects to the broker, its session ends " +
    "(broker_lost)",
    "mqtt_password nothing -> ***: every car reconnects to the broker, its session ends " +
    "(broker_lost)",
    "log_files_to_keep 5 -> 1: needs a restart",
    "A reload would do this to cars: 1 added, 1 removed, 1 changed; 0 cars keep their sessions",
  ]);
});

Deno.test("runCheck() says against an identical file that nothing would change", async () => {
  await using folder = await TempFolder.make();
  const running = await write(folder, "running.json", { a: { token: "secret" }, b: {} });
  const { code, out } = await check(running, running);
  assert.equal(code, 0);
  assert.deepEqual(out, ["A reload would change nothing: 2 cars keep their sessions"]);
});

Deno.test("runCheck() asks a running server, and says which secrets it cannot compare", async () => {
  await using folder = await TempFolder.make();
  const secrets = { mqtt_username: "es", mqtt_password: "one" };
  const running = await write(folder, "running.json", {
    same: { token: "one", url: "x" },
    changed: { url: "http://me:one@host/" },
  }, secrets);
  const wanted = await write(folder, "wanted.json", {
    same: { token: "two", url: "x" },
    changed: { url: "http://me:two@host/", more: "" },
  }, { ...secrets, mqtt_password: "two" });
  await using server = serveConfig(running);
  const key = await folder.write("key", `${KEY}\n`);
  for (const more of [{ apiKey: KEY }, { file: key }]) {
    const { code, out, err } = await check(wanted, server.address, more);
    assert.deepEqual([code, err], [0, []]);
    assert.deepEqual(out, [
      "car changed: module 2 changed (config.more), its session ends (module_lost)",
      "A reload would do this to cars: 0 added, 0 removed, 1 changed; 1 car keeps its session",
      "Not comparable, as servers mask what may be secret: mqtt_password, " +
      "car same: module 2 config.token, car changed: module 2 config.url",
    ]);
  }
  assert.deepEqual(server.asked, ["config.get", "config.get"]);
});

Deno.test("runCheck() says why it could not compare, with 1", async () => {
  await using folder = await TempFolder.make();
  const file = await write(folder, "config.json", { a: {} });
  await using server = serveConfig(file);
  await using other = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => Response.json({ hello: "world" }),
  );
  const bytes = folder.file("bytes");
  await Deno.writeFile(bytes, new Uint8Array([0xff, 0xfe]));
  // Only the newline is dropped, not this space, which headers keep.
  const padded = await folder.write("padded", `${KEY}\u00a0\n`);
  const cases: [target: string, more: { apiKey?: string; file?: string }, said: RegExp][] = [
    [folder.file("missing.json"), {}, /missing\.json: .*no such file/],
    [server.address, {}, /Cannot ask the server at .*: the API key is refused: it wants one/],
    [server.address, { apiKey: "wrong" }, /the API key is refused: it is another one/],
    [server.address, { file: "/missing/key" }, /--api-key-file: .*no such file/],
    [server.address, { file: bytes }, /--api-key-file: .*is not UTF-8 text/],
    [server.address, { file: padded }, /the API key is refused: it is another one/],
    [`${server.address}/elsewhere`, { apiKey: KEY }, /answers with status 404/],
    [`http://127.0.0.1:${other.addr.port}`, {}, /does not answer as this program does/],
    [`http://127.0.0.1:${freePort()}`, {}, /^error: Cannot ask the .*\d": connection refused$/],
    ["http://no-such-host.invalid", {}, /^error: Cannot ask the .*": host name not found$/],
  ];
  for (const [target, more, said] of cases) {
    const { code, out, err } = await check(file, target, more);
    assert.deepEqual([code, out], [1, []], target);
    assert.match(err.join("\n"), said);
  }
});

Deno.test("check --against prints a comparison, and refuses keys it has no use for", async () => {
  await using folder = await TempFolder.make();
  const file = await write(folder, "config.json", { a: {} });
  const run = async (...args: string[]) => {
    await using process = new ProgramProcess(["check", file, ...args]);
    const { code } = await process.ended();
    return { code, text: process.text };
  };
  const [compared, alone, both, shown] = await Promise.all([
    run("--against", file),
    run("--api-key", KEY),
    run("--against", file, "--api-key", KEY, "--api-key-file", file),
    run("--against", file, "--show-config-values"),
  ]);
  assert.deepEqual(compared, {
    code: 0,
    text: "A reload would change nothing: 1 car keeps its session",
  });
  assert.equal(alone.code, 2);
  assert.match(alone.text, /--api-key: no use without --against/);
  assert.equal(both.code, 2);
  assert.equal(shown.code, 2);
  assert.match(shown.text, /--show-config-values: no use with --against/);
});
