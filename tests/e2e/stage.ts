// What most end-to-end tests have in common: a broker, a record of module calls, gateways.
import { Gateway } from "../../src/simulator/gateway.ts";
import type { GatewayOptions } from "../../src/simulator/gateway_options.ts";
import { ScriptedGateway, type ScriptedGatewayOptions } from "../support/scripted_gateway.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { CallRecord } from "./call_record.ts";
import {
  COMPANY,
  type ProcessOptions,
  type ProgramProcess,
  ServerProcess,
  type TestModule,
} from "./server_process.ts";

/** What is said about a car's module beside the library. */
type ModuleKeys = NonNullable<TestModule["config"]>;

/** What a server on a stage is started with. */
export interface StageServer {
  /** Configuration of module 1000 of each car, by car. */
  readonly cars: Readonly<Record<string, ModuleKeys>>;
  /** Further keys of the module of each car, such as `command_policy`. */
  readonly module?: Readonly<Record<string, unknown>>;
  /** Further keys of the configuration, such as `timeout`. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly options?: ProcessOptions;
}

/** The broker's own delays are not the server's: without this it holds small packets back. */
const BROKER_LINES = ["set_tcp_nodelay true"];

/** A gateway that does not come back by itself while a test runs. */
export const PATIENT = { retryMs: 600_000, sequenceMs: 600_000, responseMs: 600_000 } as const;

/** A broker and a record; `await using stage = await Stage.set()`. */
export class Stage implements AsyncDisposable {
  readonly broker: Mosquitto;
  readonly record: CallRecord;
  readonly #scope = new AsyncDisposableStack();

  private constructor(broker: Mosquitto, record: CallRecord) {
    this.broker = broker;
    this.record = record;
    this.#scope.use(record);
    this.#scope.use(broker);
  }

  static async set(): Promise<Stage> {
    const broker = await Mosquitto.start({ lines: BROKER_LINES });
    return new Stage(broker, await CallRecord.make());
  }

  /**
   * Starts a server whose cars have module 1000; it ends with the stage. Waits until it listens to
   * every car, unless the configuration has a `logging` of its own, which may not say so.
   */
  async serve({ cars, module: others, more = {}, options }: StageServer): Promise<ServerProcess> {
    const { module } = await buildFixtures();
    const modules = Object.entries(cars).map(([car, config]) => {
      const keys = { record: this.record.file, ...config };
      return [car, {
        1000: { lib_path: module, config: keys, timeout_ms: 200, ...others },
      }] as const;
    });
    const config = { port: this.broker.port, cars: Object.fromEntries(modules), more };
    const server = this.#scope.use(await ServerProcess.start(config, options));
    if (more.logging === undefined) {
      await Promise.all(Object.keys(cars).map((car) => subscribed(server, car)));
    }
    return server;
  }

  /** A faithful gateway, started; it ends with the stage. */
  gateway(car: string, more: Partial<GatewayOptions> = {}): Gateway {
    const { port } = this.broker;
    const broker = { host: "127.0.0.1", port };
    return this.#scope.use(new Gateway({ company: COMPANY, car, broker, ...more }).start());
  }

  /** A scripted gateway, connected to the broker; it ends with the stage. */
  async scripted(
    car: string,
    more: Partial<ScriptedGatewayOptions> = {},
  ): Promise<ScriptedGateway> {
    const { port } = this.broker;
    const broker = { host: "127.0.0.1", port };
    const gateway = new ScriptedGateway({ company: COMPANY, car, broker, ...more });
    return await this.#scope.use(gateway).open();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }
}

/** Waits until a server listens to a car; its level of the console has to be DEBUG. */
export async function subscribed(server: ProgramProcess, car: string): Promise<void> {
  await server.line(new RegExp(`\\(${car}\\)\\tState .+ is now CONNECTED`));
}
