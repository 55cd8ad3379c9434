// The driver of an external session: reports of devices, the broker and time in, what its core
// decides out.
import {
  createGateway,
  type Effect,
  type Environment,
  type GatewayLink,
  type GatewayLinkListener,
  type GatewayState,
  type GatewayTimes,
  type Input,
  knownDevices,
  nextDeadline,
  phaseOf,
  sessionIdOf,
  step,
} from "../gateway/mod.ts";
import { decodeServerMessage, encodeClientMessage } from "../protocol/codec/mod.ts";
import {
  type Command,
  CommandResponseType,
  type Device,
  deviceKey,
  NO_BYTES,
  type ServerMessage,
} from "../protocol/mod.ts";
import { Alarm, type Clock } from "../time/mod.ts";
import { ErrorAggregators } from "./error_aggregators.ts";
import type { ModuleCalls } from "./module_calls.ts";
import type { EndpointOptions } from "./options.ts";
import type { EndpointCounts, EndpointSnapshot } from "./snapshot.ts";
import type { Turns } from "./turns.ts";

/** Messages that wait for a module to say whether it supports a type; more fail the session. */
const MAX_HELD_MESSAGES = 1_000;

/** Statuses without an answer; more are folded, and their devices' next reports sent. */
const MAX_OPEN = 5_000;

/** What a session needs of its connection to the broker. */
type SessionLink = Pick<GatewayLink, "open" | "close" | "closed" | "publish" | "deliver">;

export interface ExternalSessionOptions {
  readonly endpoint: EndpointOptions;
  readonly company: string;
  readonly car: string;
  readonly times: GatewayTimes;
  readonly calls: Pick<ModuleCalls, "call" | "knows" | "ask" | "served">;
  readonly turns: Turns;
  readonly clock: Clock;
  /** Makes its connection to the broker. */
  link(listener: GatewayLinkListener): SessionLink;
  /** The cloud has a command for a connected device. */
  onCommand(command: Command): void;
  /** Every device's current status is wanted: each comes as a {@linkcode ExternalSession.forced}. */
  onForce(modules: readonly number[]): void;
}

