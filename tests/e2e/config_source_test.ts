// A server whose configuration is pulled: which one it starts with, what it takes, and what it gives
// back.
import assert from "node:assert/strict";
import type { Gateway } from "../../src/simulator/gateway.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { SourceServer } from "../config_source/source_server.ts";
import { gatewayDocument } from "./gateway_process.ts";
import { configDocument, ProgramProcess, type TestModule } from "./server_process.ts";
import { PATIENT, Stage, subscribed } from "./stage.ts";

const { module: libPath } = await buildFixtures();

type Cars = Readonly<Record<string, TestModule["config"]>>;

/** A gateway that comes back by itself, as soon as it is answered. */
const IMPATIENT = { retryMs: 200, sequenceMs: 2000, responseMs: 600_000 } as const;

/** A source, a broker, and the folder of a server. */
class SourceStage implements AsyncDisposable {
  readonly stage: Stage;
  readonly source: SourceServer;
  readonly folder: TempFolder;
  readonly #scope = new AsyncDisposableStack();

  private constructor(stage: Stage, source: SourceServer, folder: TempFolder) {
    this.stage = stage;
    this.source = source;
    this.folder = folder;
    this.#scope.use(folder);
    this.#scope.use(stage);
    this.#scope.use(source);
  }

  static async set(): Promise<SourceStage> {
    const source = await SourceServer.start({ kind: "status", status: 500 });
    return new SourceStage(await Stage.set(), source, await TempFolder.make());
  }

  /** A configuration of these cars. */
  document(cars: Cars, more: Record<string, unknown> = {}): Record<string, unknown> {
    const record = this.stage.record.file;
    const modules = Object.entries(cars).map(([car, config]) => [
      car,
      { 1000: { lib_path: libPath, config: { record, ...config }, timeout_ms: 200 } },
    ]);
    const { port } = this.stage.broker;
    return configDocument({ port, cars: Object.fromEntries(modules), more });
  }

  text(cars: Cars, more: Record<string, unknown> = {}): string {
    return JSON.stringify(this.document(cars, more));
  }

  /** Starts a server with a local file of these cars. */
  async launch(cars: Cars | null, section: Record<string, unknown> = {}, ...args: string[]) {
    const config_source = {
      url: this.source.url,
      cache_dir: this.folder.file("cache"),
      poll_s: 0.2,
      confirm_s: 2,
      ...section,
    };
    const local = cars === null ? { config_source } : this.document(cars, { config_source });
    const file = await this.folder.write("config.json", JSON.stringify(local));
    return this.#scope.use(new ProgramProcess([file, ...args]));
  }

