// A Module Gateway without its wire: messages and time in, messages out (protocol 4.2 to 4.5).
//
// Nothing here reads a clock, sets a timer or knows MQTT: the driver passes the time along with
// every input and calls `tick` no later than `deadline` says.
import { counterDistance, nextCounter } from "../protocol/counter.ts";
import { deviceKey } from "../protocol/device.ts";
import {
  type Command,
  CommandResponseType,
  ConnectResponseType,
  type Device,
  DeviceState,
  NO_BYTES,
  type ServerMessage,
} from "../protocol/messages.ts";
import { DeviceBook } from "./device_book.ts";
import { derivedSeed, seededRandom } from "./misbehavior.ts";
import { Outbox } from "./outbox.ts";
import type {
  EndReason,
  GatewayPort,
  OpenStatus,
  Phase,
  SessionOptions,
  StatusResult,
  ViolationKind,
} from "./session_types.ts";

/** A server that ends every connect sequence must not get a new Connect more often, in ms. */
const SEQUENCE_PAUSE_MS = 1_000;
/** How far behind its rate a gateway may catch up, in milliseconds. */
const CATCH_UP_MS = 1_000;

/** What a caller may say about one status. */
export interface StatusExtras {
  /** @default {DeviceState.RUNNING} */
  readonly state?: number;
  readonly errorMessage?: Uint8Array;
  /** Called once, with the answer or the reason why there is none. */
  readonly done?: (result: StatusResult) => void;
}

/** One session of the connect sequence and after; a new one for every Connect. */
interface Session {
  readonly id: string;
  /** The counter of the next status. */
  counter: number;
  /** The counter the next command must have; undefined before the first one. */
  commandCounter: number | undefined;
  /** Statuses without an answer, oldest first. */
  readonly open: Map<number, OpenStatus>;
  /** Devices whose first command has not come. */
  readonly awaitedCommands: Set<string>;
  /** The first counter that was dropped on purpose: nothing after it can be answered. */
  droppedCounter: number | undefined;
}

/** The life of one gateway. */
export class GatewaySession {
  readonly #options: SessionOptions;
  readonly #port: GatewayPort;
  readonly #outbox: Outbox;
  readonly #devices: DeviceBook;
  readonly #random: () => number;
  #phase: Phase = "stopped";
  #session: Session | undefined;
  #linked = false;
  #begun = 0;
  #sequenceEndedAt = -Infinity;
  #draining = false;
  // Moments at which something is due; the last two are lower bounds, made exact by `tick`.
  #waitUntil = Infinity;
  #nextStatusAt = Infinity;
  #restartAt = Infinity;
  #answerBy = Infinity;
  #keepAliveAt = Infinity;