/** What the cloud is told of some modules' devices, and what it says. */
export class ExternalSession {
  readonly #options: ExternalSessionOptions;
  readonly #link: SessionLink;
  readonly #alarm: Alarm;
  readonly #errors: ErrorAggregators;
  readonly #counts: { -readonly [Name in keyof EndpointCounts]: number } = {
    sessions: 0,
    failedSequences: 0,
    statusesSent: 0,
    statusesAnswered: 0,
    statusesFolded: 0,
    commands: 0,
    violations: 0,
  };
  readonly #inputs: Input[] = [];
  /** Messages behind a command whose device's type is asked for; null: none is. */
  #held: ServerMessage[] | null = null;
  /** Whether the core waits for error messages. */
  #preparing = false;
  #state: GatewayState;
  #since: number;
  #lastEnd: string | null = null;
  #busy = false;

  constructor(options: ExternalSessionOptions) {
    const { endpoint, clock, calls, turns } = options;
    this.#options = options;
    this.#state = createGateway(crypto.getRandomValues(new Uint32Array(1))[0] ?? 0);
    this.#since = Math.floor(clock.now());
    this.#alarm = new Alarm(clock, () => this.#take({ type: "tick" }));
    this.#link = options.link({
      onUp: () => this.#take({ type: "link_up" }),
      onDown: (detail) => this.#take({ type: "link_down", detail }),
      onMessage: (payload) => this.#onMessage(payload),
      onNotification: () => this.#take({ type: "notified" }),
    });
    this.#errors = new ErrorAggregators({
      endpoint: endpoint.name,
      calls,
      turns,
      clock,
      onMessage: (device, errorMessage) =>
        this.#take({ type: "error_message", device, errorMessage }),
      onSettled: () => this.#checkPrepared(),
    });
  }

  get name(): string {
    return this.#options.endpoint.name;
  }

  serves(module: number): boolean {
    return this.#options.endpoint.modules.includes(module);
  }

  start(): void {
    this.#take({ type: "start" });
  }

  /** Leaves the broker at most a second later [GATEWAY-STOP]; never rejects. */
  async stop(): Promise<void> {
    this.#errors.stop();
    this.#take({ type: "stop" });
    await this.#link.closed();
  }

  /** The cloud is to be told of a status, or that a device has gone. */
  report(device: Device, data: Uint8Array, leaves: boolean): void {
    const type = leaves ? "leave" : "status";
    this.#take({ type, device, data, errorMessage: NO_BYTES, tag: null });
  }

  /** The current status of a device, which was asked for. */
  forced(device: Device, data: Uint8Array): void {
    this.#take({ type: "forced", device, data });
  }

  /**
   * Publishes on a topic besides those of the protocol; resolves with whether the broker has it. May
   * never resolve when the link is lost.
   */
  publish(topic: string, payload: Uint8Array): Promise<boolean> {
    if (this.#state.kind !== "connected") return Promise.resolve(false);
    return new Promise((resolve) => this.#link.deliver(payload, topic, resolve));
  }

  snapshot(): Omit<EndpointSnapshot, "history"> {
    const state = this.#state;
    const { name, modules } = this.#options.endpoint;
    return {
      name,
      modules,
      phase: phaseOf(state),
      since: this.#since,
      sessionId: sessionIdOf(state),
      devices: knownDevices(state).map(deviceKey),
      unanswered: "open" in state ? state.open.length : 0,
      waitingReports: "waiting" in state ? state.waiting.length : 0,
      waitingErrors: this.#errors.waiting,
      lastEnd: this.#lastEnd,
      counts: { ...this.#counts },
    };
  }

  #onMessage(payload: Uint8Array): void {
    let message;
    try {
      message = decodeServerMessage(payload);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return this.#take({ type: "malformed", detail });
    }
    this.#hear(message);
  }

  /** The answer to a command depends on the types that its module supports: it may have to wait. */
  #hear(message: ServerMessage): void {
    const { calls } = this.#options;
    if (this.#held !== null) return this.#hold(this.#held, message);
    if (message.kind !== "command" || calls.knows(message.device)) {
      return this.#take({ type: "message", message });
    }
    const held: ServerMessage[] = [];
    this.#held = held;
    calls.ask(message.device, () => {
      if (this.#held !== held) return;
      this.#held = null;
      this.#take({ type: "message", message });
      for (const next of held) this.#hear(next);
    });
  }

  #hold(held: ServerMessage[], message: ServerMessage): void {
    if (held.push(message) <= MAX_HELD_MESSAGES) return;
    this.#held = null;
    const detail = `more than ${MAX_HELD_MESSAGES} messages wait for a module`;
    this.#take({ type: "malformed", detail });
  }

  /** Takes an input, and those that come while its effects are carried out, one after the other. */
  #take(input: Input): void {
    this.#inputs.push(input);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.#advance(next);
      }
    } finally {
      this.#busy = false;
    }
  }

  #advance(input: Input): void {
    const { turns, clock, car, company, times, calls, endpoint } = this.#options;
    const modules = calls.served(endpoint.modules);
    const environment: Environment = {
      now: clock.now(),
      settings: {
        company,
        car,
        version: "1.4",
        times,
        modules,
        firstLinkFails: false,
        prepares: true,
        maxOpen: MAX_OPEN,
      },
    };
    const before = this.#state;
    const { state: after, effects } = step(before, input, environment);
    this.#state = after;
    if (phaseOf(before) !== phaseOf(after)) this.#since = Math.floor(environment.now);
    for (const effect of effects) turns.guard(effect.type, () => this.#perform(effect));
    const { now: at } = environment;
    turns.tell({ kind: "session", endpoint: endpoint.name, at, input, before, after, effects });
    this.#alarm.set(nextDeadline(this.#state, environment) ?? Infinity);
  }

  #perform(effect: Effect): void {
    const counts = this.#counts;
    switch (effect.type) {
      case "open_link":
        return this.#link.open();
      case "close_link":
        this.#held = null;
        return this.#link.close();
      case "send":
        if (effect.message.kind === "status") counts.statusesSent++;
        return this.#link.publish(encodeClientMessage(effect.message));
      case "command":
        counts.commands++;
        if (effect.responseType !== CommandResponseType.OK) return;
        // Those that say nothing are for the server's own sake [GATEWAY-COMMANDS].
        if (effect.command.commandData.length > 0) this.#options.onCommand(effect.command);
        return;
      case "prepare":
        this.#options.onForce(this.#options.endpoint.modules);
        this.#preparing = true;
        return this.#checkPrepared();
      case "fold":
        counts.statusesFolded++;
        return this.#errors.add(effect.device, effect.data);
      case "forgotten":
        return this.#errors.forget(effect.device);
      case "running":
        counts.sessions++;
        return this.#errors.empty();
      case "answered":
        counts.statusesAnswered++;
        return;
      case "violation":
        counts.violations++;
        return;
      case "ended":
        if (!effect.hadRun) counts.failedSequences++;
        this.#lastEnd = `${effect.reason}: ${effect.detail}`;
        return;
      case "link_failed":
        this.#lastEnd = `link_failed: ${effect.detail}`;
        return;
      case "kept":
    }
  }

  #checkPrepared(): void {
    if (!this.#preparing || !this.#errors.isSettled) return;
    this.#preparing = false;
    this.#take({ type: "prepared" });
  }
}
