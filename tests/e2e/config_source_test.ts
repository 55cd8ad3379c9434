// A server whose configuration is pulled: which one it starts with, what it takes, and what it gives
// back.
import assert from "node:assert/strict";
import type { Gateway } from "../../src/simulator/gateway.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { SourceServer } from "../config_source/source_server.ts";
import { configDocument, ProgramProcess, type TestModule } from "./server_process.ts";
import { PATIENT, Stage, subscribed } from "./stage.ts";

const { module: libPath } = await buildFixtures();

type Cars = Readonly<Record<string, TestModule["config"]>>;

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
  },
);
