// The MQTT side of a gateway [MQTT-SETTINGS]: one broker connection at a time.
import { Buffer } from "node:buffer";
import type { MqttClient } from "mqtt";
import { openStream, TlsFileError } from "../net/mod.ts";
import { type CarTopics, carTopics } from "../protocol/mod.ts";
import { systemClock, within } from "../time/mod.ts";
import { brokerAdvice, createClient, describeFailure } from "../transport/mod.ts";

/** How to reach the broker; the server's own `BrokerConfig` fits. */
export interface GatewayBroker {
  /** @default {"mqtt"} */
  readonly protocol?: "mqtt" | "mqtts" | "ws" | "wss";
  readonly host: string;
  readonly port: number;
  /** Path of a WebSocket address. @default {""} */
  readonly path?: string;
  readonly username?: string;
  readonly password?: string;
  /** Files in PEM form; certificate and key both or none. Without a `caFile`: the system's. */
  readonly tls?: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
  };
}

export interface GatewayLinkOptions {
  readonly broker: GatewayBroker;
  readonly company: string;
  readonly car: string;
  /** @default {`<company>/<car>`, as the real gateway} */
  readonly clientId?: string | undefined;
  /** Whether it subscribes to the disconnect notification, too. @default {true} */
  readonly hearsNotifications?: boolean;
}

export interface GatewayLinkListener {
  /** Connected and subscribed. */
  onUp(): void;
  /** The connection failed or was lost; not called after `close`. */
  onDown(reason: string): void;
  /** Something on the car's `external_server` topic. */
  onMessage(payload: Uint8Array): void;
  /** Something on the car's `external_server_disconnect` topic. */
  onNotification(): void;
}

/** Deadline for opening and for closing a connection, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;
const LEAVE_TIMEOUT_MS = 1_000;

/** A broker connection that can be opened again after it was closed or lost. */
export class GatewayLink {
  readonly #options: GatewayLinkOptions;
  readonly #listener: GatewayLinkListener;
  readonly #topics: CarTopics;
  #client: MqttClient | undefined;
  /** Closing connections. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(options: GatewayLinkOptions, listener: GatewayLinkListener) {
    this.#options = options;
    this.#listener = listener;
    this.#topics = carTopics(options.company, options.car);
  }

  /** Connects and subscribes; `onUp` or `onDown` follows. Does nothing when there is a link. */
  open(): void {
    if (this.#client !== undefined) return;
    const { broker, company, car, clientId = `${company}/${car}` } = this.#options;
    const { protocol = "mqtt", path = "" } = broker;
    let reason = "the broker closed the connection";
    const open = () => {
      const stream = openStream({ ...broker, protocol, path });
      stream.on("error", (error) => reason = failureText(error));
      return stream;
    };
    const client = createClient(open, {
      broker,
      clientId,
      connectTimeout: CONNECT_TIMEOUT_MS,
      // Saves setting a timer again for every message.
      reschedulePings: false,
    });
    this.#client = client;
    client.on("error", (error) => reason = failureText(error));
    client.on("close", () => {
      client.end(true);
      if (this.#client !== client) return;
      this.#client = undefined;
      this.#listener.onDown(reason);
    });
    client.on("message", (topic, payload) => {
      if (this.#client !== client) return;
      if (topic === this.#topics.externalServer) this.#listener.onMessage(payload);
      else if (topic === this.#topics.disconnect) this.#listener.onNotification();
    });
    client.on("connect", () => this.#subscribe(client));
    client.connect();
  }

  /** Publishes with QoS 1; dropped while there is no link. */
  publish(payload: Uint8Array, topic: string = this.#topics.moduleGateway): void {
    this.#publish(payload, topic, ignore);
  }

  /** Publishes with QoS 1; `done` is called with whether the broker has acknowledged it. */
  deliver(payload: Uint8Array, topic: string, done: (isAcknowledged: boolean) => void): void {
    const isSent = this.#publish(payload, topic, (error) => done(!error));
    if (!isSent) done(false);
  }

  /** Leaves the broker once everything published has left, at most a second later. */
  close(): void {
    const client = this.#client;
    if (client === undefined) return;
    this.#client = undefined;
    const left = leave(client).finally(() => this.#leaving.delete(left));
    this.#leaving.add(left);
  }

  /** Closes, and resolves once no socket and no timer is left; never rejects. */
  async closed(): Promise<void> {
    this.close();
    await Promise.all(this.#leaving);
  }

  #publish(payload: Uint8Array, topic: string, done: (error?: unknown) => void): boolean {
    const client = this.#client;
    if (client === undefined || !client.connected) return false;
    const { buffer, byteOffset, byteLength } = payload;
    // A view, not a copy: mqtt.js insists on its own kind of byte array.
    const body = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
    client.publish(topic, body, PUBLISH_OPTIONS, done);
    return true;
  }

  #subscribe(client: MqttClient): void {
    const { hearsNotifications = true } = this.#options;
    const { externalServer, disconnect } = this.#topics;
    const topics = hearsNotifications ? [externalServer, disconnect] : [externalServer];
    client.subscribe(topics, { qos: 1 }, (error) => {
      if (this.#client !== client) return;
      if (!error) return this.#listener.onUp();
      this.close();
      this.#listener.onDown(`cannot subscribe: ${error.message}`);
    });
  }
}

const PUBLISH_OPTIONS = { qos: 1 } as const;

function ignore(): void {}

/** What went wrong and what to do, as the server itself says it. */
function failureText(error: Error): string {
  if (error instanceof TlsFileError) return `cannot connect: ${error.message}`;
  const { code, reason } = describeFailure(error);
  return `${reason}. ${brokerAdvice(code)}`;
}

async function leave(client: MqttClient): Promise<void> {
  const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
  // A connection that was never established need not be left in order.
  client.end(!client.connected);
  if (await within(closed, LEAVE_TIMEOUT_MS, systemClock)) return;
  client.stream.destroy();
  await closed;
}
