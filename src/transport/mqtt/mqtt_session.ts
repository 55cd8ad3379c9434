// A plain MQTT connection for the doctor and for exports, without the shortcuts of a car's transport.
import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers/promises";
import type { IConnackPacket, MqttClient } from "mqtt";
import type { BrokerConfig } from "../../config/mod.ts";
import {
  BrokerClosedError,
  BrokerStalledError,
  type Link,
  LinkStream,
  openLink,
  type TlsMaterial,
} from "../../net/mod.ts";
import { deadline, firstOf, systemClock, within } from "../../time/mod.ts";
import { createClient } from "./client.ts";

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
  readonly broker: Omit<BrokerConfig, "tls">;
  readonly tls: TlsMaterial | undefined;
  /** 4 is MQTT 3.1.1, which the server speaks. */
  readonly protocolVersion: 4 | 5;
  readonly signal: AbortSignal;
  /** @default {a random one} */
  readonly clientId?: string;
}

/** What an MQTT 5 broker takes of a client; Infinity: it does not say. */
export interface BrokerLimits {
  /** Messages that wait for an acknowledgement. */
  readonly inFlight: number;
  /** A whole packet. */
  readonly packetBytes: number;
}

/** One connection to the broker. */
export class MqttSession implements AsyncDisposable {
  /** Called for each message; their content is of no interest. */
  onMessage: (message: Received) => void = () => {};
  readonly #client: MqttClient;
  readonly #closed = Promise.withResolvers<void>();
  /** Rejects what waits for an answer; a promise for all would keep each that has waited. */
  readonly #waiting = new Set<(error: Error) => void>();
  #failure: Error | undefined;
  #isClosed = false;
  #limits: BrokerLimits = { inFlight: Infinity, packetBytes: Infinity };

  private constructor(link: Link, options: SessionOptions) {
    const { broker, protocolVersion, clientId } = options;
    const stream = new LinkStream(link);
    // mqtt.js hides most of them.
    stream.on("error", (error) => this.#failure ??= error);
    const connectTimeout = 2 * ANSWER_MS;
    const client = createClient(() => stream, {
      broker,
      protocolVersion,
      connectTimeout,
      ...(clientId === undefined ? {} : { clientId }),
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
    client.on("connect", (packet) => this.#limits = limitsIn(packet));
    client.on("close", () => {
      this.#failure ??= new BrokerClosedError();
      this.#isClosed = true;
      for (const reject of this.#waiting) reject(this.#failure);
      this.#waiting.clear();
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

  /** What the broker takes. */
  get limits(): BrokerLimits {
    return this.#limits;
  }

  /** Whether it can carry something still. */
  get isOpen(): boolean {
    return this.#client.connected;
  }

  /**
   * Publishes with QoS 1; rejects when an MQTT 5 broker refuses it, with the reason code as `code`.
   *
   * @param userProperties for MQTT 5 only
   */
  async publish(
    topic: string,
    payload: string | Uint8Array,
    userProperties?: Readonly<Record<string, string>>,
  ): Promise<void> {
    const { protocolVersion } = this.#client.options;
    const properties = userProperties && protocolVersion === 5
      ? { properties: { userProperties: { ...userProperties } } }
      : {};
    const bytes = typeof payload === "string" ? payload : Buffer.from(payload);
    const published = this.#client.publishAsync(topic, bytes, { qos: 1, ...properties });
    await this.#answered(published, "PUBLISH");
  }

  /** Publishes an empty message, as `publish` does. */
  async publishEmpty(topic: string): Promise<void> {
    await this.publish(topic, "");
  }

  /** Resolves after `ms`, or with `enough`; rejects when the connection is lost. */
  async listen(limitMs: number, enough: Promise<void>): Promise<void> {
    await within(this.#orLost(enough), limitMs, systemClock);
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
    return deadline(this.#orLost(answer), ANSWER_MS, systemClock, late);
  }

  /** Rejects when the connection is lost before. */
  async #orLost<T>(promise: Promise<T>): Promise<T> {
    const { promise: lost, reject } = Promise.withResolvers<never>();
    this.#waiting.add(reject);
    if (this.#isClosed) reject(this.#failure);
    try {
      return await firstOf(promise, lost);
    } finally {
      this.#waiting.delete(reject);
    }
  }
}

function limitsIn({ properties }: IConnackPacket): BrokerLimits {
  const { receiveMaximum = Infinity, maximumPacketSize = Infinity } = properties ?? {};
  return { inFlight: receiveMaximum, packetBytes: maximumPacketSize };
}
