// One session of a Module Gateway, from Connect to its end (protocol sections 4.2, 4.3 and 4.5).
//
// Nothing here reads a clock, sets a timer or knows MQTT: the driver passes the time along with
// every input and calls `tick` no later than `deadline` says.
import { nextCounter } from "../protocol/counter.ts";
import { deviceKey } from "../protocol/device.ts";
import {
  type Command,
  ConnectResponseType,
  type Device,
  DeviceState,
  NO_BYTES,
  type ServerMessage,
} from "../protocol/messages.ts";
import type { DeviceBook } from "./device_book.ts";
import { OpenStatuses } from "./open_statuses.ts";
import type { Outbox } from "./outbox.ts";
import { StatusPace } from "./pace.ts";
import type {
  EndReason,
  GatewayPort,
  SessionOptions,
  SessionPhase,
  StatusExtras,
  ViolationKind,
} from "./session_types.ts";

/** What all sessions of one gateway share. */
export interface SessionContext {
  readonly options: SessionOptions;
  readonly port: GatewayPort;
  readonly outbox: Outbox;
  readonly devices: DeviceBook;
  readonly random: () => number;
  /** The session cannot go on: called once, and `end` follows. */
  readonly onFail: (reason: EndReason, detail: string, now: number) => void;
}

/** One session; `begin` starts it, `end` is the last call. */
export class GatewaySession {
  readonly id: string;
  readonly #context: SessionContext;
  readonly #outbox: Outbox;
  readonly #devices: DeviceBook;
  readonly #open: OpenStatuses;
  readonly #pace: StatusPace;
  /** What Connect names; devices may come and go meanwhile. */
  readonly #listed: readonly Device[];
  /** Listed devices whose first command has not come. */
  readonly #awaitedCommands: Set<string>;
  #phase: SessionPhase = "connecting";
  #over = false;
  #draining: boolean;
  /** The counter of the next status. */
  #counter = 1;
  /** The counter the next command must have; undefined before the first one. */
  #commandCounter: number | undefined;
  // Moments at which something is due; the last two are lower bounds, made exact by `tick`.
  #waitUntil = Infinity;
  #restartAt = Infinity;
  #answerBy = Infinity;
  #keepAliveAt = Infinity;

  /** @param draining Whether nothing is to be sent beside the connect sequence. */
  constructor(context: SessionContext, draining: boolean) {
    const { options, outbox, devices, random } = context;
    this.id = options.newSessionId();
    this.#context = context;
    this.#outbox = outbox;
    this.#devices = devices;
    this.#open = new OpenStatuses(options.stats);
    this.#pace = new StatusPace(options.load, random);
    this.#listed = devices.connected.slice();
    this.#awaitedCommands = new Set(this.#listed.map(deviceKey));
    this.#draining = draining;
  }

  get phase(): SessionPhase {
    return this.#phase;
  }

  /** How many statuses wait for their answer. */
  get inFlight(): number {
    return this.#open.size;
  }

  /** How many of them can still be answered, if the server keeps to the order. */
  get answerable(): number {
    return this.#open.answerable;
  }

  /** The counter of the next status. */
  get counter(): number {
    return this.#counter;
  }

  /** When a gateway that restarts now and then wants a new session; Infinity: not yet known. */
  get restartAt(): number {
    return this.#restartAt;
  }

