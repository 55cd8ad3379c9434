// The Internal Client: a device's way to the Module Gateway of its car.
import { backoff, type Clock, firstOf, systemClock, type TimerHandle } from "../time/mod.ts";
import { Commands } from "./commands.ts";
import { Connection, MAX_MESSAGE_BYTES } from "./connection.ts";
import {
  AlreadyConnected,
  Closed,
  CommunicationError,
  InternalClientError,
  NoCommand,
  Timeout,
} from "./errors.ts";
import {
  checkTimeout,
  CONNECT_TIMEOUT_MS,
  type ConnectOptions,
  type Settings,
  settingsOf,
} from "./options.ts";

/** Pauses between attempts with `reconnect: "forever"`. */
const PAUSES = { firstMs: 200, maxMs: 10_000 };
/** Room that is left in a message for the device and the encoding. */
const MAX_STATUS_BYTES = MAX_MESSAGE_BYTES - 16 * 1024;
/** A device must speak at least every 30 s, or the gateway takes it for dead. */
const HEARTBEAT_MS = 5_000;

/** Whether a client can be used. */
export type ClientState =
  | { readonly kind: "connected" }
  /** The link is lost; `cause` says how. With `"once"` the next status tries a new one. */
  | { readonly kind: "disconnected"; readonly cause: unknown }
  /** For good; `cause` is undefined after {@linkcode InternalClient.close}. */
  | { readonly kind: "closed"; readonly cause?: unknown };

/** Counts since the client was made. */
export interface ClientStatistics {
  /** Statuses that were answered. */
  readonly statuses: number;
  /** Statuses that a newer one replaced before they were sent. */
  readonly replacedStatuses: number;
  /** Commands that nobody asked for. */
  readonly commands: number;
  /** Of these, how many made room for newer ones before they were read. */
  readonly droppedCommands: number;
  /** Links after the first. */
  readonly reconnects: number;
  /** From sending the last status to its answer, in milliseconds. */
  readonly lastAnswerMs: number | null;
}

/** For one status. */
export interface SendOptions {
  /**
   * For all of it, a new link and a second try included; milliseconds. The first try may take half.
   *
   * @default {2000}
   */
  readonly timeoutMs?: number;
  /** Ends the wait, and with it the link: a late answer must not be taken for the next one. */
  readonly signal?: AbortSignal;
}

/**
 * A device that is connected to its gateway.
 *
 * Events: `command` for each command that nobody asked for (`CustomEvent<Uint8Array>`), `state` when
 * {@linkcode state} has changed.
 */
export class InternalClient extends EventTarget implements AsyncDisposable {
  /** Commands that nobody asked for, as they come. */
  readonly commands: AsyncIterable<Uint8Array>;
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #commands: Commands;
  readonly #counts = { statuses: 0, replacedStatuses: 0, commands: 0, reconnects: 0 };
  #connection: Connection | null = null;
  #state: ClientState = { kind: "disconnected", cause: undefined };
  #command: Uint8Array | undefined;
  #lastAnswerMs: number | null = null;
  /** Settles when the status under way, and all that wait for it, have ended. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The newest status that was offered and waits for its turn. */
  #offered: { data: Uint8Array; replaced: () => void } | null = null;
  #sentAt: number;
  /** The only attempt to reconnect with `"forever"`. */
  #reconnecting: Promise<void> | null = null;
  readonly #ended = new AbortController();

  private constructor(settings: Settings, clock: Clock) {
    super();
    this.#settings = settings;
    this.#clock = clock;
    this.#sentAt = clock.now();
    this.commands = this.#commands = new Commands(settings.maxCommands);
  }

