// One car's connection to the broker, restored whenever it is lost.
import { type CarTopics, carTopics } from "../../protocol/mod.ts";
import { backoff, type TimerHandle } from "../../time/mod.ts";
import { MAX_PAUSE_MS, MIN_PAUSE_MS } from "./admission.ts";
import { BrokerConnection } from "./broker_connection.ts";
import type { BrokerConnector } from "./broker_connector.ts";
import type { Attempt } from "./connect_queue.ts";
import { type BrokerFailure, endedEarly } from "./failure.ts";
import { topicField } from "./packets.ts";
import {
  type BrokerTrouble,
  type CarTransport,
  type CarTransportOptions,
  type MessageLimits,
  newTransportStats,
  type TransportListener,
  type TransportStats,
} from "../transport.ts";

/** After so long, a connection is stable and pauses start over, in milliseconds. */
export const PROVEN_MS = 10_000;
const NO_PAYLOAD = new Uint8Array(0);

/** What an {@linkcode MqttTransport} is made from. */
export interface MqttTransportOptions extends CarTransportOptions {
  /** Shared by all cars at the broker. */
  readonly connector: BrokerConnector;
}

type State =
  | { readonly phase: "idle" }
  | { readonly phase: "queued"; readonly cancel: () => void }
  | {
    readonly phase: "connecting";
    readonly connection: BrokerConnection;
    readonly attempt: Attempt;
    /** Whether the broker has accepted the connection, before SUBSCRIBE. */
    readonly accepted: boolean;
  }
  | { readonly phase: "up"; readonly connection: BrokerConnection; readonly sinceMs: number }
  | { readonly phase: "waiting"; readonly cancel: () => void; readonly untilMs: number }
  | { readonly phase: "stopped"; readonly gone: Promise<void> };

/**
 * The {@linkcode CarTransport} over a real broker [MQTT-SETTINGS] [WAIT-RETRY].
 *
 * A published payload is sent at the end of the current turn of the event loop and must not be
 * changed. Messages are acknowledged only when they are delivered, also after a pause in reading.
 */
export class MqttTransport implements CarTransport {
  /** Counters since it was made. */
  readonly stats: Readonly<TransportStats>;
  readonly #stats = newTransportStats();
  readonly #options: MqttTransportOptions;
  readonly #topics: CarTopics;
  readonly #responseTopic: Uint8Array;
  readonly #disconnectTopic: Uint8Array;
  #listener: TransportListener | undefined;
  #state: State = { phase: "idle" };
  /** Between connections that ended soon after they were accepted. */
  #pauses: Generator<number, never, void>;
  /** Fires when a connection after an unstable one is stable. */
  #proving: TimerHandle | undefined;
  /** Whether the last connection was unstable. */
  #endedEarly = false;
  /** Its own failed attempts since it was connected. */
  #failed: { readonly reason: string; readonly attempts: number } | null = null;
  #paused = false;
  #limits: MessageLimits;
  /** Moves to another connection when it fires. */
  #moving: TimerHandle | undefined;
  /** The previous connection, which is closing. */
  #leaving: Promise<unknown> | undefined;

  constructor(options: MqttTransportOptions) {
    this.stats = this.#stats;
    this.#options = options;
    const { maxMessageBytes, maxMessagesPerSecond } = options;
    this.#limits = { maxMessageBytes, maxMessagesPerSecond };
    this.#topics = carTopics(options.company, options.car);
    this.#responseTopic = topicField(this.#topics.externalServer);
    this.#disconnectTopic = topicField(this.#topics.disconnect);
    this.#pauses = this.#newPauses();
  }

  get trouble(): BrokerTrouble | null {
    const state = this.#state;
    const { connector } = this.#options;
    if (state.phase === "up" || state.phase === "stopped") return null;
    // While the broker accepts no car, one tries for all.
    const failed = connector.failedAttempts ?? this.#failed;
    const nextAttemptAt = state.phase === "waiting"
      ? state.untilMs
      : state.phase === "queued"
      ? connector.nextAttemptAt
      : null;
    return { reason: failed?.reason ?? null, attempts: failed?.attempts ?? 0, nextAttemptAt };
  }

  start(listener: TransportListener): void {
    if (this.#state.phase !== "idle") {
      throw new Error(`Cannot start the transport of car ${this.#options.car}: it was before`);
    }
    this.#listener = listener;
    this.#connect();
  }

  publish(payload: Uint8Array): void {
    this.#publish(this.#responseTopic, payload);
  }