  constructor(options: SessionOptions, port: GatewayPort) {
    this.#options = options;
    this.#port = port;
    const seed = derivedSeed(options.seed, options.car);
    this.#outbox = new Outbox(port, options.stats, options.misbehavior, seed);
    this.#devices = new DeviceBook(options.devices);
    this.#random = seededRandom(derivedSeed(seed, "phase"));
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** The id of the current session; undefined between sessions. */
  get sessionId(): string | undefined {
    return this.#session?.id;
  }

  /** How many statuses wait for their answer. */
  get inFlight(): number {
    return this.#session?.open.size ?? 0;
  }

  /** All devices, connected or not. */
  get devices(): readonly Device[] {
    return this.#devices.all();
  }

  /** `tick` has to be called by then; Infinity when nothing is due. */
  get deadline(): number {
    const outboxAt = this.#outbox.flushAt;
    let at = this.#waitUntil;
    if (this.#nextStatusAt < at && this.#mayPump()) at = this.#nextStatusAt;
    if (this.#answerBy < at) at = this.#answerBy;
    if (this.#keepAliveAt < at) at = this.#keepAliveAt;
    if (this.#restartAt < at) at = this.#restartAt;
    return outboxAt < at ? outboxAt : at;
  }

  /** Begins: from now on the gateway tries to have a session. Idempotent. */
  start(now: number): void {
    if (this.#phase !== "stopped") return;
    this.#draining = false;
    this.#connect(now);
  }

  /** Ends for good; the link is closed. Idempotent. */
  stop(): void {
    if (this.#phase === "stopped") return;
    this.#endSession("stopped", "the gateway was stopped");
    this.#leave("stopped");
  }

  /** The broker is connected and the topics are subscribed. */
  linkUp(now: number): void {
    if (this.#phase !== "linking") return;
    this.#linked = true;
    this.#begin(now);
  }

  /** The broker is gone, or could not be reached. */
  linkDown(reason: string, now: number): void {
    if (this.#phase === "stopped" || this.#phase === "idle") return;
    this.#options.stats.linkFailures += 1;
    this.#linked = false;
    this.#endSession("link_lost", reason);
    this.#retryAt(now + this.#options.clocks.retryMs);
  }

  /** The disconnect notification: connect again now (protocol sections 1 and 4.5). */
  notified(now: number): void {
    this.#options.stats.notifications += 1;
    this.#port.onEvent({ kind: "notified" });
    const waiting = this.#phase === "waiting" && this.#linked;
    if (this.#session === undefined && !waiting) return;
    const hadRun = this.#phase === "running";
    this.#endSession("notified", "the server sent the disconnect notification");
    const soonest = this.#sequenceEndedAt + SEQUENCE_PAUSE_MS;
    if (!hadRun) this.#sequenceEndedAt = Math.max(now, soonest);
    if (!hadRun && now < soonest) this.#retryAt(soonest);
    else this.#connect(now);
  }

  /** Bytes that are no message of the protocol. */
  malformed(detail: string, now: number): void {
    this.#violate("malformed", detail, now);
  }

  /** Whatever the server says. */
  message(message: ServerMessage, now: number): void {
    const session = this.#session;
    if (session === undefined || message.sessionId !== session.id) {
      this.#options.stats.foreign += 1;
      return;
    }
    switch (message.kind) {
      case "status_response":
        return this.#onStatusResponse(session, message.messageCounter, now);
      case "command":
        return this.#onCommand(session, message, now);
      case "connect_response":
        return this.#onConnectResponse(session, message.type, now);
    }
  }

  /** Does what is due. */
  tick(now: number): void {
    if (now >= this.#waitUntil) this.#waitedEnough(now);
    if (now >= this.#answerBy) this.#checkAnswers(now);
    this.#outbox.tick(now);
    if (this.#phase !== "running") return;
    if (now >= this.#restartAt) return this.restart(now);
    if (now >= this.#keepAliveAt) this.#keepAlive(now);
    this.#pump(now);
  }

  /**
   * Sends one status of a device, known or not, in normal communication.
   *
   * @returns its counter, or undefined when there is no normal communication (`done` is not called)
   */
  send(device: Device, data: Uint8Array, extras: StatusExtras, now: number): number | undefined {
    const session = this.#session;
    if (session === undefined || this.#phase !== "running") return undefined;
    const { state = DeviceState.RUNNING, errorMessage = NO_BYTES, done } = extras;
    return this.#sendStatus(session, device, data, state, errorMessage, done, now);
  }

  /** Answers a command; for gateways that do not do so by themselves. */
  answer(command: Command, type: number, now: number): void {
    const { sessionId, messageCounter } = command;
    this.#options.stats.responses += 1;
    const response = { kind: "command_response", sessionId, type, messageCounter } as const;
    if (this.#phase === "running") this.#outbox.put(response, now);
    else this.#port.send(response, 1);
  }

  /** A device joins, or comes back (`CONNECTING` in normal communication, section 4.3). */
  connectDevice(device: Device, extras: StatusExtras, now: number): number | undefined {
    this.#devices.connect(device);
    if (this.#phase === "idle") this.#connect(now);
    const data = this.#options.payload(device, this.#session?.counter ?? 0);
    return this.send(device, data, { state: DeviceState.CONNECTING, ...extras }, now);
  }

  /** A device leaves (`DISCONNECT` in normal communication, section 4.3). */
  disconnectDevice(device: Device, extras: StatusExtras, now: number): number | undefined {
    this.#devices.disconnect(device);
    const data = this.#options.payload(device, this.#session?.counter ?? 0);
    return this.send(device, data, { state: DeviceState.DISCONNECT, ...extras }, now);
  }

  /** A new session at once, as a gateway does that was restarted; open statuses are abandoned. */
  restart(now: number): void {
    if (this.#phase === "stopped" || this.#phase === "idle" || this.#phase === "linking") return;
    this.#endSession("restarted", "the gateway asked for a new session");
    this.#connect(now);
  }

  /** Drops the link as if the network had failed, and comes back as after any failure. */
  dropLink(now: number): void {
    if (!this.#linked) return;
    this.#port.closeLink();
    this.linkDown("the gateway dropped its link", now);
  }

  /** Sends nothing more by itself; `drained` follows once every open status is answered. */
  drain(): void {
    this.#draining = true;
    this.#keepAliveAt = Infinity;
    this.#restartAt = Infinity;
    this.#outbox.flush();
    if (this.inFlight === 0) this.#port.onEvent({ kind: "drained" });
  }

  #connect(now: number): void {
    if (this.#devices.connected.length === 0) return this.#leave("idle");
    if (this.#linked) return this.#begin(now);
    this.#waitUntil = Infinity;
    this.#enter("linking");
    this.#port.openLink();
  }

  #begin(now: number): void {
    const { company, car, stats, newSessionId, clocks } = this.#options;
    if (this.#begun++ > 0) stats.reconnects += 1;
    const session: Session = {
      id: newSessionId(),
      counter: 1,
      commandCounter: undefined,
      open: new Map(),
      awaitedCommands: new Set(this.#devices.connected.map(deviceKey)),
      droppedCounter: undefined,
    };
    this.#session = session;
    this.#waitUntil = now + clocks.sequenceMs;
    this.#enter("connecting");
    this.#port.send({
      kind: "connect",
      sessionId: session.id,
      company,
      vehicleName: car,
      devices: this.#devices.connected.slice(),
    }, 1);
  }

  #onConnectResponse(session: Session, type: number, now: number): void {
    if (this.#phase !== "connecting") {
      return this.#violate("unexpected_connect_response", `type ${type}`, now);
    }
    if (type !== ConnectResponseType.OK) {
      return this.#fail("already_logged", `connect response of type ${type}`, now);
    }
    this.#waitUntil = now + this.#options.clocks.sequenceMs;
    this.#enter("statuses");
    for (const device of this.#devices.connected) {
      const data = this.#options.payload(device, session.counter);
      this.#sendStatus(session, device, data, DeviceState.CONNECTING, NO_BYTES, undefined, now);
    }
  }

  #onStatusResponse(session: Session, counter: number, now: number): void {
    const open = session.open.get(counter);
    if (open === undefined || open.dropped) {
      const next = session.counter;
      const detail = `counter ${counter}; ${session.open.size} open, next counter ${next}`;
      return this.#violate("unexpected_status_response", detail, now);
    }
    session.open.delete(counter);
    const latencyMs = now - open.sentAt;
    if (!open.first) {
      this.#options.stats.answered += 1;
      this.#options.stats.latency.record(latencyMs);
    }
    open.done?.({ answered: true, counter, latencyMs });
    if (this.#phase === "statuses") {
      this.#waitUntil = now + this.#options.clocks.sequenceMs;
      if (session.open.size === 0) this.#enter("commands");
    } else if (this.#draining) {
      if (session.open.size === 0) this.#port.onEvent({ kind: "drained" });
    } else {
      this.#pump(now);
    }
  }

  #onCommand(session: Session, command: Command, now: number): void {
    const { messageCounter, device } = command;
    this.#options.stats.commands += 1;
    if (this.#phase !== "commands" && this.#phase !== "running") {
      const detail = `command ${messageCounter} before every first status was answered`;
      return this.#violate("unexpected_command", detail, now);
    }
    if (session.commandCounter !== undefined && messageCounter !== session.commandCounter) {
      const detail = `counter ${messageCounter}; expected ${session.commandCounter}`;
      return this.#violate("command_counter", detail, now);
    }
    session.commandCounter = nextCounter(messageCounter);
    if (this.#phase === "commands" && !session.awaitedCommands.delete(deviceKey(device))) {
      const detail = `no first command was due for device ${deviceKey(device)}`;
      return this.#violate("unexpected_command", detail, now);
    }
    this.#port.onEvent({ kind: "command", command });
    const { answers } = this.#options;
    if (answers === "always" || (answers === "connecting" && this.#phase === "commands")) {
      this.answer(command, this.#answerType(command), now);
    }
    if (this.#phase !== "commands") return;
    this.#waitUntil = now + this.#options.clocks.sequenceMs;
    if (session.awaitedCommands.size === 0) this.#run(session, now);
  }

  #answerType(command: Command): number {
    const { answerType } = this.#options;
    if (answerType !== undefined) return answerType(command);
    if (this.#devices.isConnected(command.device)) return CommandResponseType.OK;
    return this.#devices.hasModule(command.device.module)
      ? CommandResponseType.DEVICE_NOT_CONNECTED
      : CommandResponseType.DEVICE_NOT_SUPPORTED;
  }

  #run(session: Session, now: number): void {
    const { stats, reconnectEveryMs, load, clocks } = this.#options;
    stats.sessions += 1;
    this.#waitUntil = Infinity;
    this.#keepAliveAt = this.#draining ? Infinity : now + clocks.keepAliveMs;
    // Both begin at a random point of their period: a fleet must not move in step.
    if (reconnectEveryMs > 0 && !this.#draining) {
      this.#restartAt = now + reconnectEveryMs * (1 - 0.5 * this.#random());
    }
    const intervalMs = load !== undefined && load.rate > 0 ? 1000 / load.rate : 0;
    this.#nextStatusAt = load === undefined ? Infinity : now + intervalMs * this.#random();
    this.#enter("running");
    this.#port.onEvent({ kind: "running", sessionId: session.id });
    this.#pump(now);
  }

  #mayPump(): boolean {
    const session = this.#session;
    const { load } = this.#options;
    if (session === undefined || load === undefined || this.#phase !== "running") return false;
    // A status held back to change places needs its successor, whatever the window says.
    const held = this.#outbox.holdsStatus ? 1 : 0;
    return !this.#draining && session.open.size - held < load.window;
  }

  #pump(now: number): void {
    const session = this.#session;
    const { load, payload, errorMessage } = this.#options;
    if (session === undefined || load === undefined || load.rate > 0 && now < this.#nextStatusAt) {
      return;
    }
    const intervalMs = load.rate > 0 ? 1000 / load.rate : 0;
    while (now >= this.#nextStatusAt && this.#mayPump()) {
      const device = this.#devices.nextInTurn();
      if (device === undefined) return;
      const data = payload(device, session.counter);
      this.#sendStatus(session, device, data, DeviceState.RUNNING, errorMessage, undefined, now);
      const from = Math.max(this.#nextStatusAt, now - CATCH_UP_MS);
      this.#nextStatusAt = intervalMs === 0 ? now : from + intervalMs;
    }
  }

  #sendStatus(
    session: Session,
    device: Device,
    statusData: Uint8Array,
    deviceState: number,
    errorMessage: Uint8Array,
    done: ((result: StatusResult) => void) | undefined,
    now: number,
  ): number {
    const { id: sessionId, counter: messageCounter } = session;
    const first = this.#phase !== "running";
    session.counter = nextCounter(messageCounter);
    if (session.open.size === 0) this.#answerBy = now + this.#options.clocks.responseMs;
    const status = {
      kind: "status",
      sessionId,
      deviceState,
      messageCounter,
      device,
      statusData,
      errorMessage,
    } as const;
    this.#devices.touch(device, now);
    let dropped = false;
    if (first) {
      this.#port.send(status, 1);
    } else {
      this.#options.stats.sent += 1;
      dropped = this.#outbox.put(status, now) === "drop";
      if (dropped) session.droppedCounter ??= messageCounter;
    }
    session.open.set(messageCounter, { sentAt: now, dropped, first, done });
    return messageCounter;
  }

  #keepAlive(now: number): void {
    const session = this.#session;
    if (session === undefined) return;
    const { keepAliveMs } = this.#options.clocks;
    for (const device of this.#devices.silentSince(now - keepAliveMs)) {
      const data = this.#options.payload(device, session.counter);
      const { errorMessage } = this.#options;
      this.#sendStatus(session, device, data, DeviceState.RUNNING, errorMessage, undefined, now);
    }
    this.#keepAliveAt = this.#devices.oldestTouch(now) + keepAliveMs;
  }

  #checkAnswers(now: number): void {
    const session = this.#session;
    const [oldest] = session?.open.entries() ?? [];
    if (session === undefined || oldest === undefined) {
      this.#answerBy = Infinity;
      return;
    }
    const [counter, { sentAt }] = oldest;
    this.#answerBy = sentAt + this.#options.clocks.responseMs;
    if (now < this.#answerBy) return;
    const detail = `status ${counter} had no answer for ${Math.round(now - sentAt)} ms`;
    this.#fail("status_unanswered", detail, now);
  }

  #waitedEnough(now: number): void {
    const waitedMs = this.#options.clocks.sequenceMs;
    switch (this.#phase) {
      case "waiting":
        return this.#connect(now);
      case "connecting":
        return this.#fail("connect_unanswered", `no connect response for ${waitedMs} ms`, now);
      case "statuses": {
        const missing = [...this.#session?.open.keys() ?? []].join(", ");
        const detail = `no response to statuses ${missing} for ${waitedMs} ms`;
        return this.#fail("first_status_unanswered", detail, now);
      }
      case "commands": {
        const missing = [...this.#session?.awaitedCommands ?? []].join(", ");
        const detail = `no first command for ${missing} for ${waitedMs} ms`;
        return this.#fail("first_command_missing", detail, now);
      }
      default:
        this.#waitUntil = Infinity;
    }
  }

  #violate(kind: ViolationKind, detail: string, now: number): void {
    const { car, stats } = this.#options;
    const sessionId = this.#session?.id ?? "";
    stats.violations += 1;
    const violation = { car, kind, sessionId, phase: this.#phase, detail, at: now };
    this.#port.onEvent({ kind: "violation", violation });
    if (this.#session !== undefined) this.#fail("violation", `${kind}: ${detail}`, now);
  }

  #fail(reason: EndReason, detail: string, now: number): void {
    this.#endSession(reason, detail);
    if (this.#linked) this.#port.closeLink();
    this.#linked = false;
    this.#retryAt(now + this.#options.clocks.retryMs);
  }

  #retryAt(at: number): void {
    this.#waitUntil = at;
    this.#enter("waiting");
  }

  #endSession(reason: EndReason, detail: string): void {
    const session = this.#session;
    if (session === undefined) return;
    // What is held back goes out first: it belongs to this session.
    this.#outbox.flush();
    this.#session = undefined;
    const hadRun = this.#phase === "running";
    if (!hadRun) this.#options.stats.failedSequences += 1;
    this.#waitUntil = this.#nextStatusAt = this.#restartAt = Infinity;
    this.#answerBy = this.#keepAliveAt = Infinity;
    const ownDoing = reason === "restarted" || (reason === "stopped" && !this.#draining);
    for (const [counter, open] of session.open) {
      if (!open.first) this.#countUnanswered(session, counter, open, ownDoing);
      open.done?.({ answered: false, counter, reason });
    }
    this.#port.onEvent({ kind: "ended", sessionId: session.id, reason, detail, hadRun });
  }

  #countUnanswered(session: Session, counter: number, open: OpenStatus, ownDoing: boolean): void {
    const { stats } = this.#options;
    // The outbox has counted it as dropped.
    if (open.dropped) return;
    const { droppedCounter } = session;
    const behindDrop = droppedCounter !== undefined && counterDistance(counter, droppedCounter) > 0;
    if (ownDoing || behindDrop) stats.abandoned += 1;
    else stats.unanswered += 1;
  }

  #leave(phase: "stopped" | "idle"): void {
    if (this.#linked || this.#phase === "linking") this.#port.closeLink();
    this.#linked = false;
    this.#waitUntil = Infinity;
    this.#enter(phase);
  }

  #enter(phase: Phase): void {
    if (this.#phase === phase) return;
    this.#phase = phase;
    this.#port.onEvent({ kind: "phase", phase });
  }
}
