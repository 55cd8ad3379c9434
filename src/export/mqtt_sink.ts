// A sink that publishes to an MQTT broker, each event to a topic of its own.
import { randomUUID } from "node:crypto";
import { Buffer } from "node:buffer";
import type { MqttSinkConfig } from "../config/mod.ts";
import {
  brokerAddress,
  defaultPort,
  type Endpoint,
  isSecure,
  parseAddress,
  readTls,
} from "../net/mod.ts";
import { MAX_SECRET_BYTES, readText, secretOf } from "../text/mod.ts";
import { brokerAdvice, describeFailure, MqttSession } from "../transport/mod.ts";
import { ConnectedSink, type Outlet } from "./connected_sink.ts";
import { SinkError, type SinkMessage } from "./sink.ts";
import { MQTT_SPECIAL, NO_EVENT, topicsOf } from "./topic.ts";

/** Reason codes of an MQTT 5 broker from here on are refusals ... */
const REFUSED = 128;
/** ... and what they mean, as far as an operator can do something. */
const REASONS: Readonly<Record<number, string>> = {
  135: "not authorized",
  144: "topic name invalid",
  149: "packet too large",
  151: "quota exceeded",
};
const PUBLISH_ADVICE = "Allow the sink's user to publish to its topics in the broker's rules";
/** What a PUBLISH has besides topic, payload and id, at most, in bytes. */
const OVERHEAD_BYTES = 64;

/** A message is taken when the broker acknowledges it. */
export function mqttSink(config: MqttSinkConfig, company: string): ConnectedSink {
  const endpoint = endpointOf(config.address);
  const topicOf = topicsOf(config.topic, company, MQTT_SPECIAL);
  // The same for all connections: the broker ends the former one.
  const clientId = `es-${randomUUID().slice(0, 18)}`;
  return new ConnectedSink({
    target: brokerAddress(endpoint),
    resendMs: config.resendMs,
    open: (signal) => MqttOutlet.open({ config, endpoint, topicOf, clientId, signal }),
  });
}

function endpointOf(address: string): Endpoint {
  const parsed = parseAddress(address);
  if (!parsed.ok) throw new TypeError(parsed.message);
  const { port, ...rest } = parsed.address;
  return { ...rest, port: port ?? defaultPort(rest.protocol) };
}

interface OutletOptions {
  readonly config: MqttSinkConfig;
  readonly endpoint: Endpoint;
  readonly topicOf: (event: SinkMessage["event"]) => string;
  readonly clientId: string;
  readonly signal: AbortSignal;
}

class MqttOutlet implements Outlet {
  readonly #session: MqttSession;
  readonly #options: OutletOptions;

  private constructor(session: MqttSession, options: OutletOptions) {
    this.#session = session;
    this.#options = options;
  }

  static async open(options: OutletOptions): Promise<MqttOutlet> {
    const { config, endpoint, clientId, signal } = options;
    const { username, passwordFile } = config;
    const password = passwordFile &&
      secretOf(await readText(passwordFile, { maxBytes: MAX_SECRET_BYTES }));
    const broker = {
      ...endpoint,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    };
    const tls = isSecure(endpoint.protocol) ? await readTls(config) : undefined;
    const connect = (protocolVersion: 4 | 5) =>
      MqttSession.open({ broker, tls, protocolVersion, signal, clientId });
    let session: MqttSession;
    try {
      // Only with MQTT 5 does a broker say that it refuses a message.
      session = await connect(5);
    } catch (first) {
      if (!mayBeOld(first)) throw failureOf(first);
      try {
        session = await connect(4);
      } catch (error) {
        throw failureOf(error);
      }
    }
    return new MqttOutlet(session, options);
  }

  get isOpen(): boolean {
    return this.#session.isOpen;
  }

  get maxInFlight(): number {
    return Math.min(this.#options.config.maxInFlight, this.#session.limits.inFlight);
  }

  async publish({ event, body }: SinkMessage): Promise<void> {
    const topic = this.#options.topicOf(event);
    const { packetBytes } = this.#session.limits;
    const bytes = Buffer.byteLength(topic) + Buffer.byteLength(body) + Buffer.byteLength(event.id) +
      OVERHEAD_BYTES;
    if (bytes > packetBytes) {
      throw new SinkError(
        `Cannot send event "${event.id}", the broker takes less: ${bytes} bytes, it takes ${packetBytes}`,
        { advice: "Raise the broker's limit (Mosquitto: max_packet_size)" },
      );
    }
    await this.#publish(topic, body, { id: event.id });
  }

  async probe(): Promise<string> {
    const topic = this.#options.topicOf(NO_EVENT);
    await this.#publish(topic, "");
    return `May publish, an empty message was sent to "${topic}"`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  async #publish(topic: string, body: string, properties?: Record<string, string>): Promise<void> {
    try {
      await this.#session.publish(topic, body, properties);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? Number(error.code) : NaN;
      if (!(code >= REFUSED)) throw failureOf(error);
      const why = REASONS[code] ?? `reason code ${code}`;
      const reason = `the broker refuses a message to "${topic}": ${why}`;
      throw new SinkError(reason, { cause: error, advice: PUBLISH_ADVICE });
    }
  }
}

/** Whether a broker has failed as those do that know MQTT 3.1.1 alone. */
function mayBeOld(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return ["mqtt_refused", "closed", "reset", "cut_off", "other"].includes(
    describeFailure(error).code,
  );
}

function failureOf(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, reason } = describeFailure(error);
  return new SinkError(reason, { cause: error, advice: brokerAdvice(code) });
}
