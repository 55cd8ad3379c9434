// Both ends of a car's topics for tests: a transport with its events, and a gateway on mqtt.js.
import type { MqttClient } from "mqtt";
import type { BrokerConfig } from "../../src/config/resolve/config.ts";
import { openStream } from "../../src/net/link_stream.ts";
import { type ClientOptions, createClient } from "../../src/transport/mqtt/client.ts";
import { findWay } from "../../src/transport/connector.ts";
import { BrokerConnector } from "../../src/transport/mqtt/broker_connector.ts";
import {
  MqttTransport,
  type MqttTransportOptions,
} from "../../src/transport/mqtt/mqtt_transport.ts";
import { silentLog } from "../../src/log/log.ts";
import { carTopics } from "../../src/protocol/topics.ts";
import { type Clock, systemClock } from "../../src/time/clock.ts";
import { Inbox, waitFor } from "./wait.ts";

/** The broker on 127.0.0.1, plain unless told otherwise. */
export function localBroker(port: number, more: Partial<BrokerConfig> = {}): BrokerConfig {
  return { protocol: "mqtt", host: "127.0.0.1", port, path: "", ...more };
}

/** A connector that keeps what it logs. */
export async function makeConnector(
  broker: BrokerConfig,
  refusedPauseMs = 20,
  keepAliveS = 15,
  clock: Clock = systemClock,
): Promise<{ connector: BrokerConnector; lines: Inbox<string> }> {
  const lines = new Inbox<string>();
  const write = (message: string | (() => string)) =>
    lines.push(typeof message === "string" ? message : message());
  const log = { ...silentLog, info: write, warning: write, error: write };
  const way = await findWay({ broker, refusedPauseMs });
  const connector = new BrokerConnector({ log, keepAliveS, clock }, way);
  return { connector, lines };
}

/** A transport whose events can be awaited; stopped when disposed. */
export class TestCar implements AsyncDisposable {
  readonly transport: MqttTransport;
  readonly ups = new Inbox<true>();
  readonly leavings = new Inbox<string>();
  /** Published as soon as the broker has accepted a connection. */
  greeting: string | undefined;
  /** Published before a connection is left for another one. */
  farewell: string | undefined;
  readonly downs = new Inbox<string>();
  readonly messages = new Inbox<Uint8Array>();
  readonly oversize = new Inbox<number>();

  constructor(
    connector: BrokerConnector,
    car = "car_1",
    more: Partial<MqttTransportOptions> = {},
  ) {
    this.transport = new MqttTransport({
      connector,
      company: "acme",
      car,
      maxMessageBytes: 1_000_000,
      maxMessagesPerSecond: 1_000_000,
      onOversize: (bytes) => this.oversize.push(bytes),
      ...more,
    });
  }

  /** Starts, and waits until it is up unless told not to. */
  async start(echo = false): Promise<this> {
    this.begin(echo);
    await this.ups.next("the transport to be up");
    return this;
  }

  /** Starts without waiting. */
  begin(echo = false): void {
    this.transport.start({
      onConnected: () => this.#say(this.greeting),
      onUp: () => this.ups.push(true),
      onLeaving: (reason) => {
        this.leavings.push(reason);
        this.#say(this.farewell);
      },
      onDown: (reason) => this.downs.push(reason),
      onMessage: (payload) => {
        if (echo) this.transport.publish(payload.slice());
        else this.messages.push(payload.slice());
      },
    });
  }

  #say(text: string | undefined): void {
    if (text !== undefined) this.transport.publish(new TextEncoder().encode(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await waitFor(this.transport.stop(), "the transport to stop");
  }
}

/** A gateway's end, or any other client. */
export class TestGateway implements AsyncDisposable {
  /** From the `external_server` topic. */
  readonly messages = new Inbox<Uint8Array>();
  /** From the `external_server_disconnect` topic. */
  readonly notifications = new Inbox<Uint8Array>();
  readonly client: MqttClient;
  readonly #topics;

  private constructor(client: MqttClient, car: string) {
    this.client = client;
    this.#topics = carTopics("acme", car);
    client.on("error", () => {});
    client.on("message", (topic, payload) => {
      if (topic === this.#topics.disconnect) this.notifications.push(payload);
      else this.messages.push(payload);
    });
  }

  /** Connects and subscribes to what a gateway listens to. */
  static async connect(
    port: number,
    car = "car_1",
    more: Partial<ClientOptions> = {},
  ): Promise<TestGateway> {
    const broker = localBroker(port);
    const options = { broker, reconnectPeriod: 50, ...more };
    const gateway = new TestGateway(createClient(() => openStream(broker), options), car);
    gateway.client.connect();
    const { externalServer, disconnect } = gateway.#topics;
    const subscribed = gateway.client.subscribeAsync([externalServer, disconnect], { qos: 1 });
    await waitFor(subscribed, "the gateway to be subscribed");
    return gateway;
  }

  /** Publishes with QoS 1; resolves when the broker has it. */
  async send(payload: Uint8Array | string): Promise<void> {
    const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
    await this.client.publishAsync(this.#topics.moduleGateway, bytes as never, { qos: 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await waitFor(this.client.endAsync(true), "the gateway to leave");
  }
}

/** Bytes as text. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
