// What all cars at one broker share: its address, the TLS files, and the admission of attempts.
import type { BrokerConfig } from "../../config/mod.ts";
import type { Log } from "../../log/mod.ts";
import { type Clock, systemClock, type TimerHandle } from "../../time/mod.ts";
import { brokerAddress, type Link, openLink, readTls, type TlsMaterial } from "../../net/mod.ts";
import type { BrokerFailure } from "./failure.ts";
import { ConnectQueue, type Entrant } from "./connect_queue.ts";
import type { FlushTicker, MessageLane } from "./message_lane.ts";
import { FailureReporter } from "./reporter.ts";

/** [MQTT-SETTINGS] */
const KEEP_ALIVE_S = 15;
/** How long an acknowledgement waits to be sent together with something else, in milliseconds. */
const FLUSH_AFTER_MS = 2;

/** What a {@linkcode BrokerConnector} is made from. */
export interface BrokerConnectorOptions {
  readonly broker: BrokerConfig;
  /** The first pause before the broker is tried again, in milliseconds. */
  readonly refusedPauseMs: number;
  readonly log: Log;
  /** Silence after which a ping is sent, in seconds. @default {15} */
  readonly keepAliveS?: number;
  /** @default the machine's own */
  readonly clock?: Clock;
}

/** How to reach a broker, with the contents of the TLS files. */
export interface BrokerWay {
  readonly broker: BrokerConfig;
  readonly refusedPauseMs: number;
  readonly tls: TlsMaterial | undefined;
}

/**
 * Reads the TLS files, if there are any.
 *
 * @throws {TlsFileError} when one cannot be read or used.
 */
export async function findWay(
  { broker, refusedPauseMs }: Pick<BrokerConnectorOptions, "broker" | "refusedPauseMs">,
): Promise<BrokerWay> {
  return { broker, refusedPauseMs, tls: broker.tls && await readTls(broker.tls) };
}

/** One for each broker, shared by the transports of all cars. */
export class BrokerConnector implements FlushTicker {
  readonly keepAliveS: number;
  readonly clock: Clock;
  readonly #log: Log;
  #way: BrokerWay;
  #reporter: FailureReporter;
  readonly #queue: ConnectQueue;
  #flushing: MessageLane[] = [];
  #flushTimer: TimerHandle | undefined;

  private constructor(options: BrokerConnectorOptions, way: BrokerWay) {
    this.#way = way;
    this.#log = options.log;
    this.keepAliveS = options.keepAliveS ?? KEEP_ALIVE_S;
    this.clock = options.clock ?? systemClock;
    this.#reporter = new FailureReporter(this.address, options.log, this.clock);
    this.#queue = new ConnectQueue({
      clock: this.clock,
      firstPauseMs: () => this.refusedPauseMs,
    });
  }

  /**
   * Reads the TLS files, if there are any; connects nothing yet.
   *
   * @throws {TlsFileError} when one cannot be read or used.
   */
  static async make(options: BrokerConnectorOptions): Promise<BrokerConnector> {
    return new BrokerConnector(options, await findWay(options));
  }

  get broker(): BrokerConfig {
    return this.#way.broker;
  }

  /** Its name in logs. */
  get address(): string {
    return brokerAddress(this.#way.broker);
  }

  get refusedPauseMs(): number {
    return this.#way.refusedPauseMs;
  }

  /** Whether this way has other TLS files than the current one, or other contents of the same files. */
  hasOtherTls({ tls }: BrokerWay): boolean {
    const now = this.#way.tls;
    return now?.ca !== tls?.ca || now?.cert !== tls?.cert || now?.key !== tls?.key;
  }

  /** Uses another way for every connection from now on; missing parts stay as they are. */
  take(way: Partial<BrokerWay>): void {
    const before = this.address;
    this.#way = { ...this.#way, ...way };
    if (this.address === before) return;
    this.#reporter = new FailureReporter(this.address, this.#log, this.clock);
    this.#queue.forget();
  }

  /** Opens a connection. */
  open(signal: AbortSignal): Promise<Link> {
    return openLink(this.#way.broker, this.#way.tls, signal);
  }

  /** Queues for a turn to connect; the result leaves the queue. */
  enter(entrant: Entrant): () => void {
    return this.#queue.enter(entrant);
  }

  /** A car could not connect, or soon lost its connection. */
  failed(car: string, failure: BrokerFailure): void {
    this.#reporter.failed(car, failure, this.#queue.size);
  }

  /** A car has lost a stable connection. */
  lost(): void {
    this.#queue.lost();
  }

  /** A car has a stable connection. */
  connected(car: string): void {
    this.#reporter.done(car, true);
  }

  /** A car has stopped trying. */
  left(car: string): void {
    this.#reporter.done(car, false);
  }

  soon(lane: MessageLane): void {
    if (this.#flushing.push(lane) > 1) return;
    this.#flushTimer = this.clock.set(() => {
      const lanes = this.#flushing;
      this.#flushing = [];
      for (const each of lanes) each.flush();
    }, FLUSH_AFTER_MS);
  }

  never(lane: MessageLane): void {
    if (!this.#flushing.includes(lane)) return;
    this.#flushing = this.#flushing.filter((each) => each !== lane);
    if (this.#flushing.length === 0) this.clock.clear(this.#flushTimer as TimerHandle);
  }
}
