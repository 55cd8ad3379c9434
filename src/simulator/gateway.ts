// A simulated Module Gateway: a session on a broker connection, with one timer.
import { decodeServerMessage, encodeClientMessage } from "../protocol/codec.ts";
import {
  type Command,
  CommandResponseType,
  type Device,
  type ServerMessage,
} from "../protocol/messages.ts";
import type { Clock, TimerHandle } from "../time/clock.ts";
import { asBytes } from "./devices.ts";
import { GatewayStateError, StatusUnansweredError } from "./errors.ts";
import { GatewayLink } from "./gateway_link.ts";
import { clockOf, type GatewayOptions, sessionOptions } from "./gateway_options.ts";
import { GatewayLife } from "./gateway_life.ts";
import type {
  GatewayEvent,
  Phase,
  StatusExtras,
  StatusResult,
  Violation,
} from "./session_types.ts";
import type { GatewayStats } from "./stats.ts";
import { Waiters } from "./waiters.ts";

/** How long the waiting methods wait unless told otherwise, in milliseconds: only a hang takes it. */
const DEFAULT_WAIT_MS = 60_000;
const KEPT_COMMANDS = 1_000;
const KEPT_VIOLATIONS = 1_000;

/** An answered status. */
export interface AnsweredStatus {
  readonly counter: number;
  /** From handing the status out to having the response, in milliseconds. */
  readonly latencyMs: number;
}

/** How a session ended; see {@linkcode GatewayEvent}. */
export type SessionEnd = Extract<GatewayEvent, { kind: "ended" }>;

/** What to say with one status. */
export interface SendOptions {
  /** @default {DeviceState.RUNNING} */
  readonly state?: number;
  readonly errorMessage?: string | Uint8Array;
}

/**
 * A gateway that does what the real one does (protocol sections 1, 2 and 4.2 to 4.5), checks the
 * server as strictly, and tells its user what happens.
 *
 * `await using gateway = new Gateway({ company, car, broker }).start(); await gateway.running();`
 */
export class Gateway {
  readonly car: string;
  readonly stats: GatewayStats;
  /** Rules the server has broken, the first 1,000 of them. */
  readonly violations: Violation[] = [];
  /** Called with every command that breaks no rule, before it is answered; must not throw. */
  onCommand: ((command: Command) => void) | undefined;
  readonly #clock: Clock;
  readonly #life: GatewayLife;
  readonly #link: GatewayLink;
  readonly #events = new Waiters<GatewayEvent>();
  readonly #listeners = new Set<(event: GatewayEvent) => void>();
  readonly #commandWaiters = new Waiters<Command>();
  readonly #commands: Command[] = [];
  readonly #keptCommands: number;
  #timer: TimerHandle | undefined;
  #armedFor = Infinity;

