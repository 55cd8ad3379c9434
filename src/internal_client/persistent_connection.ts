// Keeps a client connected to its gateway, over one connection after the other.
import { backoff, type Clock, type TimerHandle } from "../time/mod.ts";
import type { ClientState } from "./client_state.ts";
import { Connection } from "./connection.ts";
import {
  AlreadyConnected,
  Closed,
  CommunicationError,
  ConnectRefusal,
  ProtocolError,
  Timeout,
} from "./errors.ts";
import { CONNECT_TIMEOUT_MS, type Settings } from "./options.ts";

/** Pauses between attempts with `reconnect: "forever"`. */
const PAUSES = { firstMs: 200, maxMs: 10_000 };

/** What it tells its client. None of these may throw. */
export interface PersistentConnectionListener {
  onCommand(command: Uint8Array): void;
  onState(): void;
}

/** Connects, and connects again as the settings say, until it is ended. */
export class PersistentConnection {
  readonly #settings: Settings;
  readonly #listener: PersistentConnectionListener;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  #connection: Connection | null = null;
  #state: ClientState = { kind: "disconnected", cause: undefined };
  #connects = 0;
  /** The only attempt to reconnect with `"forever"`. */
  #reconnecting: Promise<void> | null = null;

  constructor(settings: Settings, listener: PersistentConnectionListener, clock: Clock) {
    this.#settings = settings;
    this.#listener = listener;
    this.#clock = clock;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** How often there was a new connection after the first. */
  get reconnects(): number {
    return Math.max(0, this.#connects - 1);
  }

  /** Aborts when it is ended. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /**
   * The connection, a new one if need be.
   *
   * @throws {InternalClientError} when there is none until then, or this has ended
   */
  async whenOpen(until: number, signal: AbortSignal | undefined): Promise<Connection> {
    while (true) {
      if (this.#state.kind === "closed") throw this.#closed();
      if (this.#connection?.alive) return this.#connection;
      if (this.#settings.reconnect === "once") await this.#open(until, signal);
      else await this.wait(this.#reconnect(), until, signal);
    }
  }

  /** The connection has failed. */
  lost(cause: unknown): void {
    this.#connection = null;
    if (this.#state.kind === "closed") return;
    this.#setState({ kind: "disconnected", cause });
    if (this.#settings.reconnect === "forever") this.#reconnect();
  }

  /** Ends it permanently. Idempotent. */
  end(cause?: unknown): void {
    if (this.#state.kind === "closed") return;
    this.#setState(cause === undefined ? { kind: "closed" } : { kind: "closed", cause });
    this.#connection?.close(this.#closed());
    this.#connection = null;
    this.#ended.abort(this.#closed());
  }

  /**
   * Waits for a promise, but not longer than `until` on the clock, the signal or this last.
   *
   * @throws {Timeout} when it is too late
   */
  wait(
    promise: Promise<unknown>,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const begun = this.#clock.now();
    return new Promise((resolve, reject) => {
      let timer: TimerHandle | undefined;
      const end = (settle: () => void) => {
        if (timer !== undefined) this.#clock.clear(timer);
        signal?.removeEventListener("abort", onAbort);
        this.ended.removeEventListener("abort", onEnd);
        settle();
      };
      const onAbort = () => end(() => reject(signal?.reason));
      const onEnd = () => end(() => reject(this.#causeOfEnd()));
      const onLate = () => {
        const waitedMs = Math.round(until - begun);
        const message = `Expected a connection to the gateway within ${waitedMs} ms`;
        end(() => reject(new Timeout(message, { cause: this.#cause })));
      };
      signal?.addEventListener("abort", onAbort);
      this.ended.addEventListener("abort", onEnd);
      if (until !== Number.POSITIVE_INFINITY) {
        timer = this.#clock.set(onLate, Math.max(0, until - begun));
      }
      promise.then(() => end(resolve), (error) => end(() => reject(error)));
    });
  }

  /** Tries until there is a connection, or this has ended; never rejects. */
  #reconnect(): Promise<void> {
    return this.#reconnecting ??= this.#tryForever().finally(() => this.#reconnecting = null);
  }

  async #tryForever(): Promise<void> {
    const takeoverUntil = this.#clock.now() + this.#settings.takeoverMs;
    for (const pauseMs of backoff(PAUSES)) {
      try {
        return await this.#open(this.#clock.now() + CONNECT_TIMEOUT_MS, undefined);
      } catch (error) {
        if (this.#state.kind === "closed") return;
        const passes = error instanceof CommunicationError ||
          error instanceof AlreadyConnected && this.#clock.now() < takeoverUntil;
        if (!passes) return this.end(error);
        this.#setState({ kind: "disconnected", cause: error });
      }
      await this.#pause(pauseMs);
      if (this.ended.aborted) return;
    }
  }

  async #open(until: number, signal: AbortSignal | undefined): Promise<void> {
    const ending = signal === undefined ? this.ended : AbortSignal.any([signal, this.ended]);
    try {
      const connection = await Connection.open(this.#settings, {
        onCommand: (command) => this.#listener.onCommand(command),
        onLost: (error) => this.lost(error),
      }, { until, signal: ending, clock: this.#clock });
      if (!connection.alive) throw new ProtocolError("The gateway closed the connection at once");
      this.#connection = connection;
    } catch (error) {
      if (error instanceof ConnectRefusal && this.#settings.reconnect === "once") this.end(error);
      throw error;
    }
    this.#connects++;
    this.#setState({ kind: "connected" });
  }

  #setState(state: ClientState): void {
    this.#state = state;
    this.#listener.onState();
  }

  get #cause(): unknown {
    return this.#state.kind === "connected" ? undefined : this.#state.cause;
  }

  /** Why this has ended: a failure as it came, else {@linkcode Closed}. */
  #causeOfEnd(): unknown {
    return this.#cause ?? this.#closed();
  }

  #closed(): Closed {
    const cause = this.#cause;
    if (cause === undefined) return new Closed("The client is closed");
    const why = cause instanceof Error ? cause.message : String(cause);
    return new Closed(`The client has ended: ${why}`, { cause });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#clock.clear(timer);
        this.ended.removeEventListener("abort", end);
        resolve();
      };
      const timer = this.#clock.set(end, ms);
      this.ended.addEventListener("abort", end);
    });
  }
}
