// A simulated Module Gateway on a broker connection, for tests, demos and load.
import { GatewayLink, type Phase } from "../gateway/mod.ts";
import { decodeServerMessage, encodeClientMessage } from "../protocol/codec/mod.ts";
import {
  type ClientMessage,
  type Command,
  CommandResponseType,
  type Device,
} from "../protocol/mod.ts";
import { asBytes } from "./devices.ts";
import { GatewayStateError, StatusUnansweredError } from "./errors.ts";
import type {
  AnsweredStatus,
  GatewayEvent,
  SessionEnd,
  StatusExtras,
  StatusResult,
  Violation,
} from "./events.ts";
import { GatewayDriver } from "./gateway_driver.ts";
import { clockOf, type GatewayOptions, simulationOptions } from "./gateway_options.ts";
import type { GatewayStats } from "./stats.ts";
import { Inbox, Waiters } from "./waiters.ts";

/** Default timeout of waiting methods, in milliseconds: only a hang takes that long. */
const DEFAULT_WAIT_MS = 60_000;
const KEPT_COMMANDS = 1_000;
const KEPT_VIOLATIONS = 1_000;

/** Options of one status. */
export interface SendOptions {
  /** @default {what the device's life says: CONNECTING at first, then RUNNING} */
  readonly state?: number;
  readonly errorMessage?: string | Uint8Array;
}

/**
 * A gateway that behaves like the real one [GATEWAY-TIMES], checks the server as strictly, and
 * reports what happens.
 *
 * `await using gateway = new Gateway({ company, car, broker }).start(); await gateway.running();`
 */
export class Gateway {
  readonly car: string;
  readonly stats: GatewayStats;
  /** Rules that the server has broken, the first 1,000. */
  readonly violations: Violation[] = [];
  /** Called with every command that breaks no rule, before it is answered; must not throw. */
  onCommand: ((command: Command) => void) | undefined;
  readonly #driver: GatewayDriver;
  readonly #link: GatewayLink;
  readonly #events = new Waiters<GatewayEvent>();
  readonly #listeners = new Set<(event: GatewayEvent) => void>();
  readonly #commands: Inbox<Command>;

  constructor(options: GatewayOptions) {
    const simulation = simulationOptions(options);
    this.car = options.car;
    this.stats = simulation.stats;
    this.#commands = new Inbox(options.keptCommands ?? KEPT_COMMANDS);
    this.#link = new GatewayLink(
      { ...options, hearsNotifications: simulation.settings.version !== "1.3" },
      {
        onUp: () => this.#driver.take({ type: "link_up" }),
        onDown: (detail) => this.#driver.take({ type: "link_down", detail }),
        onMessage: (payload) => this.#onMessage(payload),
        onNotification: () => this.#driver.notified(),
      },
    );
    const port = {
      open: () => this.#link.open(),
      close: () => this.#link.close(),
      send: (message: ClientMessage, times: number) => {
        const bytes = encodeClientMessage(message);
        for (let i = 0; i < times; i++) this.#link.publish(bytes);
      },
    };
    const onEvent = (event: GatewayEvent) => this.#onEvent(event);
    this.#driver = new GatewayDriver(simulation, port, clockOf(options), onEvent);
  }

  get phase(): Phase {
    return this.#driver.phase;
  }

  get isRunning(): boolean {
    return this.#driver.phase === "connected";
  }

  /** The current session's id; undefined between sessions. */
  get sessionId(): string | undefined {
    return this.#driver.sessionId ?? undefined;
  }

  /** Statuses without an answer. */
  get inFlight(): number {
    return this.#driver.inFlight;
  }

  /** All devices, connected or not. */
  get devices(): readonly Device[] {
    return this.#driver.devices;
  }

  /** Starts connecting. */
  start(): this {
    this.#driver.start();
    return this;
  }

  /** Leaves the broker (within a second), and ends every wait. Idempotent. */
  async stop(): Promise<void> {
    this.#driver.stop();
    const error = new GatewayStateError(`Cannot wait for gateway "${this.car}": it was stopped`);
    this.#events.fail(error);
    this.#commands.fail(error);
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
    const { sessionId } = this.#driver;
    if (this.isRunning && sessionId !== null) return Promise.resolve(sessionId);
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
    return this.#sending(device, (extras) =>
      this.#driver.send(device, asBytes(data), {
        ...extras,
        ...(state === undefined ? {} : { state }),
        ...(errorMessage === undefined ? {} : { errorMessage: asBytes(errorMessage) }),
      }));
  }

  /** Says DISCONNECT for a device [STATUS-STATES]; errors as those of {@linkcode send}. */
  disconnectDevice(device: Device): Promise<AnsweredStatus> {
    return this.#sending(device, (extras) => this.#driver.disconnectDevice(device, extras));
  }

  /** Says CONNECTING for a device, new or known [STATUS-STATES]; errors as {@linkcode send}. */
  connectDevice(device: Device): Promise<AnsweredStatus> {
    return this.#sending(device, (extras) => this.#driver.connectDevice(device, extras));
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
    const { timeoutMs = DEFAULT_WAIT_MS, where } = options;
    return this.#commands.take(`a command for gateway "${this.car}"`, timeoutMs, where);
  }

  /** Answers a command, where `answers` leaves that to the caller. */
  answer(command: Command, type: number = CommandResponseType.OK): void {
    this.#driver.answer(command, type);
  }

  /** Restarts: comes back with a new session after `restartMs`. */
  restart(): void {
    this.#driver.take({ type: "restart" });
  }

  /** Drops the broker connection, and comes back as after any loss of it. */
  dropLink(): void {
    this.#driver.take({ type: "drop_link" });
  }

  /**
   * Sends nothing more by itself, and resolves with whether every status was answered that can
   * be: not one that was dropped on purpose, and none behind such a one. What is still open when
   * the gateway stops counts as unanswered.
   */
  async drain(timeoutMs: number = DEFAULT_WAIT_MS): Promise<boolean> {
    const drained = this.#nextEvent("the last answers for", timeoutMs, "drained");
    this.#driver.drain();
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
    let message;
    try {
      message = decodeServerMessage(payload);
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      return this.#driver.take({ type: "malformed", detail });
    }
    this.#driver.message(message);
  }

  #sending(
    device: Device,
    act: (extras: StatusExtras) => boolean,
  ): Promise<AnsweredStatus> {
    const { promise, resolve, reject } = Promise.withResolvers<AnsweredStatus>();
    const { car, phase } = this;
    const { deviceName } = device;
    const done = (result: StatusResult) => {
      if (result.answered) return resolve(result);
      const what = `Cannot get an answer to a status of "${deviceName}" of gateway "${car}"`;
      reject(new StatusUnansweredError(`${what}: ${result.reason}`));
    };
    if (!act({ done })) {
      reject(
        new GatewayStateError(
          `Cannot send a status of "${deviceName}" as gateway "${car}" is not running: current phase is ${phase}`,
        ),
      );
    }
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
    if (event.kind === "command") {
      this.onCommand?.(event.command);
      this.#commands.put(event.command);
    }
    if (event.kind === "violation" && this.violations.length < KEPT_VIOLATIONS) {
      this.violations.push(event.violation);
    }
    for (const listener of this.#listeners) listener(event);
    if (!this.#events.empty) this.#events.offer(event);
  }
}

/** Marks a promise as handled: callers need not look at it. */
function unobserved<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
