// A plain MQTT connection for tests, without the shortcuts of the server's transport.
import { setImmediate } from "node:timers/promises";
import type { MqttClient } from "mqtt";
import type { BrokerConfig } from "../../config/mod.ts";
import {
  BrokerClosedError,
  BrokerStalledError,
  type Link,
  LinkStream,
  openLink,
  type TlsMaterial,
} from "../../net/mod.ts";
import { createClient } from "../../transport/mod.ts";
import { deadline, firstOf, systemClock, within } from "../../time/mod.ts";

/** Deadline for each answer of the broker, in milliseconds. */
const ANSWER_MS = 10_000;
/** Deadline for closing after DISCONNECT, in milliseconds. */
const LEAVE_MS = 1_000;
/** From here on, a SUBACK code is a refusal. */
const REFUSED = 128;

export interface Received {
  readonly topic: string;
  readonly retained: boolean;
  readonly qos: number;
}

export interface SessionOptions {
  readonly broker: BrokerConfig;
  readonly tls: TlsMaterial | undefined;
  /** 4 is MQTT 3.1.1, which the server speaks. */
  readonly protocolVersion: 4 | 5;
  readonly signal: AbortSignal;
}

/** One connection to the broker. */
export class MqttSession implements AsyncDisposable {
  /** Called for each message; their content is of no interest. */
  onMessage: (message: Received) => void = () => {};
  readonly #client: MqttClient;
  readonly #closed = Promise.withResolvers<void>();
  readonly #lost = Promise.withResolvers<never>();
  #failure: Error | undefined;

  private constructor(link: Link, options: SessionOptions) {
    const { broker, protocolVersion } = options;
    this.#lost.promise.catch(() => {});
    const stream = new LinkStream(link);
    // mqtt.js hides most of them.
    stream.on("error", (error) => this.#failure ??= error);
    const connectTimeout = 2 * ANSWER_MS;
    const client = createClient(() => stream, {
      broker,
      protocolVersion,
      connectTimeout,
    });
    client.on("error", (error) => {
      this.#failure ??= error;
      link.destroy();
    });
    // Also those of QoS 2, which are no messages yet.
    client.on("packetreceive", (packet) => {
      if (packet.cmd !== "publish") return;
      this.onMessage({ topic: packet.topic, retained: packet.retain, qos: packet.qos });
    });
    client.on("close", () => {
      this.#lost.reject(this.#failure ?? new BrokerClosedError());
      this.#closed.resolve();
    });
    this.#client = client;
  }

  /** Connects; rejects with the runtime's or mqtt.js's error, which `describeFailure` takes. */
  static async open(options: SessionOptions): Promise<MqttSession> {
    const signal = AbortSignal.any([options.signal, AbortSignal.timeout(ANSWER_MS)]);
    return await MqttSession.over(await openLink(options.broker, options.tls, signal), options);
  }

  /** As `open`, over an existing connection. */
  static async over(link: Link, options: SessionOptions): Promise<MqttSession> {
    const session = new MqttSession(link, options);
    const connected = Promise.withResolvers<void>();
    session.#client.on("connect", () => connected.resolve());
    session.#client.connect();
    try {
      await session.#answered(connected.promise, "CONNECT");
      return session;
    } catch (error) {
      await session[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Subscribes with QoS 1; says for each topic whether that is allowed. */
  async subscribe(topics: readonly string[]): Promise<boolean[]> {
    const answer = Promise.withResolvers<readonly number[]>();
    this.#client.subscribe([...topics], { qos: 1 }, (error, granted, packet) => {
      // With a refusal among them mqtt.js reports an error, and the answer beside it.
      const codes = packet?.granted?.map(Number) ?? granted?.map(({ qos }) => qos);
      if (codes?.length === topics.length) answer.resolve(codes);
      else answer.reject(error ?? new Error("the broker's SUBACK does not fit"));
    });
    const codes = await this.#answered(answer.promise, "SUBSCRIBE");
    return codes.map((code) => code < REFUSED);
  }

  /** Everything that arrived before the broker's answer has been passed to `onMessage` by then. */
  async unsubscribe(topics: readonly string[]): Promise<void> {
    await this.#answered(this.#client.unsubscribeAsync([...topics]), "UNSUBSCRIBE");
  }

  /** Publishes an empty message with QoS 1; rejects when an MQTT 5 broker refuses it. */
  async publishEmpty(topic: string): Promise<void> {
    await this.#answered(this.#client.publishAsync(topic, "", { qos: 1 }), "PUBLISH");
  }

  /** Resolves after `ms`, or with `enough`; rejects when the connection is lost. */
  async listen(limitMs: number, enough: Promise<void>): Promise<void> {
    await within(firstOf(enough, this.#lost.promise), limitMs, systemClock);
  }

  /** Disconnects from the broker cleanly, within a second. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.end(!this.#client.connected);
    if (!await within(this.#closed.promise, LEAVE_MS, systemClock)) {
      this.#client.stream.destroy();
      await this.#closed.promise;
    }
    // mqtt.js still ends the stream in a later turn when the broker has closed it before that.
    await setImmediate();
  }

  #answered<T>(answer: Promise<T>, to: string): Promise<T> {
    const late = () => new BrokerStalledError(`no answer to ${to} within ${ANSWER_MS / 1000} s`);
    return deadline(firstOf(answer, this.#lost.promise), ANSWER_MS, systemClock, late);
  }
}
