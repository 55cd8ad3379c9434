// What all cars at one MQTT broker share: its address, the TLS files, and the admission of
// attempts.
import type { BrokerConfig } from "../../config/mod.ts";
import type { Log } from "../../log/mod.ts";
import { type Clock, systemClock, type TimerHandle } from "../../time/mod.ts";
import { brokerAddress, type Link, openLink } from "../../net/mod.ts";
import type { BrokerWay, Connector, ConnectorOptions } from "../connector.ts";
import type { Conversation, ConversationOptions } from "../conversation.ts";
import type { CarTransportOptions } from "../transport.ts";
import { KEEP_ALIVE_S } from "./client.ts";
import type { BrokerFailure } from "./failure.ts";
import { ConnectQueue, type Entrant } from "./connect_queue.ts";
import type { FlushTicker, OutgoingBatch } from "./outgoing_batch.ts";
import { MqttTransport } from "./mqtt_transport.ts";
import { FailureReporter } from "./reporter.ts";

/**
 * How long an acknowledgement waits to be sent together with something else, in milliseconds; with
 * a large fleet, how often the server is woken for those alone.
 */
const FLUSH_AFTER_MS = 20;

/** One for each broker, shared by the transports of all cars. */
export class BrokerConnector implements Connector, FlushTicker {
  readonly keepAliveS: number;
  readonly clock: Clock;
  readonly #log: Log;
  #way: BrokerWay;
  #reporter: FailureReporter;
  readonly #queue: ConnectQueue;
  /** Failed attempts of all cars since one was connected. */
  #failed: { readonly reason: string; readonly attempts: number } | null = null;
  #flushing: OutgoingBatch[] = [];
  #flushTimer: TimerHandle | undefined;

  constructor(options: Pick<ConnectorOptions, "log" | "keepAliveS" | "clock">, way: BrokerWay) {
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

  createTransport(options: CarTransportOptions): MqttTransport {
    return new MqttTransport({ ...options, connector: this });
  }

  async createConversation(options: ConversationOptions): Promise<Conversation> {
    // Not loaded by a server without a cluster.
    const { MqttConversation } = await import("./mqtt_conversation.ts");
    return new MqttConversation({ ...options, connector: this });
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

  hasOtherTls({ tls }: BrokerWay): boolean {
    const now = this.#way.tls;
    return now?.ca !== tls?.ca || now?.cert !== tls?.cert || now?.key !== tls?.key;
  }

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

  /** What attempts have failed of since one succeeded, whichever car made them. */
  get failedAttempts(): { readonly reason: string; readonly attempts: number } | null {
    return this.#failed;
  }

  /** When the next car may try; `null` when an attempt must end first. */
  get nextAttemptAt(): number | null {
    return this.#queue.nextAttemptAt;
  }

  /** A car could not connect, or soon lost its connection. */
  failed(car: string, failure: BrokerFailure): void {
    this.#failed = { reason: failure.reason, attempts: (this.#failed?.attempts ?? 0) + 1 };
    this.#reporter.failed(car, failure, this.#queue.size);
  }

  /** A car has lost a stable connection. */
  lost(): void {
    this.#queue.lost();
  }

  /** A car has a stable connection. */
  connected(car: string): void {
    this.#failed = null;
    this.#reporter.done(car, true);
  }

  /** A car has stopped trying. */
  left(car: string): void {
    this.#reporter.done(car, false);
  }

  soon(batch: OutgoingBatch): void {
    if (this.#flushing.push(batch) > 1) return;
    this.#flushTimer = this.clock.set(() => {
      const batches = this.#flushing;
      this.#flushing = [];
      for (const each of batches) each.flush();
    }, FLUSH_AFTER_MS);
  }

  never(batch: OutgoingBatch): void {
    if (!this.#flushing.includes(batch)) return;
    this.#flushing = this.#flushing.filter((each) => each !== batch);
    if (this.#flushing.length === 0) this.clock.clear(this.#flushTimer as TimerHandle);
  }
}