  /**
   * Connects a device to its gateway.
   *
   * @throws {RangeError} for an option that cannot be used
   * @throws {InternalClientError} when the gateway cannot be reached, or does not want the device
   */
  static async connect(
    options: ConnectOptions,
    clock: Clock = systemClock,
  ): Promise<InternalClient> {
    const settings = settingsOf(options);
    const { signal } = options;
    signal?.throwIfAborted();
    const client = new InternalClient(settings, clock);
    const until = clock.now() + settings.connectTimeoutMs;
    try {
      await client.#linked(until, signal);
      return client;
    } catch (error) {
      client.#end(error);
      throw error;
    }
  }

  /** Whether the client can be used. */
  get state(): ClientState {
    return this.#state;
  }

  /** The last command: an answer to a status, or one that nobody asked for. */
  get command(): Uint8Array | undefined {
    return this.#command;
  }

  /** Counts since the client was made. */
  get statistics(): ClientStatistics {
    return {
      ...this.#counts,
      droppedCommands: this.#commands.dropped,
      lastAnswerMs: this.#lastAnswerMs,
    };
  }

  /**
   * The last command.
   *
   * @throws {NoCommand} when none has come yet
   */
  lastCommand(): Uint8Array {
    if (this.#command === undefined) throw new NoCommand("No command has come yet");
    return this.#command;
  }

  /**
   * Sends a status, and returns the command that the gateway answers with; empty when there is
   * nothing to do. Statuses are sent one after the other, in the order of the calls.
   *
   * @throws {RangeError} for a timeout that is not positive, or more than 1,032,192 bytes
   * @throws {InternalClientError} when there was no answer. With `"once"` the client has ended then.
   */
  async sendStatus(
    data: Uint8Array | string,
    { timeoutMs = 2 * CONNECT_TIMEOUT_MS, signal }: SendOptions = {},
  ): Promise<Uint8Array> {
    checkTimeout(timeoutMs);
    const bytes = bytesOf(data);
    signal?.throwIfAborted();
    const until = this.#clock.now() + timeoutMs;
    const { turn, done } = this.#queueUp();
    try {
      await this.#unless(turn, until, signal);
      return await this.#send(bytes, until, signal);
    } finally {
      done();
    }
  }

  /**
   * Sends the newest status: while another one is under way, this one waits, and the next call of
   * this method replaces it.
   *
   * @returns the command, or null when a newer status took the place of this one
   * @throws as {@linkcode sendStatus}
   */
  async offerStatus(
    data: Uint8Array | string,
    { timeoutMs = 2 * CONNECT_TIMEOUT_MS, signal }: SendOptions = {},
  ): Promise<Uint8Array | null> {
    checkTimeout(timeoutMs);
    const bytes = bytesOf(data);
    signal?.throwIfAborted();
    const until = this.#clock.now() + timeoutMs;
    this.#offered?.replaced();
    const { turn, done } = this.#queueUp();
    let isNewest = true;
    const replaced = new Promise<void>((resolve) => {
      const replaced = () => {
        isNewest = false;
        this.#counts.replacedStatuses++;
        resolve();
      };
      this.#offered = { data: bytes, replaced };
    });
    const own = this.#offered;
    try {
      await this.#unless(firstOf<unknown>(turn, replaced), until, signal);
      if (!isNewest) return null;
      if (this.#offered === own) this.#offered = null;
      return await this.#send(bytes, until, signal);
    } finally {
      if (this.#offered === own) this.#offered = null;
      done();
    }
  }

  /**
   * Sends a status whenever none has been sent for a while, so that the gateway does not take the
   * device for dead. Failures show in {@linkcode state}; the heartbeat ends with the client.
   *
   * @param status makes the status; the client ends when it throws
   * @param intervalMs less than 30,000 @default {5000}
   */
  heartbeat(status: () => Uint8Array | string, intervalMs: number = HEARTBEAT_MS): Disposable {
    checkTimeout(intervalMs);
    let timer: TimerHandle | undefined;
    let stopped = false;
    const stop = () => {
      stopped = true;
      if (timer !== undefined) this.#clock.clear(timer);
    };
    let tried = this.#sentAt;
    const next = () => {
      if (stopped) return;
      const due = Math.max(this.#sentAt, tried) + intervalMs - this.#clock.now();
      timer = due > 0 ? this.#clock.set(next, due) : void beat();
    };
    const beat = async () => {
      tried = this.#clock.now();
      try {
        await this.offerStatus(status());
      } catch (error) {
        // Of the link's failures the state tells; with "once" the client has ended then.
        if (!(error instanceof InternalClientError)) this.#end(error);
      }
      next();
    };
    this.#ended.signal.addEventListener("abort", stop);
    next();
    return { [Symbol.dispose]: stop };
  }

  /** Closes the link. What is under way fails with {@linkcode Closed}. May be called again. */
  close(): Promise<void> {
    this.#end();
    return Promise.resolve();
  }

  /** See {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Takes a place behind all statuses that wait. */
  #queueUp(): { turn: Promise<unknown>; done: () => void } {
    const turn = this.#turn;
    let done = () => {};
    const own = new Promise<void>((resolve) => done = resolve);
    this.#turn = turn.then(() => own);
    return { turn, done };
  }

  async #send(
    data: Uint8Array,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const { reconnect } = this.#settings;
    // A link that failed between two statuses has used up the first try.
    let tries = this.#connection === null ? 1 : 0;
    while (true) {
      const isLast = reconnect === "once" && ++tries > 1;
      try {
        const connection = await this.#linked(until, signal);
        return await this.#exchange(connection, data, isLast ? until : this.#half(until), signal);
      } catch (error) {
        if (isLast && error instanceof CommunicationError) this.#end(error);
        const again = !isLast && error instanceof CommunicationError && this.#clock.now() < until;
        if (!again) throw error;
      }
    }
  }

  /** When the first half of the time until then is over; a few milliseconds are not halved. */
  #half(until: number): number {
    const now = this.#clock.now();
    return until - now < 20 ? until : now + (until - now) / 2;
  }

  async #exchange(
    connection: Connection,
    data: Uint8Array,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const sentAt = this.#clock.now();
    try {
      this.#command = await connection.exchange(data, until, signal);
    } catch (error) {
      this.#lost(error);
      throw error;
    }
    this.#sentAt = sentAt;
    this.#lastAnswerMs = this.#clock.now() - sentAt;
    this.#counts.statuses++;
    return this.#command;
  }

