// Drives a gateway session: inputs, devices and time go in; messages, counts and events come out.
import {
  createGateway,
  type Effect,
  type Environment,
  type GatewaySettings,
  type GatewayState,
  type Input,
  isSaturated,
  nextDeadline,
  type Phase,
  phaseOf,
  sessionIdOf,
  step,
} from "../gateway/mod.ts";
import {
  type Command,
  type Device,
  DeviceState,
  NO_BYTES,
  type ServerMessage,
} from "../protocol/mod.ts";
import { Alarm, type Clock } from "../time/mod.ts";
import type { GatewayEvent, StatusExtras, Violation } from "./events.ts";
import { servedModules, type SimulationOptions } from "./gateway_options.ts";
import { derivedSeed, seededRandom } from "./misbehavior.ts";
import type { GatewayLinkPort } from "./fault_injector.ts";
import { Outgoing } from "./outgoing.ts";
import { Traffic } from "./traffic.ts";

/** One gateway, on any broker connection and clock. */
export class GatewayDriver {
  readonly #options: SimulationOptions;
  readonly #link: GatewayLinkPort;
  readonly #clock: Clock;
  readonly #onEvent: (event: GatewayEvent) => void;
  readonly #traffic: Traffic;
  readonly #outgoing: Outgoing;
  readonly #alarm: Alarm;
  readonly #inputs: Input[] = [];
  #settings: GatewaySettings;
  #state: GatewayState;
  /** The moment of what is under way: the clock is read once, however much that is. */
  #now = 0;
  #busy = false;
  #draining = false;

  /** @param onEvent must not throw */
  constructor(
    options: SimulationOptions,
    link: GatewayLinkPort,
    clock: Clock,
    onEvent: (event: GatewayEvent) => void,
  ) {
    const { settings, seed } = options;
    const random = seededRandom(derivedSeed(derivedSeed(seed, settings.car), "phase"));
    this.#options = options;
    this.#settings = settings;
    this.#link = link;
    this.#clock = clock;
    this.#onEvent = onEvent;
    this.#traffic = new Traffic({ ...options, random });
    this.#outgoing = new Outgoing(options, link);
    this.#alarm = new Alarm(clock, () => this.#onAlarm());
    this.#state = createGateway(options.sessionSeed);
  }

