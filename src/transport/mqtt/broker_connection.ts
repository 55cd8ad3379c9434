// A single connection to the broker, never reused.
import { setImmediate } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import type { CarTopics } from "../../protocol/mod.ts";
import { firstOf, type TimerHandle, within } from "../../time/mod.ts";
import type { BrokerConnector } from "./broker_connector.ts";
import { BrokerRefusedError, BrokerStalledError, LinkStream } from "../../net/mod.ts";
import { createClient } from "./client.ts";
import { type BrokerFailure, describeFailure } from "./failure.ts";
import type { IncomingListener, TakeMessage } from "./incoming_messages.ts";
import { MqttLink } from "./mqtt_link.ts";
import { SUBSCRIBE_ID } from "./outgoing_batch.ts";
import type { MessageLimits, TransportStats } from "../transport.ts";

/** Deadline for connecting and subscribing together, in milliseconds. */
const ATTEMPT_MS = 10_000;
/** Deadline for the last acknowledgements, in milliseconds. */
const SETTLE_MS = 2_000;
/** Deadline for closing after DISCONNECT, in milliseconds. */
const LEAVE_MS = 1_000;

/** The packet id of mqtt.js's SUBSCRIBE, the only packet with an id that it sends. */
const SUBSCRIBE_IDS = {
  allocate: () => SUBSCRIBE_ID,
  getLastAllocated: () => SUBSCRIBE_ID,
  register: () => true,
  deallocate() {},
  clear() {},
};

/** Messages come only after `onUp`. */
export interface BrokerConnectionListener extends IncomingListener {
  /**
   * Accepted by the broker: what is published now goes out before SUBSCRIBE. `sessionPresent`: the broker
   * has kept a session of this client id.
   */
  onAccepted(sessionPresent: boolean): void;
  /** Subscribed. Not called when the session is persistent. */
  onUp?(): void;
  /** It was closed, or could not be opened: the last call. */
  onClosed(failure: BrokerFailure): void;
}

/** A session that the broker keeps while nobody is connected. */
export interface PersistentSession {
  readonly clientId: string;
  /** Takes every message since the connection was accepted; the owner subscribes by itself. */
  readonly take: TakeMessage;
}

/** What a connection is for. */
export interface BrokerConnectionOptions {
  readonly connector: BrokerConnector;
  readonly topics: CarTopics;
  /** @default {a session that ends with the connection, subscribed to the gateway's topic} */
  readonly persistent?: PersistentSession;
  readonly limits: MessageLimits;
  readonly stats: TransportStats;
  readonly listener: BrokerConnectionListener;
}

/** Connects once; the listener gets the result. */
export class BrokerConnection {
  readonly #options: BrokerConnectionOptions;
  readonly #abort = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  #timer: TimerHandle | undefined;
  #stage = "connect";
  #link: MqttLink | undefined;
  #stream: LinkStream | undefined;
  #client: MqttClient | undefined;
  #failure: Error | undefined;
  #isClosed = false;

  constructor(options: BrokerConnectionOptions) {
    this.#options = options;
  }