  /** The link, a new one if need be. */
  async #linked(until: number, signal: AbortSignal | undefined): Promise<Connection> {
    while (true) {
      if (this.#state.kind === "closed") throw this.#closed();
      if (this.#connection?.alive) return this.#connection;
      if (this.#settings.reconnect === "once") {
        await this.#open(until, signal);
        continue;
      }
      this.#reconnecting ??= this.#reconnect().finally(() => this.#reconnecting = null);
      await this.#unless(this.#reconnecting, until, signal);
    }
  }

  /** Tries until there is a link, or the client has ended. */
  async #reconnect(): Promise<void> {
    const { takeoverMs } = this.#settings;
    const begun = this.#clock.now();
    for (const pauseMs of backoff(PAUSES)) {
      try {
        await this.#open(this.#clock.now() + CONNECT_TIMEOUT_MS, undefined);
        return;
      } catch (error) {
        const passes = error instanceof CommunicationError ||
          error instanceof AlreadyConnected && this.#clock.now() - begun < takeoverMs;
        if (!passes) this.#end(error);
        else this.#setState({ kind: "disconnected", cause: error });
      }
      if (this.#state.kind === "closed") return;
      await this.#pause(pauseMs);
      if (this.#ended.signal.aborted) return;
    }
  }

  async #open(until: number, signal: AbortSignal | undefined): Promise<void> {
    const isFirst = this.#state.kind === "disconnected" && this.#state.cause === undefined;
    const ended = this.#ended.signal;
    const ending = signal === undefined ? ended : AbortSignal.any([signal, ended]);
    try {
      const connection = await Connection.open(this.#settings, {
        onCommand: (command) => this.#onCommand(command),
        onLost: (error) => this.#lost(error),
      }, { until, signal: ending, clock: this.#clock });
      this.#connection = connection;
    } catch (error) {
      // A refusal ends the client; with "forever" the caller decides.
      if (!(error instanceof CommunicationError) && this.#settings.reconnect === "once") {
        this.#end(error);
      }
      throw error;
    }
    if (!isFirst) this.#counts.reconnects++;
    this.#setState({ kind: "connected" });
  }

  #lost(cause: unknown): void {
    this.#connection = null;
    if (this.#state.kind === "closed") return;
    this.#setState({ kind: "disconnected", cause });
    if (this.#settings.reconnect === "once") return;
    this.#reconnecting ??= this.#reconnect().finally(() => this.#reconnecting = null);
  }

  #end(cause?: unknown): void {
    if (this.#state.kind === "closed") return;
    this.#setState(cause === undefined ? { kind: "closed" } : { kind: "closed", cause });
    this.#connection?.close(this.#closed());
    this.#connection = null;
    this.#ended.abort(this.#closed());
    this.#commands.end();
  }

  #closed(): Closed {
    const cause = this.#state.kind === "closed" ? this.#state.cause : undefined;
    if (cause === undefined) return new Closed("The client is closed");
    const why = cause instanceof Error ? cause.message : String(cause);
    return new Closed(`The client has ended: ${why}`, { cause });
  }

  #setState(state: ClientState): void {
    this.#state = state;
    this.dispatchEvent(new Event("state"));
  }

  #onCommand(command: Uint8Array): void {
    this.#counts.commands++;
    this.#command = command;
    this.#commands.push(command);
    this.dispatchEvent(new CustomEvent("command", { detail: command }));
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.set(resolve, ms);
      this.#ended.signal.addEventListener("abort", () => (this.#clock.clear(timer), resolve()), {
        once: true,
      });
    });
  }

  /** Waits, but not longer than `until`, the signal or the client allow. */
  #unless(
    promise: Promise<unknown>,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const begun = this.#clock.now();
    return new Promise((resolve, reject) => {
      const ended = this.#ended.signal;
      let timer: TimerHandle | undefined;
      const end = (settle: () => void) => {
        if (timer !== undefined) this.#clock.clear(timer);
        signal?.removeEventListener("abort", onAbort);
        ended.removeEventListener("abort", onEnd);
        settle();
      };
      const onAbort = () => end(() => reject(signal?.reason));
      const onEnd = () => end(() => reject(this.#failure()));
      signal?.addEventListener("abort", onAbort);
      ended.addEventListener("abort", onEnd);
      if (until !== Number.POSITIVE_INFINITY) {
        timer = this.#clock.set(() =>
          end(() => {
            const { cause } = this.#state as { cause?: unknown };
            const message = `Expected a link to the gateway within ${Math.round(until - begun)} ms`;
            reject(new Timeout(message, { cause }));
          }), Math.max(0, until - begun));
      }
      promise.then(() => end(resolve), (error) => end(() => reject(error)));
    });
  }

  /** Why the client has ended: a refusal as it came, else {@linkcode Closed}. */
  #failure(): unknown {
    const cause = this.#state.kind === "closed" ? this.#state.cause : undefined;
    return cause ?? this.#closed();
  }
}

const ENCODER = new TextEncoder();

function bytesOf(data: Uint8Array | string): Uint8Array {
  const bytes = typeof data === "string" ? ENCODER.encode(data) : data;
  if (bytes.length <= MAX_STATUS_BYTES) return bytes;
  throw new RangeError(
    `Cannot send a status of ${bytes.length} bytes: expected at most ${MAX_STATUS_BYTES}`,
  );
}