  /** A gateway that streams statuses, and what must be so when its car was not touched. */
  async watch(car: string) {
    const gateway: Gateway = this.stage.gateway(car, { devices: 1, rate: 40, clocks: PATIENT });
    const sessionId = await gateway.running();
    await waitFor(() => gateway.stats.answered > 20, "a stream of answers");
    return {
      gateway,
      sessionId,
      async assertUntouched() {
        const { answered } = gateway.stats;
        await waitFor(() => gateway.stats.answered > answered + 20, "further answers");
        const { unanswered, reconnects, notifications, linkFailures } = gateway.stats;
        assert.deepEqual({ unanswered, reconnects, notifications, linkFailures }, {
          unanswered: 0,
          reconnects: 0,
          notifications: 0,
          linkFailures: 0,
        });
        assert.equal(gateway.sessionId, sessionId);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope.disposeAsync();
  }
}

/** Runs a command of `config`, and returns what it printed. */
async function config(...args: string[]): Promise<{ code: number; text: string }> {
  await using process = new ProgramProcess(["config", ...args]);
  const { code } = await process.ended();
  return { code, text: process.text };
}

mosquittoTest(
  "a source that is away leaves the local file, then its document is taken",
  async () => {
    await using test = await SourceStage.set();
    const server = await test.launch({ car_1: {} });
    await server.line(
      /Configuration: document \w{12}, the local file: http.*: it answered with 500/,
    );
    await subscribed(server, "car_1");
    const car = await test.watch("car_1");

    test.source.give(test.text({ car_1: {}, car_2: {} }));
    await server.line(/\[INFO\].*The source of the configuration answers again/);
    await server.line(/Trying configuration document \w{12} with all cars/);
    await server.line(/Configuration reloaded: 1 car added \(car_2\)/);
    await server.line(/Configuration document \w{12} is confirmed/);
    await car.assertUntouched();
    assert.equal((await server.stop()).code, 0);
    assert.doesNotMatch(server.text, /token=hidden/);

    // The cache serves when the source is away again.
    test.source.behavior = { kind: "garbage" };
    const again = await test.launch({ car_1: {} });
    await again.line(/Configuration: document \w{12}, the last good one, from the cache: http/);
    await again.line(/Serving 2 cars/);
    assert.equal((await again.stop()).code, 0);
    // Break glass: the file as it is.
    const own = await test.launch({ car_1: {} }, {}, "--config-source", "off");
    await own.line(/Serving 1 car/);
    assert.doesNotMatch(own.text, /the cache/);
    assert.equal((await own.stop()).code, 0);
  },
);

mosquittoTest(
  "only what was signed with keys of config keygen is taken, in growing versions",
  async () => {
    await using test = await SourceStage.set();
    const { folder, source } = test;
    const key = folder.file("private.pem");
    const made = await config("keygen", key);
    const [, publicKey = ""] = /"public_key": "([^"]+)"/.exec(made.text) ?? [];
    assert.equal(((await Deno.stat(key)).mode ?? 0) & 0o777, 0o600);
    const sign = async (version: number, cars: Cars) => {
      const file = await folder.write(`${version}.json`, test.text(cars));
      return (await config("sign", file, "--key", key, "--version", `${version}`)).text;
    };
    const two = await sign(2, { car_1: {}, car_2: {} });
    const verified = await config(
      "verify",
      await folder.write("2.signed", two),
      "--public-key",
      publicKey,
    );
    assert.match(verified.text, /^ok: signed, version 2 /);
    source.give(two);
    const server = await test.launch(null, { mode: "only", public_key: publicKey });
    await server.line(/Configuration: version 2 \(\w{12}\), from the source/);
    await subscribed(server, "car_1");
    await server.line(/Configuration version 2 \(\w{12}\) is confirmed/);
    const car = await test.watch("car_1");

    source.give(test.text({ car_1: {} }));
    await server.line(/is refused: Expected a signed envelope, as public_key is set/);
    source.give(two.replace('"version": 2', '"version": 9'));
    await server.line(/version 9 .* is refused: Expected a signature of public_key/);
    source.give(await sign(1, { car_1: {} }));
    await server.line(/version 1 .* is refused: Expected a version above 2, .*: found 1/);
    source.give((await sign(3, { car_1: {} })).replace("acme", "evil"));
    await server.line(/version 3 .* is refused: Expected a signature of public_key/);
    // Each is said once, however often it is pulled.
    await source.asked(5);
    assert.equal(server.lines.filter((line) => line.includes("is refused")).length, 4);

    const shown = await config("show-source", folder.file("config.json"));
    assert.match(shown.text, /last good version 2 \(\w{12}\), usable: 2 cars/);
    assert.match(shown.text, /refused {3}version 1 /);
    assert.equal(shown.code, 1);

    // The same configuration under another version, again and again: nothing happens at all.
    source.give(await sign(4, { car_1: {}, car_2: {} }));
    await server.line(/Configuration version 4 \(\w{12}\) is what is in use: nothing changes/);
    await source.asked(5);
    await car.assertUntouched();
    assert.doesNotMatch(server.text, /Configuration reloaded/);
    assert.equal((await server.stop()).code, 0);
  },
);