  /** Connects and subscribes; called once. */
  open(): void {
    const { connector } = this.#options;
    this.#timer = connector.clock.set(() => {
      this.#fail(
        new BrokerStalledError(`no answer to ${this.#stage} within ${ATTEMPT_MS / 1_000} s`),
      );
    }, ATTEMPT_MS);
    void this.#open();
  }

  /** Whether the broker accepted the connection, even if it was lost since. */
  get accepted(): boolean {
    return this.#stage === "SUBSCRIBE";
  }

  /** Carries messages; undefined while there is no connection. */
  get link(): MqttLink | undefined {
    return this.#link;
  }

  /** Subscribes to topics with the QoS given; a refusal ends the connection. */
  subscribe(topics: Readonly<Record<string, 0 | 1>>, onGranted: () => void): void {
    const wanted = Object.fromEntries(
      Object.entries(topics).map(([topic, qos]) => [topic, { qos }] as const),
    );
    this.#client?.subscribe(wanted, (error, granted = []) => {
      if (this.#isClosed) return;
      const refused = granted.find(({ qos }) => qos === 128)?.topic ??
        (error ? Object.keys(topics).join('", "') : undefined);
      if (refused === undefined) return onGranted();
      this.#fail(new BrokerRefusedError(`not allowed to subscribe to "${refused}"`));
    });
  }

  unsubscribe(topic: string): void {
    this.#client?.unsubscribe(topic);
  }

  /** It is of use: the deadline of the attempt no longer counts. */
  proved(): void {
    this.#options.connector.clock.clear(this.#timer as TimerHandle);
  }

  /** Closes at once; what was published and not sent is lost. */
  async destroy(): Promise<void> {
    this.#fail(undefined);
    await this.#gone();
  }

  /**
   * Waits until everything published was acknowledged, sends DISCONNECT, closes; each with a deadline.
   *
   * @returns whether everything was acknowledged
   */
  async leave(): Promise<boolean> {
    const { clock } = this.#options.connector;
    const client = this.#client;
    const link = this.#link;
    const stream = this.#stream;
    let isSettled = false;
    if (!client?.connected || !link || !stream) {
      this.#fail(undefined);
    } else {
      await within(firstOf(link.settle(), this.#closed.promise), SETTLE_MS, clock);
      isSettled = link.outgoing.isIdle;
      client.end(false);
      await within(this.#closed.promise, LEAVE_MS, clock);
      stream.destroy();
    }
    await this.#gone();
    return isSettled;
  }

  async #gone(): Promise<void> {
    await this.#closed.promise;
    // mqtt.js still ends the stream in a later turn when the broker has closed it before that.
    await setImmediate();
  }

  async #open(): Promise<void> {
    const { connector, limits, stats, listener, persistent } = this.#options;
    try {
      const opened = await connector.open(this.#abort.signal);
      if (this.#isClosed) return opened.destroy();
      const link = new MqttLink(opened, {
        limits,
        stats,
        ticker: connector,
        clock: connector.clock,
        listener,
        take: persistent?.take,
      });
      const stream = new LinkStream(link);
      this.#link = link;
      this.#stream = stream;
      stream.on("error", (error) => this.#failure ??= error);
      stream.on("close", () => this.#close());
      this.#stage = "CONNECT";
      const client = createClient(() => stream, {
        broker: connector.broker,
        keepalive: connector.keepAliveS,
        messageIdProvider: SUBSCRIBE_IDS,
        connectTimeout: 2 * ATTEMPT_MS,
        ...(persistent === undefined ? {} : { clientId: persistent.clientId, clean: false }),
      });
      this.#client = client;
      client.on("error", (error) => this.#fail(error));
      client.on("connect", ({ sessionPresent }) => {
        this.#stage = "SUBSCRIBE";
        if (persistent !== undefined) {
          link.incoming.open();
          return listener.onAccepted(sessionPresent);
        }
        // In one write: a gateway must not answer before the broker has the SUBSCRIBE.
        link.outgoing.joinNextPacket();
        listener.onAccepted(sessionPresent);
        if (!this.#isClosed) this.#subscribe();
      });
      client.onKeepaliveTimeout = () => this.#onSilence(client, link);
      client.connect();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #subscribe(): void {
    const { topics, listener } = this.#options;
    this.subscribe({ [topics.moduleGateway]: 1 }, () => {
      this.proved();
      listener.onUp?.();
      this.#link?.incoming.open();
    });
  }

  /** No answer to a ping; but it may be queued behind a large message, or reading may be paused. */
  #onSilence(client: MqttClient, link: MqttLink): void {
    if (link.incoming.takeHeard()) {
      client.sendPing();
      client.reschedulePing(true);
    } else this.#fail(new BrokerStalledError("the broker does not answer pings"));
  }

  /** The first failure is the reason; later ones are its consequences. */
  #fail(error: Error | undefined): void {
    this.#failure ??= error;
    if (this.#stream) this.#stream.destroy();
    else this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { connector, listener } = this.#options;
    connector.clock.clear(this.#timer as TimerHandle);
    this.#abort.abort(new Error("Connecting was given up"));
    this.#closed.resolve();
    listener.onClosed(describeFailure(this.#failure));
  }
}