  get phase(): Phase {
    return phaseOf(this.#state);
  }

  /** The current session's id; null between sessions. */
  get sessionId(): string | null {
    return sessionIdOf(this.#state);
  }

  /** Statuses without an answer, and those that wait to be sent. */
  get inFlight(): number {
    const state = this.#state;
    return "open" in state ? state.open.length + state.waiting.length : 0;
  }

  /** All devices, connected or not. */
  get devices(): readonly Device[] {
    return this.#traffic.all;
  }

  /** Starts; every device reports at once, which makes the gateway connect. */
  start(): void {
    if (this.#state.kind !== "stopped") return;
    this.#draining = false;
    this.#traffic.start(this.#clock.now());
    this.take({ type: "start" }, ...this.#traffic.connected.map((one) => this.#reportOf(one)));
  }

  /** Ends; no timer is left. */
  stop(): void {
    this.#traffic.stop();
    this.take({ type: "stop" });
  }

  /** Takes an input, and those that arrive while its effects are carried out, one after the other. */
  take(...inputs: Input[]): void {
    this.#inputs.push(...inputs);
    if (this.#busy) return;
    this.#busy = true;
    this.#now = this.#clock.now();
    try {
      do {
        for (let input = this.#inputs.shift(); input; input = this.#inputs.shift()) {
          this.#advance(input);
        }
      } while (this.#reportDue());
    } finally {
      this.#busy = false;
    }
    this.#arm();
  }

  message(message: ServerMessage): void {
    if (message.sessionId !== this.sessionId) this.#options.stats.foreign += 1;
    this.take({ type: "message", message });
  }

  notified(): void {
    this.#options.stats.notifications += 1;
    this.#onEvent({ kind: "notified" });
    this.take({ type: "notified" });
  }

  /** Sends one status in normal communication; false when there is none: nothing is sent then. */
  send(device: Device, data: Uint8Array, extras: StatusExtras): boolean {
    if (this.#state.kind !== "connected") return false;
    this.#report("status", device, data, extras);
    return true;
  }

  /** A device joins, or comes back; false when that is not sent before the next session. */
  connectDevice(device: Device, extras: StatusExtras): boolean {
    this.#traffic.join(device);
    this.#settings = { ...this.#settings, modules: servedModules(this.#traffic.all) };
    return this.#change("status", device, { ...extras, state: DeviceState.CONNECTING });
  }

  /** A device leaves; false when nothing must be sent. */
  disconnectDevice(device: Device, extras: StatusExtras): boolean {
    this.#traffic.leave(device);
    return this.#change("leave", device, extras);
  }

  /** Answers a command, for gateways that do not do so by themselves. */
  answer({ sessionId, messageCounter }: Command, type: number): void {
    const response = { kind: "command_response", sessionId, type, messageCounter } as const;
    this.#now = this.#clock.now();
    this.#outgoing.respond(response, this.#state.kind !== "connected", this.#now);
    this.#arm();
  }

  /** Stops sending by itself; `drained` follows when no more responses can come. */
  drain(): void {
    this.#draining = true;
    this.#traffic.stop();
    this.#outgoing.flush();
    this.#checkDrained();
  }

  #advance(input: Input): void {
    const { state, effects } = step(this.#state, input, this.#environment());
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
    // Only now does the state show what is still open.
    if (this.#draining && effects.length > 0) this.#checkDrained();
  }

  #perform(effect: Effect): void {
    const { stats } = this.#options;
    switch (effect.type) {
      case "open_link":
        return this.#link.open();
      case "close_link":
        // What is held back belongs to this session.
        this.#outgoing.flush();
        return this.#link.close();
      case "send": {
        const { message } = effect;
        if (message.kind === "status") this.#traffic.sent(message.device, this.#now);
        return this.#outgoing.send(effect, this.#now);
      }
      case "command":
        stats.commands += 1;
        this.#outgoing.command(effect.command);
        return this.#onEvent({ kind: "command", command: effect.command });
      case "answered": {
        const { open, inSequence } = effect;
        if (inSequence || this.#outgoing.answered(open, this.#now)) return;
        const { sessionId, messageCounter } = open.status;
        const kind = "unexpected_status_response";
        const detail = `counter ${messageCounter} was never sent`;
        return this.#violated({ kind, sessionId, phase: "connected", detail });
      }
      case "kept":
        return this.#outgoing.done(effect.tag, { answered: false, reason: "it was not sent" });
      case "running":
        stats.sessions += 1;
        if (!this.#draining) this.#traffic.begin(this.#now);
        return this.#onEvent({ kind: "running", sessionId: effect.sessionId });
      case "link_failed":
        stats.linkFailures += 1;
        return this.#onEvent({ kind: "link_failed", detail: effect.detail });
      case "violation": {
        const { type: _, ...violation } = effect;
        return this.#violated(violation);
      }
      case "ended": {
        const { type: _, unanswered: __, ...ended } = effect;
        if (!effect.hadRun) stats.failedSequences += 1;
        this.#outgoing.ended(effect, this.#draining);
        return this.#onEvent({ kind: "ended", ...ended });
      }
    }
  }

  #violated(violation: Omit<Violation, "car" | "at">): void {
    this.#options.stats.violations += 1;
    const { car } = this.#settings;
    this.#onEvent({ kind: "violation", violation: { car, at: this.#now, ...violation } });
  }

  /** Sends statuses that are due; returns whether there were any. */
  #reportDue(): boolean {
    const now = this.#now;
    if (now >= this.#traffic.silenceEndsAt) {
      const silent = this.#traffic.silent(now);
      this.#inputs.push(...silent.map((device) => this.#reportOf(device)));
      return silent.length > 0;
    }
    const device = now >= this.#loadDueAt() ? this.#traffic.next(now) : undefined;
    if (device === undefined) return false;
    this.#inputs.push(this.#reportOf(device));
    return true;
  }

  #loadDueAt(): number {
    const state = this.#state;
    // Otherwise a status would only be kept as its device's last one.
    const isSentAtOnce = state.kind === "connected"
      ? !isSaturated(state, this.#settings)
      : state.kind === "not_initialized";
    if (!isSentAtOnce) return Infinity;
    // A status held back to change places needs its successor, whatever the window says.
    return this.#traffic.dueAt(this.inFlight - (this.#outgoing.holdsStatus ? 1 : 0));
  }

  #reportOf(device: Device): Input {
    const { errorMessage } = this.#options;
    return { type: "status", device, data: this.#payload(device), errorMessage, tag: null };
  }

  #payload(device: Device): Uint8Array {
    const state = this.#state;
    return this.#options.payload(device, state.kind === "connected" ? state.counter : 0);
  }

  #change(type: "status" | "leave", device: Device, extras: StatusExtras): boolean {
    const isSent = this.#state.kind === "connected";
    this.#report(type, device, this.#payload(device), isSent ? extras : {});
    return isSent;
  }

  #report(type: "status" | "leave", device: Device, data: Uint8Array, extras: StatusExtras): void {
    const { errorMessage = NO_BYTES } = extras;
    this.take({ type, device, data, errorMessage, tag: this.#outgoing.tagFor(extras) });
  }

  #environment(): Environment {
    return { now: this.#now, settings: this.#settings };
  }

  #checkDrained(): void {
    const state = this.#state;
    const open = "open" in state ? this.#outgoing.answerable(state.open) + state.waiting.length : 0;
    if (open === 0) this.#onEvent({ kind: "drained" });
  }

  #arm(): void {
    const session = nextDeadline(this.#state, this.#environment()) ?? Infinity;
    const { silenceEndsAt, restartAt } = this.#traffic;
    const byItself = Math.min(silenceEndsAt, restartAt, this.#loadDueAt());
    this.#alarm.set(Math.min(session, byItself, this.#outgoing.flushAt));
  }

  #onAlarm(): void {
    const now = this.#clock.now();
    this.#outgoing.tick(now);
    const isRestart = now >= this.#traffic.restartAt;
    if (isRestart) this.#traffic.restart();
    this.take({ type: isRestart ? "restart" : "tick" });
  }
}