mosquittoTest("a valid configuration that makes half of the cars fail is given back", async () => {
  await using test = await SourceStage.set();
  const names = ["car_1", "car_2", "car_3", "car_4"];
  const all = Object.fromEntries(names.map((name) => [name, {}]));
  test.source.give(test.text(all));
  const server = await test.launch(all, { confirm_s: 16 });
  await server.line(/Configuration document \w{12} is confirmed/);
  const untouched = await Promise.all(names.slice(2).map((name) => test.watch(name)));
  const hit = names.slice(0, 2).map((name) =>
    test.stage.gateway(name, { devices: 1, rate: 20, clocks: IMPATIENT })
  );
  await Promise.all(hit.map((gateway) => gateway.running()));

  // What is good for the same cars is confirmed.
  const changed = { note: "new" };
  test.source.give(test.text({ ...all, car_1: changed, car_2: changed }));
  await server.line(/2 cars changed/);
  const confirmed = () => server.lines.filter((line) => line.includes("is confirmed")).length;
  await waitFor(() => confirmed() === 2, "the second configuration to be confirmed");

  const broken = { init_null: 1 };
  test.source.give(test.text({ ...all, car_1: broken, car_2: broken }));
  await server.line(/2 cars changed/);
  await server.line(/has failed its probation: after 16 s, 2 of 4 cars were RUNNING, before 4/);
  await server.line(
    /Configuration returned: document \w{12}, .*: document \w{12} has failed: after/,
  );
  await Promise.all(hit.map((gateway) => gateway.running()));
  await test.source.asked(5);
  assert.equal(server.lines.filter((line) => line.includes("Trying configuration")).length, 2);
  await Promise.all(untouched.map((car) => car.assertUntouched()));
  assert.equal((await server.stop()).code, 0);
});

mosquittoTest("three kills before the end of a probation bring the one before", async () => {
  await using test = await SourceStage.set();
  test.source.give(test.text({ car_1: {} }));
  const first = await test.launch(null, { mode: "only" });
  await first.line(/is confirmed/);
  assert.equal((await first.stop()).code, 0);
  test.source.give(test.text({ car_1: {}, car_2: {} }));
  for (let kill = 0; kill < 3; kill++) {
    const server = await test.launch(null, { mode: "only", confirm_s: 1000 });
    await server.line(/Serving 2 cars/);
    server.signal("SIGKILL");
    await server.ended();
  }
  const last = await test.launch(null, { mode: "only" });
  await last.line(/is left out: 3 starts within 5 minutes died before it was confirmed/);
  await last.line(/the last good one, from the cache/);
  await last.line(/Serving 1 car/);
  assert.equal((await last.stop()).code, 0);
});

mosquittoTest("operators hold a configuration, and see which one is in use and why", async () => {
  await using test = await SourceStage.set();
  const http = { port: 0, address: "127.0.0.1" };
  test.source.give(test.text({ car_1: {} }, { http }));
  const followed = await test.launch({ car_1: {}, car_2: {} });
  const listening = await followed.line(/Listening for operators on /);
  const url = listening.slice(listening.indexOf("http"));
  const call = async (method: string, params: unknown = {}) => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}/rpc`, { method: "POST", headers, body });
    return (await answer.json()).result;
  };
  await followed.line(/Configuration document \w{12} is confirmed/);
  const { live, url: shown } = await call("config.source");
  assert.deepEqual([live.origin, live.why], ["remote", "the source has it"]);
  assert.equal(shown, new URL(test.source.url).origin);

  assert.equal((await call("config.pin", { to: "local" })).live.origin, "local");
  await followed.line(/1 car added \(car_2\)/);
  test.source.give(test.text({ car_1: {}, car_3: {} }, { http }));
  await test.source.asked(5);
  const held = await call("config.source");
  assert.deepEqual([held.live.origin, held.live.why], ["local", "pinned by anonymous"]);
  assert.equal((await call("config.pin", { to: null })).pin, null);
  await followed.line(/1 car added \(car_3\); 1 car removed \(car_2\)/);
  assert.equal((await followed.stop()).code, 0);
});

mosquittoTest("a gateway starts with what the source has, and follows it", async () => {
  await using test = await SourceStage.set();
  const document = await gatewayDocument(test.stage.broker.port);
  const key = "internal-server-settings";
  const settings = document[key] as Record<string, unknown>;
  const changed = { ...document, [key]: { ...settings, takeover: "probe" } };
  test.source.give(JSON.stringify(document));
  const config_source = {
    url: test.source.url,
    cache_dir: test.folder.file("cache"),
    poll_s: 0.2,
    confirm_s: 1,
    mode: "only",
  };
  const file = await test.folder.write("gateway.json", JSON.stringify({ config_source }));
  await using gateway = new ProgramProcess(["gateway", file]);
  await gateway.line(/Configuration: document \w{12}, from the source/);
  await gateway.line(/Serving devices of 1 module/);
  await gateway.line(/is confirmed/);
  test.source.give(JSON.stringify(changed));
  await gateway.line(/Configuration reloaded: internal-server-settings.takeover strict -> probe/);
  assert.equal((await gateway.stop()).code, 0);
});
