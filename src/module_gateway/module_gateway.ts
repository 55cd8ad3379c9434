// A whole Module Gateway: joins the internal server, the module handler, modules and sessions.
import { join } from "node:path";
import { GATEWAY_TIMES, GatewayLink } from "../gateway/mod.ts";
import {
  INTERNAL_SERVER_SETTINGS,
  InternalServer,
  type InternalServerSettings,
} from "../internal_server/mod.ts";
import { HANDLER_SETTINGS, type ReportReason } from "../module_handler/mod.ts";
import type { Device } from "../protocol/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import type { Log } from "../log/mod.ts";
import { DeviceHandler } from "./device_handler.ts";
import { DeviceStatistics } from "./device_statistics.ts";
import { ExternalSession } from "./external_session.ts";
import { GatewayJournal } from "./gateway_journal.ts";
import { ModuleCalls } from "./module_calls.ts";
import type { EndpointOptions, HistoryOptions, ModuleGatewayOptions } from "./options.ts";
import type { ModuleGatewaySnapshot } from "./snapshot.ts";
import { StatusHistory } from "./status_history.ts";
import { Turns } from "./turns.ts";

/** Of each endpoint. */
const MAX_HISTORY_BYTES = 64 * 1024 * 1024;

/** Where statuses are offered that could not be sent [GATEWAY-HISTORY]. */
export function historyTopic(company: string, car: string): string {
  return `${company}/${car}/module_gateway_history`;
}

/** The gateway of one car. */
export class ModuleGateway implements AsyncDisposable {
  readonly #options: ModuleGatewayOptions;
  readonly #internalServer: InternalServer;
  readonly #handler: DeviceHandler;
  readonly #sessions: readonly ExternalSession[];
  readonly #statistics = new DeviceStatistics();
  /** By endpoint; empty when nothing is kept. */
  readonly #histories = new Map<string, StatusHistory>();
  readonly #addresses: Deno.Addr[] = [];
  #stopped: Promise<void> | null = null;

  constructor(options: ModuleGatewayOptions) {
    const { company, car, modules, endpoints, clock = systemClock } = options;
    const log = options.log.forCar(car);
    this.#options = options;
    const { history } = options;
    if (history !== undefined) {
      for (const endpoint of endpoints) {
        this.#histories.set(endpoint.name, this.#historyOf(endpoint, history, log, clock));
      }
    }
    const subscribers = [
      this.#statistics,
      new GatewayJournal(log, clock),
      ...this.#histories.values(),
      ...options.subscribers ?? [],
    ];
    const turns = new Turns(subscribers, log, clock);
    const calls = new ModuleCalls(modules);
    const times = { ...GATEWAY_TIMES, ...options.times };
    this.#sessions = endpoints.map((endpoint) =>
      new ExternalSession({
        endpoint,
        company,
        car,
        times,
        calls,
        turns,
        clock,
        link: (listener) => new GatewayLink({ broker: endpoint.broker, company, car }, listener),
        onCommand: ({ device, commandData }) => this.#handler.command(device, commandData),
        onForce: (numbers) => this.#handler.force(numbers),
      })
    );
    const served = endpoints.flatMap((endpoint) => endpoint.modules).filter((one) =>
      modules.has(one)
    );
    this.#handler = new DeviceHandler({
      settings: { ...HANDLER_SETTINGS, ...options.handler, modules: served },
      calls,
      turns,
      log,
      clock,
      answers: {
        answerConnect: (...said) => this.#internalServer.answerConnect(...said),
        answerStatus: (...said) => this.#internalServer.answerStatus(...said),
        push: (...said) => this.#internalServer.push(...said),
        dead: (device) => this.#internalServer.dead(device),
      },
      report: (device, data, why) => this.#report(device, data, why),
    });
    this.#internalServer = new InternalServer({
      settings: options.internalServer ?? INTERNAL_SERVER_SETTINGS,
      handler: this.#handler,
      log,
      clock,
    });
  }

  /**
   * Listens for devices. Sessions begin with the first status that is to be reported.
   *
   * @throws {ListenError} when an address cannot be had; stop the gateway then, too.
   */
  async start(): Promise<void> {
    for (const session of this.#sessions) session.start();
    for (const address of this.#options.listen) {
      this.#addresses.push(await this.#internalServer.listen(address));
    }
  }

  /** Where devices connect, in the order of the options; empty before the start. */
  get addresses(): readonly Deno.Addr[] {
    return this.#addresses;
  }

  /**
   * Leaves the brokers without a word [GATEWAY-STOP], then closes every connection of a device; a
   * second at most. What modules still answer changes nothing. Idempotent, never rejects.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Takes other rules for devices, from the next input on; connections stay. */
  configure(settings: InternalServerSettings): void {
    this.#internalServer.configure(settings);
  }

  /** The gateway as plain data. */
  snapshot(): ModuleGatewaySnapshot {
    const { company, car } = this.#options;
    return {
      company,
      car,
      devices: this.#handler.snapshot(),
      endpoints: this.#sessions.map((session) => ({
        ...session.snapshot(),
        history: this.#histories.get(session.name)?.counts ?? null,
      })),
      internalServer: this.#internalServer.statistics,
      counts: this.#statistics.snapshot(),
    };
  }

  async #stop(): Promise<void> {
    const left = this.#sessions.map((session) => session.stop());
    this.#handler.stop();
    await Promise.all([...left, this.#internalServer.stop()]);
    await Promise.all([...this.#histories.values()].map((history) => history.stop()));
  }

  #historyOf(
    { name: endpoint, broker: { host, port } }: EndpointOptions,
    options: HistoryOptions,
    log: Log,
    clock: Clock,
  ): StatusHistory {
    const { company, car } = this.#options;
    const topic = historyTopic(company, car);
    const { directory, maxBytes = MAX_HISTORY_BYTES } = options;
    return new StatusHistory({
      endpoint,
      directory: join(directory, `broker-${encodeURIComponent(`${host}:${port}`)}`),
      maxBytes,
      log,
      clock,
      publish: async (event) => {
        const session = this.#sessions.find(({ name }) => name === endpoint);
        return await session?.publish(topic, event) ?? false;
      },
    });
  }

  #report(device: Device, data: Uint8Array, why: ReportReason): void {
    const session = this.#sessions.find((each) => each.serves(device.module));
    if (why === "forced") session?.forced(device, data);
    else session?.report(device, data, why === "disconnected");
  }
}