  notifyDisconnect(): void {
    this.#publish(this.#disconnectTopic, NO_PAYLOAD);
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    if (this.#state.phase === "up") this.#state.connection.link?.incoming.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#state.phase === "up") this.#state.connection.link?.incoming.resume();
  }

  limitMessages(limits: MessageLimits): void {
    this.#limits = limits;
    if (this.#state.phase === "up") this.#state.connection.link?.incoming.limit(limits);
  }

  reconnect(reason: string, withinMs: number): void {
    if (this.#state.phase === "stopped" || this.#moving !== undefined) return;
    const { clock } = this.#options.connector;
    this.#moving = clock.set(() => {
      this.#moving = undefined;
      this.#move(reason);
    }, Math.random() * withinMs);
  }

  stop(): Promise<void> {
    const state = this.#state;
    if (state.phase === "stopped") return state.gone;
    if (this.#moving !== undefined) this.#options.connector.clock.clear(this.#moving);
    this.#moving = undefined;
    const gone = Promise.withResolvers<void>();
    this.#state = { phase: "stopped", gone: gone.promise };
    this.#options.connector.left(this.#options.car);
    if (state.phase === "queued" || state.phase === "waiting") state.cancel();
    if (state.phase === "connecting") state.attempt.left();
    this.#stopProving();
    const current = state.phase === "up" || state.phase === "connecting"
      ? state.connection.leave()
      : undefined;
    Promise.allSettled([current, this.#leaving]).then(() => gone.resolve());
    return gone.promise;
  }

  #publish(topic: Uint8Array, payload: Uint8Array): void {
    const state = this.#state;
    if (state.phase === "up" || (state.phase === "connecting" && state.accepted)) {
      state.connection.link?.outgoing.publish(topic, payload);
    }
  }

  /** Moves to the connector's current way, whatever the state of the old connection. */
  #move(reason: string): void {
    const state = this.#state;
    if (state.phase === "idle" || state.phase === "stopped") return;
    if (state.phase === "up") this.#listener?.onLeaving(reason);
    this.#pauses = this.#newPauses();
    if (state.phase === "queued" || state.phase === "waiting") state.cancel();
    if (state.phase === "connecting") state.attempt.left();
    this.#endedEarly = false;
    this.#stopProving();
    if (state.phase === "up" || state.phase === "connecting") {
      this.#leaving = state.connection.leave();
    }
    this.#options.connector.left(this.#options.car);
    if (state.phase === "up") this.#stats.disconnects++;
    this.#connect();
    if (state.phase === "up") this.#listener?.onDown(reason);
  }

  #connect(): void {
    const { connector } = this.#options;
    let entered = false;
    const cancel = connector.enter((attempt) => {
      entered = true;
      this.#open(attempt);
    });
    if (!entered) this.#state = { phase: "queued", cancel };
  }

  #open(attempt: Attempt): void {
    const { connector, onOversize, onFlood } = this.#options;
    const connection = new BrokerConnection({
      connector,
      topics: this.#topics,
      limits: this.#limits,
      stats: this.#stats,
      listener: {
        onAccepted: () => {
          if (!this.#has(connection)) return;
          this.#state = { phase: "connecting", connection, attempt, accepted: true };
          this.#listener?.onConnected();
        },
        onUp: () => this.#onUp(connection, attempt),
        onMessage: (payload) => {
          if (this.#has(connection)) this.#listener?.onMessage(payload);
        },
        onOversize: (payloadBytes) => onOversize?.(payloadBytes, this.#limits.maxMessageBytes),
        onFlood: () => onFlood?.(this.#limits.maxMessagesPerSecond),
        onClosed: (failure) => {
          if (this.#has(connection)) this.#onClosed(failure);
        },
      },
    });
    this.#state = { phase: "connecting", connection, attempt, accepted: false };
    connection.open();
  }

  /** Whether this is the current connection; one that is closing is ignored. */
  #has(connection: BrokerConnection): boolean {
    const state = this.#state;
    return (state.phase === "up" || state.phase === "connecting") &&
      state.connection === connection;
  }

  #onUp(connection: BrokerConnection, attempt: Attempt): void {
    attempt.accepted();
    if (this.#state.phase !== "connecting" || !this.#has(connection)) return;
    const { connector, car } = this.#options;
    this.#state = { phase: "up", connection, sinceMs: connector.clock.now() };
    this.#stats.connects++;
    if (!this.#endedEarly) this.#failed = null;
    connection.link?.incoming.limit(this.#limits);
    if (this.#paused) connection.link?.incoming.pause();
    if (this.#endedEarly) {
      this.#proving = connector.clock.set(() => {
        this.#endedEarly = false;
        this.#failed = null;
        connector.connected(car);
      }, PROVEN_MS);
    } else connector.connected(car);
    this.#listener?.onUp();
  }

  #onClosed(failure: BrokerFailure): void {
    const state = this.#state;
    const { connector } = this.#options;
    if (state.phase === "up") {
      this.#stats.disconnects++;
      this.#stopProving();
      if (connector.clock.now() - state.sinceMs >= PROVEN_MS) {
        this.#pauses = this.#newPauses();
        this.#endedEarly = false;
        connector.lost();
        this.#connect();
      } else this.#onEndedEarly(failure);
      this.#listener?.onDown(`Lost the broker ${connector.address}: ${failure.reason}`);
    } else if (state.phase === "connecting") this.#onFailed(state, failure);
  }

  /** An attempt has failed. */
  #onFailed(
    { connection, attempt }: State & { phase: "connecting" },
    failure: BrokerFailure,
  ): void {
    if (connection.accepted) {
      attempt.accepted();
      return this.#onEndedEarly(failure);
    }
    attempt.refused();
    this.#fail(failure);
    // At the end of the queue: the next attempt is another car's.
    this.#connect();
  }

  /** The broker accepts others, so this car backs off on its own. */
  #onEndedEarly(failure: BrokerFailure): void {
    const { clock } = this.#options.connector;
    this.#endedEarly = true;
    const pauseMs = this.#pauses.next().value;
    const timer = clock.set(() => this.#connect(), pauseMs);
    const untilMs = clock.now() + pauseMs;
    this.#state = { phase: "waiting", cancel: () => clock.clear(timer), untilMs };
    this.#fail(failure.refused ? failure : endedEarly(failure));
  }

  #fail(failure: BrokerFailure): void {
    const { connector, car } = this.#options;
    this.#failed = { reason: failure.reason, attempts: (this.#failed?.attempts ?? 0) + 1 };
    connector.failed(car, failure);
  }

  #stopProving(): void {
    if (this.#proving !== undefined) this.#options.connector.clock.clear(this.#proving);
    this.#proving = undefined;
  }

  #newPauses(): Generator<number, never, void> {
    const { refusedPauseMs } = this.#options.connector;
    return backoff({ firstMs: Math.max(refusedPauseMs, MIN_PAUSE_MS), maxMs: MAX_PAUSE_MS });
  }
}
