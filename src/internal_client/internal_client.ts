// The Internal Client: a device's way to the Module Gateway of its car.
import { firstOf, systemClock, type TimerHandle } from "../time/mod.ts";
import type { ClientState, ClientStatistics } from "./client_state.ts";
import { Commands } from "./commands.ts";
import { type Connection, MAX_MESSAGE_BYTES } from "./connection.ts";
import { CommunicationError, InternalClientError, NoCommand } from "./errors.ts";
import { PersistentConnection } from "./persistent_connection.ts";
import {
  checkSignal,
  checkTimeout,
  CONNECT_TIMEOUT_MS,
  type ConnectOptions,
  type Settings,
  settingsOf,
} from "./options.ts";

/** Room that is left in a message for the device and the encoding. */
const MAX_STATUS_BYTES = MAX_MESSAGE_BYTES - 16 * 1024;
/** A device must speak at least every 30 s, or the gateway considers it dead. */
const HEARTBEAT_MS = 5_000;

/** For one status. */
export interface SendOptions {
  /**
   * For all of it, a new connection and a second try included; milliseconds. The first try may
   * take half.
   *
   * @default {2000}
   */
  readonly timeoutMs?: number;
  /** Ends the wait, and with it the connection: a late answer must not be taken for the next one. */
  readonly signal?: AbortSignal;
}

/**
 * A device that is connected to its gateway.
 *
 * Events: `command` for each unsolicited command (`CustomEvent<Uint8Array>`), `state` when
 * {@linkcode state} has changed.
 */
export class InternalClient extends EventTarget implements AsyncDisposable {
  /** Unsolicited commands, as they come. */
  readonly commands: AsyncIterable<Uint8Array>;
  readonly #connection: PersistentConnection;
  readonly #isPatient: boolean;
  readonly #commands: Commands;
  readonly #counts = { statuses: 0, replacedStatuses: 0, commands: 0 };
  #command: Uint8Array | undefined;
  #lastAnswerMs: number | null = null;
  /** Settles when the status under way, and all that wait for it, have ended. */
  #turn: Promise<unknown> = Promise.resolve();
  /** The newest status that was offered and waits for its turn. */
  #offered: { data: Uint8Array; replaced: () => void } | null = null;
  #sentAt: number;

