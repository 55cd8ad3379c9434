// A gateway without a broker, under a clock the test moves.
import assert from "node:assert/strict";
import {
  type ClientMessage,
  ConnectResponseType,
  type Device,
  NO_BYTES,
  type ServerMessage,
  type Status,
} from "../../src/protocol/messages.ts";
import type { Input } from "../../src/gateway/mod.ts";
import type { GatewayEvent } from "../../src/simulator/events.ts";
import { GatewayDriver } from "../../src/simulator/gateway_driver.ts";
import { type GatewayOptions, simulationOptions } from "../../src/simulator/gateway_options.ts";
import { GatewayStats } from "../../src/simulator/stats.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { FakeServer } from "./fake_server.ts";

/** What a test can make of a gateway. */
export type FixtureOptions = Partial<GatewayOptions> & {
  /** Where the server counts commands from. */
  readonly commandCounter?: number;
  /** Leaves the gateway's messages lying, for tests that play the server. */
  readonly mute?: boolean;
};

const STEP_MS = 1;

/** One gateway, the wire in between, and a server that pleases it. */
export class DriverFixture {
  readonly clock = new VirtualClock();
  readonly stats = new GatewayStats();
  readonly events: GatewayEvent[] = [];
  /** Everything that went out, copies of duplicates included. */
  readonly sent: ClientMessage[] = [];
  readonly links: ("open" | "close")[] = [];
  readonly server: FakeServer;
  readonly driver: GatewayDriver;
  readonly #toServer: ClientMessage[] = [];
  readonly #toGateway: ServerMessage[] = [];
  readonly #mute: boolean;

  constructor(options: FixtureOptions = {}) {
    const { commandCounter = 0, mute = false, ...rest } = options;
    this.#mute = mute;
    this.server = new FakeServer((message) => this.#toGateway.push(message), commandCounter);
    const given = simulationOptions({
      company: "acme",
      car: "car_1",
      broker: { host: "nowhere", port: 1 },
      devices: 2,
      stats: this.stats,
      ...rest,
    });
    const port = {
      open: () => this.links.push("open"),
      close: () => this.links.push("close"),
      send: (message: ClientMessage, times: number) => {
        for (let i = 0; i < times; i++) {
          this.sent.push(message);
          this.#toServer.push(message);
        }
      },
    };
    const onEvent = (event: GatewayEvent) => this.events.push(event);
    this.driver = new GatewayDriver(given, port, this.clock, onEvent);
  }

  /** Starts it, with a broker at hand, and lets the two talk. */
  start(): this {
    this.driver.start();
    this.link();
    this.talk();
    return this;
  }

  /** The broker is there. */
  link(): void {
    this.driver.take({ type: "link_up" });
  }

  /** Carries messages to and fro until nobody says anything more. */
  talk(): void {
    if (this.#mute) return;
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const toServer = this.#toServer.shift();
      if (toServer !== undefined) this.server.handle(toServer);
      const toGateway = this.#toGateway.shift();
      if (toGateway !== undefined) this.driver.message(toGateway);
      if (toServer === undefined && toGateway === undefined) return;
    }
    assert.fail("gateway and server do not stop talking");
  }

  /** Says something as the server, in the current session unless it names another one. */
  say(message: ServerMessage): void {
    this.driver.message(message);
  }

  /** Answers a Connect, of the current session unless told otherwise. */
  connectResponse(type: number = ConnectResponseType.OK, sessionId = this.sessionId): void {
    this.say({ kind: "connect_response", sessionId, type });
  }

  get sessionId(): string {
    return this.driver.sessionId ?? "";
  }

  respond(messageCounter: number, sessionId = this.sessionId): void {
    this.say({ kind: "status_response", sessionId, messageCounter });
  }

  command(messageCounter: number, device: Device = this.device(0)): void {
    const { sessionId } = this;
    this.say({
      kind: "command",
      sessionId,
      messageCounter,
      device,
      commandData: new Uint8Array([1]),
    });
  }

  /** Lets time pass, a little at a time, and lets the two talk. */
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= STEP_MS) {
      this.clock.pass(Math.min(STEP_MS, left));
      this.talk();
    }
  }

  /** What a device says by itself. */
  status(device: Device = this.device(0), data: Uint8Array = NO_BYTES): Input {
    return { type: "status", device, data, errorMessage: NO_BYTES, tag: null };
  }

  device(index: number): Device {
    const device = this.driver.devices[index];
    assert.ok(device);
    return device;
  }

  get statuses(): Status[] {
    return this.sent.filter((message) => message.kind === "status");
  }

  /** The rules the server has broken, by name. */
  violations(): string[] {
    return this.events.flatMap((event) => event.kind === "violation" ? [event.violation.kind] : []);
  }

  /** The last event of a kind. */
  last<K extends GatewayEvent["kind"]>(kind: K): Extract<GatewayEvent, { kind: K }> | undefined {
    return this.events.findLast((event) => event.kind === kind) as
      | Extract<GatewayEvent, { kind: K }>
      | undefined;
  }
}