  constructor(options: GatewayOptions) {
    const forSession = sessionOptions(options);
    this.car = options.car;
    this.stats = forSession.stats;
    this.#keptCommands = options.keptCommands ?? KEPT_COMMANDS;
    this.#clock = clockOf(options);
    this.#link = new GatewayLink(options, {
      onUp: () => this.#input((now) => this.#life.linkUp(now)),
      onDown: (reason) => this.#input((now) => this.#life.linkDown(reason, now)),
      onMessage: (payload) => this.#onMessage(payload),
      onNotification: () => this.#input((now) => this.#life.notified(now)),
    });
    this.#life = new GatewayLife(forSession, {
      openLink: () => this.#link.open(),
      closeLink: () => this.#link.close(),
      send: (message, times) => {
        const bytes = encodeClientMessage(message);
        for (let i = 0; i < times; i++) this.#link.publish(bytes);
      },
      onEvent: (event) => this.#onEvent(event),
    });
  }

  get phase(): Phase {
    return this.#life.phase;
  }

  get isRunning(): boolean {
    return this.#life.phase === "running";
  }

  /** The current session's id; undefined between sessions. */
  get sessionId(): string | undefined {
    return this.#life.sessionId;
  }

  /** Statuses without an answer. */
  get inFlight(): number {
    return this.#life.inFlight;
  }

  /** All devices, connected or not. */
  get devices(): readonly Device[] {
    return this.#life.devices;
  }

  /** Begins connecting; waits for nothing. */
  start(): this {
    this.#input((now) => this.#life.start(now));
    return this;
  }

  /** Leaves the broker (at most a second) and ends every wait; nothing is left. Idempotent. */
  async stop(): Promise<void> {
    this.#input(() => this.#life.stop());
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#timer = undefined;
    this.#armedFor = Infinity;
    const error = new GatewayStateError(`Cannot wait for gateway "${this.car}": it was stopped`);
    this.#events.fail(error);
    this.#commandWaiters.fail(error);
    await this.#link.closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /**
   * Resolves with the session's id once there is normal communication, at once if there is.
   *
   * @throws {GatewayTimeoutError}
   */
  running(timeoutMs: number = DEFAULT_WAIT_MS): Promise<string> {
    const { sessionId } = this.#life;
    if (this.isRunning && sessionId !== undefined) return Promise.resolve(sessionId);
    return this.nextSession(timeoutMs);
  }

  /**
   * Resolves with the id of the next session that reaches normal communication.
   *
   * @throws {GatewayTimeoutError}
   */
  nextSession(timeoutMs: number = DEFAULT_WAIT_MS): Promise<string> {
    const running = this.#nextEvent("a session of", timeoutMs, "running");
    return unobserved(running.then((event) => event.sessionId));
  }

  /**
   * Resolves when the next session ends, whether it had run or not.
   *
   * @throws {GatewayTimeoutError}
   */
  sessionEnded(timeoutMs: number = DEFAULT_WAIT_MS): Promise<SessionEnd> {
    return this.#nextEvent("the end of a session of", timeoutMs, "ended");
  }

  /**
   * Resolves with the next disconnect notification; call it before what provokes one.
   *
   * @throws {GatewayTimeoutError}
   */
  disconnected(timeoutMs: number = DEFAULT_WAIT_MS): Promise<void> {
    const notified = this.#nextEvent("the disconnect notification for", timeoutMs, "notified");
    return unobserved(notified.then(() => {}));
  }

  /**
   * Sends one status in normal communication, and resolves with its answer.
   *
   * @throws {GatewayStateError} when there is no normal communication.
   * @throws {StatusUnansweredError} when the session ends without an answer.
   */
  send(
    device: Device,
    data: string | Uint8Array,
    options: SendOptions = {},
  ): Promise<AnsweredStatus> {
    const { state, errorMessage } = options;
    return this.#sending(device, (extras, now) =>
      this.#life.send(device, asBytes(data), {
        ...extras,
        ...(state === undefined ? {} : { state }),
        ...(errorMessage === undefined ? {} : { errorMessage: asBytes(errorMessage) }),
      }, now));
  }

  /** Says DISCONNECT for a device (section 4.3); errors as those of {@linkcode send}. */
  disconnectDevice(device: Device): Promise<AnsweredStatus> {
    return this.#sending(
      device,
      (extras, now) => this.#life.disconnectDevice(device, extras, now),
    );
  }

  /** Says CONNECTING for a device, new or known (section 4.3); errors as {@linkcode send}. */
  connectDevice(device: Device): Promise<AnsweredStatus> {
    return this.#sending(device, (extras, now) => this.#life.connectDevice(device, extras, now));
  }

  /**
   * Resolves with the oldest command kept that nobody has taken, or the next one to come. Those
   * of the connect sequence are commands, too.
   *
   * @param options.where Takes only such a command; the others stay.
   * @throws {GatewayTimeoutError}
   */
  nextCommand(
    options: { timeoutMs?: number; where?: (command: Command) => boolean } = {},
  ): Promise<Command> {
    const { timeoutMs = DEFAULT_WAIT_MS, where = () => true } = options;
    const at = this.#commands.findIndex(where);
    const [kept] = at < 0 ? [] : this.#commands.splice(at, 1);
    if (kept !== undefined) return Promise.resolve(kept);
    return this.#commandWaiters.next(`a command for gateway "${this.car}"`, timeoutMs, where);
  }

  /** Answers a command, where `answers` leaves that to the caller. */
  answer(command: Command, type: number = CommandResponseType.OK): void {
    this.#input((now) => this.#life.answer(command, type, now));
  }

  /** Asks for a new session at once, as a gateway that was restarted. */
  restart(): void {
    this.#input((now) => this.#life.restart(now));
  }

  /** Drops the broker connection, and comes back after `retryMs`. */
  dropLink(): void {
    this.#input((now) => this.#life.dropLink(now));
  }

  /**
   * Sends nothing more by itself, and resolves with whether every status was answered that can
   * be: not one that was dropped on purpose, and none behind such a one. What is still open when
   * the gateway stops counts as unanswered.
   */
  async drain(timeoutMs: number = DEFAULT_WAIT_MS): Promise<boolean> {
    const drained = this.#nextEvent("the last answers for", timeoutMs, "drained");
    this.#input(() => this.#life.drain());
    return await drained.then(() => true, () => false);
  }

  /** Publishes any bytes, on the gateway's own topic or another one. */
  publishRaw(bytes: Uint8Array, topic?: string): void {
    this.#link.publish(bytes, topic);
  }

  /** Calls `listener` with everything that happens; it must not throw. Returns how to stop it. */
  listen(listener: (event: GatewayEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #onMessage(payload: Uint8Array): void {
    const now = this.#clock.now();
    let message: ServerMessage | undefined;
    try {
      message = decodeServerMessage(payload);
    } catch (error) {
      this.#life.malformed(error instanceof Error ? error.message : String(error), now);
    }
    if (message !== undefined) this.#life.message(message, now);
    this.#arm(now);
  }

  #input(act: (now: number) => void): void {
    const now = this.#clock.now();
    act(now);
    this.#arm(now);
  }

  /** Sets the timer; one that fires too early only looks, so it is never moved back. */
  #arm(now: number): void {
    const at = this.#life.deadline;
    if (at >= this.#armedFor) return;
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#armedFor = at;
    this.#timer = this.#clock.set(() => {
      this.#timer = undefined;
      this.#armedFor = Infinity;
      this.#input((then) => this.#life.tick(then));
    }, Math.max(0, Math.ceil(at - now)));
  }

  #sending(
    device: Device,
    act: (extras: StatusExtras, now: number) => number | undefined,
  ): Promise<AnsweredStatus> {
    const { promise, resolve, reject } = Promise.withResolvers<AnsweredStatus>();
    const done = (result: StatusResult) => {
      if (result.answered) return resolve(result);
      const { counter, reason } = result;
      reject(
        new StatusUnansweredError(
          `Cannot get an answer to status ${counter} of gateway "${this.car}": ${reason}`,
        ),
      );
    };
    this.#input((now) => {
      if (act({ done }, now) !== undefined) return;
      const { deviceName } = device;
      reject(
        new GatewayStateError(
          `Cannot send a status of "${deviceName}" as gateway "${this.car}" is not running: current phase is ${this.phase}`,
        ),
      );
    });
    return unobserved(promise);
  }

  #nextEvent<K extends GatewayEvent["kind"]>(
    what: string,
    timeoutMs: number,
    kind: K,
  ): Promise<Extract<GatewayEvent, { kind: K }>> {
    return this.#events.next(
      `${what} gateway "${this.car}"`,
      timeoutMs,
      (event) => event.kind === kind,
    ) as Promise<Extract<GatewayEvent, { kind: K }>>;
  }

  #onEvent(event: GatewayEvent): void {
    if (event.kind === "command") this.#keepCommand(event.command);
    if (event.kind === "violation" && this.violations.length < KEPT_VIOLATIONS) {
      this.violations.push(event.violation);
    }
    for (const listener of this.#listeners) listener(event);
    if (!this.#events.empty) this.#events.offer(event);
  }

  #keepCommand(command: Command): void {
    this.onCommand?.(command);
    if (this.#commandWaiters.offer(command, "first") || this.#keptCommands === 0) return;
    this.#commands.push(command);
    if (this.#commands.length > this.#keptCommands) this.#commands.shift();
  }
}

/** Whoever does not look at a promise must not be punished when it rejects. */
function unobserved<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
