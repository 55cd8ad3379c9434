// The server's session, a broker and a simulated gateway in virtual time, with everything that fails.
import type { GatewayVersion } from "../../src/gateway/mod.ts";
import type { ClientMessage } from "../../src/protocol/messages.ts";
import type { GatewayEvent } from "../../src/simulator/events.ts";
import { GatewayDriver } from "../../src/simulator/gateway_driver.ts";
import { simulationOptions } from "../../src/simulator/gateway_options.ts";
import { seededRandom } from "../../src/simulator/misbehavior.ts";
import { SETTINGS } from "../car/support.ts";
import { Connection, Network } from "./network.ts";
import { isWord, type ServerPayload, ServerSide } from "./server_side.ts";
import { FRONT, REAR } from "./support.ts";
import { Timeline } from "./timeline.ts";

/** What can fail. */
export const FAULTS = [
  "server_restart",
  "module_lost",
  "status_lost",
  "broker_restart",
  "server_link_lost",
  "gateway_link_lost",
  "operator_restart",
  "pause",
  "gateway_restart",
] as const;

/** One of {@linkcode FAULTS}. */
export type Fault = typeof FAULTS[number];

/** How a world is made. */
export interface WorldOptions {
  readonly seed: number;
  readonly version: GatewayVersion;
  /** Statuses a second; 0: only what breaks the silence of a device. */
  readonly rate: number;
  /** Longest delay of a message from a client to the broker, or back, in milliseconds. */
  readonly delayMs: number;
  /** The server's `timeout`, in milliseconds. */
  readonly responseMs: number;
}

/** A connect sequence that failed though nothing had happened to either side. */
export interface Blame {
  readonly at: number;
  readonly reason: string;
  readonly detail: string;
  readonly connectAt: number;
}

/** How long a module's call takes at most, in milliseconds. */
const CALL_MS = 100;
/** The longest pause of the server before it tries the broker again, in milliseconds. */
const BROKER_RETRY_MS = 1_000;
const OWN_DOING = ["restarted", "link_lost", "link_dropped", "stopped"];

/** One car, its gateway and the server. */
export class RecoveryWorld {
  readonly timeline = new Timeline();
  /** Sequences that failed because of what the server said, or did not say. */
  readonly blames: Blame[] = [];
  /** All that failed after their Connect. */
  failedSequences = 0;
  /** Sessions that ran. */
  sessions = 0;
  readonly #options: WorldOptions;
  readonly #network: Network;
  readonly #server: ServerSide;
  readonly #gateway: GatewayDriver;
  #connection: Connection | null = null;
  /** Faults under way. */
  #active = 0;
  /** When a fault began or ended. */
  readonly #instants: number[] = [];
  #losesNextStatus = false;
  #connectAt = 0;
  /** The Connect was sent while a fault was under way. */
  #isDoomed = false;
  /** Why the gateway is connecting: it was told to, gave up by itself, or tries again. */
  #origin: { readonly toldAt: number } | "own" | "retry" = "own";
  #lastWordAt = 0;

  constructor(options: WorldOptions) {
    const { seed, version, rate, delayMs, responseMs } = options;
    const random = seededRandom(seed);
    this.#options = options;
    this.#network = new Network(this.timeline, () => random() * delayMs);
    const settings = { ...SETTINGS, responseMs };
    this.#server = new ServerSide({ network: this.#network, settings, random, callMs: CALL_MS });
    const simulation = simulationOptions({
      company: "acme",
      car: "car_1",
      broker: { host: "nowhere", port: 1 },
      devices: [FRONT, REAR],
      gateway: version,
      seed,
      ...(rate > 0 ? { rate } : {}),
    });
    const link = {
      open: () => this.#openLink(),
      close: () => {
        this.#connection?.close();
        this.#connection = null;
      },
      send: (message: ClientMessage) => this.#send(message),
    };
    const onEvent = (event: GatewayEvent) => this.#onGatewayEvent(event);
    this.#gateway = new GatewayDriver(simulation, link, this.timeline, onEvent);
    this.#server.start();
    this.#gateway.start();
    // Both come at once: what the server says first may meet a Connect.
    this.#last(0, () => {}, 4 * delayMs);
  }

  /** Whether both sides agree on a session in normal communication. */
  get isRunning(): boolean {
    const session = this.#server.session;
    return this.#gateway.phase === "connected" && session?.kind === "running" &&
      session.sessionId === this.#gateway.sessionId;
  }

  /** Where both are, human-readable. */
  toString(): string {
    const { phase, sessionId } = this.#gateway;
    const session = this.#server.session;
    return `gateway ${phase} ${sessionId}, server ${session?.kind} at ${this.timeline.now()}`;
  }

