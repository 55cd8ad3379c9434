// A gateway without a broker, under a clock the test moves.
import assert from "node:assert/strict";
import type { ClientMessage, Device, ServerMessage, Status } from "../../src/protocol/messages.ts";
import { GatewayLife } from "../../src/simulator/gateway_life.ts";
import { type GatewayOptions, sessionOptions } from "../../src/simulator/gateway_options.ts";
import type { GatewayEvent } from "../../src/simulator/session_types.ts";
import { GatewayStats } from "../../src/simulator/stats.ts";
import { FakeServer } from "./fake_server.ts";

/** What a test can make of a gateway. */
export type FixtureOptions = Partial<GatewayOptions> & {
  /** Where the server counts commands from. */
  readonly commandCounter?: number;
  /** Leaves the gateway's messages lying, for tests that play the server. */
  readonly mute?: boolean;
};

/** One gateway, the wire in between, and a server that pleases it. */
export class LifeFixture {
  now = 1_000;
  readonly stats = new GatewayStats();
  readonly events: GatewayEvent[] = [];
  /** Everything that went out, copies of duplicates included. */
  readonly sent: ClientMessage[] = [];
  readonly links: ("open" | "close")[] = [];
  readonly server: FakeServer;
  readonly life: GatewayLife;
  readonly #toServer: ClientMessage[] = [];
  readonly #toGateway: ServerMessage[] = [];
  readonly #mute: boolean;

  constructor(options: FixtureOptions = {}) {
    const { commandCounter = 0, mute = false, ...rest } = options;
    this.#mute = mute;
    this.server = new FakeServer((message) => this.#toGateway.push(message), commandCounter);
    let sessions = 0;
    const given = sessionOptions({
      company: "acme",
      car: "car_1",
      broker: { host: "nowhere", port: 1 },
      devices: 2,
      stats: this.stats,
      ...rest,
    });
    this.life = new GatewayLife({ ...given, newSessionId: () => `session_${++sessions}` }, {
      openLink: () => this.links.push("open"),
      closeLink: () => this.links.push("close"),
      send: (message, times) => {
        for (let i = 0; i < times; i++) {
          this.sent.push(message);
          this.#toServer.push(message);
        }
      },
      onEvent: (event) => this.events.push(event),
    });
  }

  /** Starts it, with a broker at hand, and lets the two talk. */
  start(): this {
    this.life.start(this.now);
    this.life.linkUp(this.now);
    this.talk();
    return this;
  }

  /** Carries messages to and fro until nobody says anything more. */
  talk(): void {
    if (this.#mute) return;
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const toServer = this.#toServer.shift();
      if (toServer !== undefined) this.server.handle(toServer);
      const toGateway = this.#toGateway.shift();
      if (toGateway !== undefined) this.life.message(toGateway, this.now);
      if (toServer === undefined && toGateway === undefined) return;
    }
    assert.fail("gateway and server do not stop talking");
  }

  /** Says something as the server, in the current session unless it names another one. */
  say(message: ServerMessage): void {
    this.life.message(message, this.now);
  }

  respond(messageCounter: number, sessionId = this.life.sessionId ?? ""): void {
    this.say({ kind: "status_response", sessionId, messageCounter });
  }

  command(messageCounter: number, device: Device = this.device(0)): void {
    const sessionId = this.life.sessionId ?? "";
    this.say({
      kind: "command",
      sessionId,
      messageCounter,
      device,
      commandData: new Uint8Array([1]),
    });
  }

  /** Lets time pass, stopping wherever something is due, and lets the two talk. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let steps = 0; steps < 100_000; steps++) {
      this.now = Math.min(until, Math.max(this.now, this.life.deadline));
      this.life.tick(this.now);
      this.talk();
      if (this.now >= until && this.life.deadline > until) return;
    }
    assert.fail("the gateway asks for attention without end");
  }

  device(index: number): Device {
    const device = this.life.devices[index];
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