  private constructor(settings: Settings) {
    super();
    this.#connection = new PersistentConnection(settings, {
      onCommand: (command) => this.#onCommand(command),
      onState: () => this.#onState(),
    }, systemClock);
    this.#isPatient = settings.reconnect === "forever";
    this.#sentAt = systemClock.now();
    this.commands = this.#commands = new Commands(settings.maxCommands);
  }

  /**
   * Connects a device to its gateway.
   *
   * @throws {RangeError} for an option that cannot be used
   * @throws {InternalClientError} when the gateway cannot be reached, or refuses the device
   */
  static async connect(options: ConnectOptions): Promise<InternalClient> {
    const settings = settingsOf(options);
    const { signal } = options;
    signal?.throwIfAborted();
    const client = new InternalClient(settings);
    const until = systemClock.now() + settings.connectTimeoutMs;
    try {
      await client.#connection.whenOpen(until, signal);
      return client;
    } catch (error) {
      client.#connection.end(error);
      throw error;
    }
  }

  /** Whether the client can be used. */
  get state(): ClientState {
    return this.#connection.state;
  }

  /** The last command: an answer to a status, or an unsolicited one. */
  get command(): Uint8Array | undefined {
    return this.#command;
  }

  /** Counts since the client was made. */
  get statistics(): ClientStatistics {
    return {
      ...this.#counts,
      reconnects: this.#connection.reconnects,
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
   * @throws {RangeError} for arguments that cannot be used: a timeout that is not positive, more than
   *   1,032,192 bytes, or something else than a string or bytes
   * @throws {InternalClientError} when there was no answer. With `"once"` the client has ended then.
   */
  async sendStatus(
    data: Uint8Array | string,
    { timeoutMs = 2 * CONNECT_TIMEOUT_MS, signal }: SendOptions = {},
  ): Promise<Uint8Array> {
    checkTimeout(timeoutMs);
    checkSignal(signal);
    const bytes = bytesOf(data);
    signal?.throwIfAborted();
    const until = systemClock.now() + timeoutMs;
    const { turn, done } = this.#queueUp();
    try {
      await this.#connection.wait(turn, until, signal);
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
    checkSignal(signal);
    const bytes = bytesOf(data);
    signal?.throwIfAborted();
    const until = systemClock.now() + timeoutMs;
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
      await this.#connection.wait(firstOf<unknown>(turn, replaced), until, signal);
      if (!isNewest) return null;
      if (this.#offered === own) this.#offered = null;
      return await this.#send(bytes, until, signal);
    } finally {
      if (this.#offered === own) this.#offered = null;
      done();
    }
  }

  /**
   * Sends a status whenever none has been sent for a while, so that the gateway does not consider the
   * device dead. Failures show in {@linkcode state}; the heartbeat ends with the client.
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
      if (timer !== undefined) systemClock.clear(timer);
    };
    let tried = this.#sentAt;
    const next = () => {
      if (stopped) return;
      const due = Math.max(this.#sentAt, tried) + intervalMs - systemClock.now();
      timer = due > 0 ? systemClock.set(next, due) : void beat();
    };
    const beat = async () => {
      tried = systemClock.now();
      try {
        await this.offerStatus(status());
      } catch (error) {
        // The state shows failures of the connection; with "once" the client has ended then.
        if (!(error instanceof InternalClientError)) this.#connection.end(error);
      }
      next();
    };
    this.#connection.ended.addEventListener("abort", stop);
    next();
    return { [Symbol.dispose]: stop };
  }

  /** Closes the connection. What is under way fails with {@linkcode Closed}. May be called again. */
  close(): Promise<void> {
    this.#connection.end();
    return Promise.resolve();
  }

  /** See {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Queues behind all waiting statuses. */
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
    // A connection that failed between two statuses has used up the first try.
    let tries = this.state.kind === "connected" ? 0 : 1;
    while (true) {
      const isLast = !this.#isPatient && ++tries > 1;
      try {
        const connection = await this.#connection.whenOpen(until, signal);
        return await this.#exchange(connection, data, isLast ? until : this.#half(until), signal);
      } catch (error) {
        if (isLast && error instanceof CommunicationError) this.#connection.end(error);
        const again = !isLast && error instanceof CommunicationError && systemClock.now() < until;
        if (!again) throw error;
      }
    }
  }

  /** When the first half of the time until then is over; a few milliseconds are not halved. */
  #half(until: number): number {
    const now = systemClock.now();
    return until - now < 20 ? until : now + (until - now) / 2;
  }

  async #exchange(
    connection: Connection,
    data: Uint8Array,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const sentAt = systemClock.now();
    try {
      this.#command = await connection.exchange(data, until, signal);
    } catch (error) {
      this.#connection.lost(error);
      throw error;
    }
    this.#sentAt = sentAt;
    this.#lastAnswerMs = systemClock.now() - sentAt;
    this.#counts.statuses++;
    return this.#command;
  }

  #onState(): void {
    if (this.state.kind === "closed") this.#commands.end();
    this.dispatchEvent(new Event("state"));
  }

  #onCommand(command: Uint8Array): void {
    this.#counts.commands++;
    this.#command = command;
    this.#commands.push(command);
    this.dispatchEvent(new CustomEvent("command", { detail: command }));
  }
}

const ENCODER = new TextEncoder();

function bytesOf(data: Uint8Array | string): Uint8Array {
  const bytes = typeof data === "string" ? ENCODER.encode(data) : data;
  // Not by its class: arrays of another realm are as good.
  const kind = Object.prototype.toString.call(bytes).slice(8, -1);
  if (kind !== "Uint8Array") {
    throw new RangeError(`Cannot send a status: expected a Uint8Array or a string: got ${kind}`);
  }
  if (bytes.length <= MAX_STATUS_BYTES) return bytes;
  throw new RangeError(
    `Cannot send a status of ${bytes.length} bytes: expected at most ${MAX_STATUS_BYTES}`,
  );
}