  /** `tick` has to be called by then; Infinity when nothing is due. */
  get deadline(): number {
    const { flushAt } = this.#outbox;
    let at = this.#pacedAt();
    if (this.#waitUntil < at) at = this.#waitUntil;
    if (this.#answerBy < at) at = this.#answerBy;
    if (this.#keepAliveAt < at) at = this.#keepAliveAt;
    if (this.#restartAt < at) at = this.#restartAt;
    return flushAt < at ? flushAt : at;
  }

  /** Sends Connect. */
  begin(now: number): void {
    const { options, port } = this.#context;
    const { company, car: vehicleName } = options;
    this.#enterSequence("connecting", now);
    const devices = this.#listed;
    port.send({ kind: "connect", sessionId: this.id, company, vehicleName, devices }, 1);
  }

  /** What the server says in this session. */
  message(message: ServerMessage, now: number): void {
    switch (message.kind) {
      case "status_response":
        return this.#onStatusResponse(message.messageCounter, now);
      case "command":
        return this.#onCommand(message, now);
      case "connect_response":
        return this.#onConnectResponse(message.type, now);
    }
  }

  /** Does what is due, but for the restart. */
  tick(now: number): void {
    if (now >= this.#waitUntil) return this.#waitedEnough(now);
    if (now >= this.#answerBy) this.#checkAnswers(now);
    if (this.#over) return;
    this.#outbox.tick(now);
    if (this.#phase !== "running") return;
    if (now >= this.#keepAliveAt) this.#keepAlive(now);
    this.#pump(now);
  }

  /** Sends one status in normal communication; undefined when there is none. */
  send(device: Device, data: Uint8Array, extras: StatusExtras, now: number): number | undefined {
    return this.#phase === "running" ? this.#sendStatus(device, data, extras, now) : undefined;
  }

  /** Answers a command. */
  answer(command: Command, type: number, now: number): void {
    const { sessionId, messageCounter } = command;
    this.#context.options.stats.responses += 1;
    const response = { kind: "command_response", sessionId, type, messageCounter } as const;
    if (this.#phase === "running") this.#outbox.put(response, now);
    else this.#context.port.send(response, 1);
  }

  /** Sends nothing more by itself. */
  drain(): void {
    this.#draining = true;
    this.#pace.stop();
    this.#keepAliveAt = Infinity;
    this.#restartAt = Infinity;
    this.#outbox.flush();
  }

  /** Gives up what is open. */
  end(reason: EndReason, detail: string): void {
    const { options, port } = this.#context;
    const hadRun = this.#phase === "running";
    this.#over = true;
    // What is held back goes out first: it belongs to this session.
    this.#outbox.flush();
    if (!hadRun) options.stats.failedSequences += 1;
    this.#open.end(reason, this.#draining);
    port.onEvent({ kind: "ended", sessionId: this.id, reason, detail, hadRun });
  }

  /** A broken rule: the session fails. */
  violate(kind: ViolationKind, detail: string, now: number): void {
    const { options, port, onFail } = this.#context;
    const { car, stats } = options;
    stats.violations += 1;
    const violation = { car, kind, sessionId: this.id, phase: this.#phase, detail, at: now };
    port.onEvent({ kind: "violation", violation });
    onFail("violation", `${kind}: ${detail}`, now);
  }

  #onConnectResponse(type: number, now: number): void {
    if (this.#phase !== "connecting") {
      return this.violate("unexpected_connect_response", `type ${type}`, now);
    }
    if (type !== ConnectResponseType.OK) {
      return this.#fail("already_logged", `connect response of type ${type}`, now);
    }
    this.#enterSequence("statuses", now);
    for (const device of this.#listed) this.#sendState(device, "CONNECTING", now);
  }

  #onStatusResponse(counter: number, now: number): void {
    if (!this.#open.answer(counter, now)) {
      const detail = `counter ${counter}; ${this.#open.size} open, next counter ${this.#counter}`;
      return this.violate("unexpected_status_response", detail, now);
    }
    if (this.#phase === "running") this.#pump(now);
    else this.#enterSequence(this.#open.size === 0 ? "commands" : "statuses", now);
    if (this.#draining && this.#open.answerable === 0) {
      this.#context.port.onEvent({ kind: "drained" });
    }
  }

  #onCommand(command: Command, now: number): void {
    const { messageCounter, device } = command;
    const { stats, answers, answerType } = this.#context.options;
    const first = this.#phase === "commands";
    stats.commands += 1;
    if (!first && this.#phase !== "running") {
      const detail = `command ${messageCounter} before every first status was answered`;
      return this.violate("unexpected_command", detail, now);
    }
    if (this.#commandCounter !== undefined && messageCounter !== this.#commandCounter) {
      const detail = `counter ${messageCounter}; expected ${this.#commandCounter}`;
      return this.violate("command_counter", detail, now);
    }
    this.#commandCounter = nextCounter(messageCounter);
    if (first && !this.#awaitedCommands.delete(deviceKey(device))) {
      const detail = `no first command was due for device ${deviceKey(device)}`;
      return this.violate("unexpected_command", detail, now);
    }
    this.#context.port.onEvent({ kind: "command", command });
    // Whoever was told may have stopped the gateway.
    if (this.#over) return;
    if (answers === "always" || (answers === "connecting" && first)) {
      this.answer(command, answerType?.(command) ?? this.#devices.answerType(command), now);
    }
    if (!first) return;
    if (this.#awaitedCommands.size === 0) this.#run(now);
    else this.#enterSequence("commands", now);
  }

  #run(now: number): void {
    const { options: { stats, reconnectEveryMs, clocks }, port, random } = this.#context;
    stats.sessions += 1;
    this.#waitUntil = Infinity;
    this.#enter("running");
    if (!this.#draining) {
      this.#keepAliveAt = now + clocks.keepAliveMs;
      // From half the period on, so that a fleet does not move in step.
      if (reconnectEveryMs > 0) this.#restartAt = now + reconnectEveryMs * (1 - random() / 2);
      this.#pace.start(now);
    }
    for (const device of this.#devices.joinedSince(this.#listed)) {
      this.#sendState(device, "CONNECTING", now);
    }
    for (const device of this.#devices.leftSince(this.#listed)) {
      this.#sendState(device, "DISCONNECT", now);
    }
    port.onEvent({ kind: "running", sessionId: this.id });
    this.#pump(now);
  }

  #pacedAt(): number {
    if (this.#devices.connected.length === 0) return Infinity;
    // A status held back to change places needs its successor, whatever the window says.
    return this.#pace.dueAt(this.#open.size - (this.#outbox.holdsStatus ? 1 : 0));
  }

  #pump(now: number): void {
    const { payload, errorMessage } = this.#context.options;
    while (now >= this.#pacedAt()) {
      const device = this.#devices.nextInTurn();
      if (device === undefined) return;
      this.#pace.sent(now);
      this.#sendStatus(device, payload(device, this.#counter), { errorMessage }, now);
    }
  }

  #sendState(device: Device, state: keyof typeof DeviceState, now: number): void {
    const data = this.#context.options.payload(device, this.#counter);
    this.#sendStatus(device, data, { state: DeviceState[state] }, now);
  }

  #sendStatus(
    device: Device,
    statusData: Uint8Array,
    extras: StatusExtras,
    now: number,
  ): number {
    const { options, port } = this.#context;
    const { state: deviceState = DeviceState.RUNNING, errorMessage = NO_BYTES, done } = extras;
    const first = this.#phase !== "running";
    const messageCounter = this.#counter;
    this.#counter = nextCounter(messageCounter);
    if (this.#open.size === 0) this.#answerBy = now + options.clocks.responseMs;
    this.#devices.touch(device, now);
    const status = {
      kind: "status",
      sessionId: this.id,
      deviceState,
      messageCounter,
      device,
      statusData,
      errorMessage,
    } as const;
    let dropped = false;
    if (first) {
      port.send(status, 1);
    } else {
      options.stats.sent += 1;
      dropped = this.#outbox.put(status, now) === "drop";
    }
    this.#open.add(messageCounter, { sentAt: now, dropped, first, done });
    return messageCounter;
  }

  #keepAlive(now: number): void {
    const { clocks, payload, errorMessage } = this.#context.options;
    for (const device of this.#devices.silentFor(clocks.keepAliveMs, now)) {
      this.#sendStatus(device, payload(device, this.#counter), { errorMessage }, now);
    }
    this.#keepAliveAt = this.#devices.oldestTouch(now) + clocks.keepAliveMs;
  }

  #checkAnswers(now: number): void {
    const [counter, status] = this.#open.oldest ?? [];
    this.#answerBy = status === undefined
      ? Infinity
      : status.sentAt + this.#context.options.clocks.responseMs;
    if (status === undefined || now < this.#answerBy) return;
    const detail = `status ${counter} had no answer for ${Math.round(now - status.sentAt)} ms`;
    this.#fail("status_unanswered", detail, now);
  }

  #waitedEnough(now: number): void {
    const waited = `for ${this.#context.options.clocks.sequenceMs} ms`;
    if (this.#phase === "connecting") {
      return this.#fail("connect_unanswered", `no connect response ${waited}`, now);
    }
    if (this.#phase === "statuses") {
      const missing = this.#open.counters.join(", ");
      return this.#fail("first_status_unanswered", `no answer to ${missing} ${waited}`, now);
    }
    const missing = [...this.#awaitedCommands].join(", ");
    this.#fail("first_command_missing", `no first command to ${missing} ${waited}`, now);
  }

  #fail(reason: EndReason, detail: string, now: number): void {
    this.#context.onFail(reason, detail, now);
  }

  /** Goes on in the connect sequence, and waits for the next message (section 4.5). */
  #enterSequence(phase: "connecting" | "statuses" | "commands", now: number): void {
    this.#waitUntil = now + this.#context.options.clocks.sequenceMs;
    this.#enter(phase);
  }

  #enter(phase: SessionPhase): void {
    // "connecting" is where it starts, so that one is always news.
    if (this.#phase === phase && phase !== "connecting") return;
    this.#phase = phase;
    this.#context.port.onEvent({ kind: "phase", phase });
  }
}