  /** Lets a fault happen; it is over after `ms`, which some faults have no use for. */
  strike(fault: Fault, ms: number): void {
    const back = 4 * this.#options.delayMs;
    switch (fault) {
      case "server_restart":
        this.#server.kill();
        // Back when it has connected and subscribed, with a round trip for each.
        return this.#last(ms, () => this.#server.start(), back);
      case "module_lost":
        this.#server.loseModules(ms);
        return this.#last(ms);
      case "status_lost":
        this.#losesNextStatus = true;
        return this.#last(0);
      case "broker_restart":
        this.#network.kill();
        return this.#last(ms, () => this.#network.start(), BROKER_RETRY_MS + 2 * back);
      case "server_link_lost":
        this.#network.lose("server");
        return this.#last(0, () => {}, BROKER_RETRY_MS + 2 * back);
      case "gateway_link_lost":
        this.#network.lose("gateway");
        return this.#last(0);
      case "operator_restart":
        this.#server.take({ type: "restart" });
        return this.#last(0);
      case "pause":
        this.#server.take({ type: "pause" });
        return this.#last(ms, () => this.#server.take({ type: "resume" }));
      case "gateway_restart":
        this.#gateway.take({ type: "restart" });
        return this.#last(0);
    }
  }

  /** A module has a command. */
  command(): void {
    this.#server.command(FRONT);
  }

  /** Lets time pass until both sides run, at most for the given time; returns how long it took. */
  settle(limitMs: number): number | null {
    const from = this.timeline.now();
    while (!this.isRunning) {
      if (this.timeline.now() - from >= limitMs) return null;
      this.timeline.run(10);
    }
    return this.timeline.now() - from;
  }

  /** A fault is under way for `ms`, until `undo`, and its last trace is gone `afterMs` later. */
  #last(ms: number, undo: () => void = () => {}, afterMs = 0): void {
    this.#instants.push(this.timeline.now());
    this.#active++;
    this.timeline.set(() => {
      undo();
      this.#instants.push(this.timeline.now());
      this.timeline.set(() => this.#active--, afterMs);
    }, ms);
  }

  #send(message: ClientMessage): void {
    if (message.kind === "connect") {
      this.#connectAt = this.timeline.now();
      this.#isDoomed = this.#active > 0;
    }
    if (message.kind === "status" && this.#losesNextStatus) {
      this.#losesNextStatus = false;
      this.#instants.push(this.timeline.now());
    } else this.#connection?.publish("to_server", message);
  }

  #openLink(): void {
    const { version } = this.#options;
    const topics = version === "1.3" ? ["to_gateway"] : ["to_gateway", "notification"];
    this.#connection = new Connection(this.#network, "gateway", topics, {
      onUp: () => this.#gateway.take({ type: "link_up" }),
      onDown: () => {
        this.#connection = null;
        this.#gateway.take({ type: "link_down", detail: "test" });
      },
      onMessage: (_, payload) => this.#onPayload(payload as ServerPayload),
    });
  }

  #onPayload(payload: ServerPayload): void {
    if (isWord(payload)) this.#lastWordAt = payload.sentAt;
    if (payload.message === null) this.#gateway.notified();
    else this.#gateway.message(payload.message);
  }

  #onGatewayEvent(event: GatewayEvent): void {
    if (event.kind === "running") this.sessions++;
    if (event.kind !== "ended") return;
    const at = this.timeline.now();
    const { hadRun, reason, detail } = event;
    if (hadRun) {
      const isTold = reason === "told_to_reconnect" || reason === "notified";
      this.#origin = isTold ? { toldAt: this.#lastWordAt } : "own";
      return;
    }
    this.failedSequences++;
    const isOwnDoing = OWN_DOING.includes(reason);
    if (!isOwnDoing && !this.#isExcused(at)) {
      this.blames.push({ at, reason, detail, connectAt: this.#connectAt });
    }
    this.#origin = isOwnDoing ? "own" : "retry";
  }

  /**
   * Whether the sequence may fail: a fault is under way, or was when it began or after the gateway was
   * told to connect; or shortly before it tried again, so that a message was on its way. Nor can the server know of a
   * gateway that gives a session up by itself: what it says in that session may meet the next one.
   */
  #isExcused(now: number): boolean {
    if (this.#active > 0 || this.#isDoomed || this.#origin === "own") return true;
    const from = this.#origin === "retry"
      ? this.#connectAt - 2 * this.#options.delayMs
      : this.#origin.toldAt;
    return this.#instants.some((at) => at > from && at <= now);
  }
}
