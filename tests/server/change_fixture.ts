// A server without processes and brokers whose configuration a test changes while cars are served.
import { compareConfigs, type ConfigDifference } from "../../src/config/plan/compare.ts";
import type { ServerConfig } from "../../src/config/resolve/config.ts";
import { decodeServerMessage, encodeClientMessage } from "../../src/protocol/codec/codec.ts";
import { type Device, DeviceState } from "../../src/protocol/messages.ts";
import { Server } from "../../src/server/server.ts";
import { bytes } from "../car/support.ts";
import { documented, load } from "../config/support.ts";
import { ListLog } from "../support/list_log.ts";
import type { MessageLimits } from "../../src/transport/transport.ts";
import { MemoryTransport } from "../support/memory_transport.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { FakeHosts } from "./fake_hosts.ts";

const DEVICE: Device = {
  module: 7,
  deviceType: 0,
  deviceRole: "front",
  deviceName: "front",
  priority: 0,
};

/** Loads a configuration of these cars, each with module 7 and the rest of the document. */
export function fleet(
  cars: Record<string, unknown>,
  more: Record<string, unknown> = {},
): ServerConfig {
  return load(documented({ cars, ...more })).config;
}

/** Specific module 8, of a library of its own, with this configuration. */
export function withModule8(config: Record<string, unknown> = {}): Record<string, unknown> {
  return { specific_modules: { "8": { lib_path: "beside.so", config } } };
}

/** Remembers what it was asked besides. */
export class TestTransport extends MemoryTransport {
  limit = 0;
  readonly moves: { readonly reason: string; readonly withinMs: number }[] = [];

  limitMessages({ maxMessageBytes }: MessageLimits): void {
    this.limit = maxMessageBytes;
  }

  reconnect(reason: string, withinMs: number): void {
    this.moves.push({ reason, withinMs });
  }
}

/** One server and everything around it. */
export class ChangeFixture {
  readonly clock = new VirtualClock();
  readonly log = new ListLog();
  readonly hosts = new FakeHosts();
  readonly server: Server;
  /** The module call timeout each host was started with, in milliseconds. */
  readonly callTimeouts: number[] = [];
  /** Cars that an operator has paused. */
  readonly paused = new Set<string>();
  readonly #transports = new Map<string, TestTransport[]>();
  readonly #failures = new Map<string, string[]>();

  constructor(config: ServerConfig, contextsPerHost = 15) {
    this.server = new Server({
      config,
      log: this.log,
      clock: this.clock,
      contextsPerHost,
      subscribers: [{
        onTurn: ({ car, effects }) => {
          const ended = effects.flatMap((effect) =>
            effect.type === "ended" ? [effect.failure.reason] : []
          );
          this.#failures.set(car, [...this.failures(car), ...ended]);
        },
      }],
      isPaused: (car) => this.paused.has(car),
      startHost: (events, { timeouts }, kind) => {
        this.callTimeouts.push(timeouts.moduleCallMs);
        return this.hosts.start(events, kind);
      },
      createTransport: ({ name }) => {
        const transport = new TestTransport();
        this.#transports.set(name, [...this.#transports.get(name) ?? [], transport]);
        return transport;
      },
    });
  }

  /** Started, with a session of every car. */
  static async serve(config: ServerConfig, contextsPerHost?: number): Promise<ChangeFixture> {
    const test = new ChangeFixture(config, contextsPerHost);
    await test.server.start();
    for (const { name } of config.cars) await test.connect(name);
    return test;
  }

  /** The car's latest transport. */
  transport(car: string): TestTransport {
    const transport = this.#transports.get(car)?.at(-1);
    if (transport === undefined) throw new Error(`Car "${car}" has no transport`);
    return transport;
  }

  /** The connect sequence of a car's gateway, with one device of module 7. */
  async connect(car: string, sessionId = `session of ${car}`): Promise<void> {
    const transport = this.transport(car);
    transport.up();
    const { company } = this.server.config;
    const send = (message: Parameters<typeof encodeClientMessage>[0]) =>
      transport.deliver(encodeClientMessage(message));
    send({ kind: "connect", sessionId, company, vehicleName: car, devices: [DEVICE] });
    await settled();
    send({
      kind: "status",
      sessionId,
      deviceState: DeviceState.CONNECTING,
      messageCounter: 0,
      device: DEVICE,
      statusData: bytes(""),
      errorMessage: bytes(""),
    });
    await settled();
    for (const message of transport.published.map(decodeServerMessage)) {
      if (message.kind !== "command" || message.sessionId !== sessionId) continue;
      const { messageCounter } = message;
      send({ kind: "command_response", sessionId, type: 0, messageCounter });
    }
    await settled();
  }

  /** Goes over to another configuration; time passes as it must. */
  async change(next: ServerConfig): Promise<ConfigDifference> {
    const difference = compareConfigs(this.server.config, next);
    await this.server.change(next, difference);
    await settled();
    return difference;
  }

  /** Session ids by car; null: there is none. */
  get sessions(): Record<string, string | null> {
    return Object.fromEntries(
      this.server.snapshot().cars.map(({ car, sessionId }) => [car, sessionId]),
    );
  }

  /** Why sessions of a car ended, oldest first. */
  failures(car: string): string[] {
    return this.#failures.get(car) ?? [];
  }
}
