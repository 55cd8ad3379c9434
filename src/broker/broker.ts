// The embedded broker: aedes behind TCP, TLS or WebSocket, for a depot or a desk without Mosquitto.
import { setImmediate } from "node:timers/promises";
import {
  Aedes,
  type AedesOptions,
  type AuthenticateError,
  type Client,
  type PublishPacket,
} from "aedes";
import type { BrokerConfig } from "../config/mod.ts";
import type { Log } from "../log/mod.ts";
import { brokerAddress } from "../net/mod.ts";
import type { BrokerPeer } from "./websocket_upgrade.ts";
import { sameSecret } from "../text/mod.ts";
import { systemClock, within } from "../time/mod.ts";
import { BrokerClients, type ClientLimits, PACKET_OVERHEAD_BYTES } from "./clients.ts";
import { type BrokerListener, listen } from "./listener.ts";

/** Deadline for a client's CONNECT, in milliseconds. */
const CONNECT_MS = 10_000;
/** Packets that a client may send before its CONNECT is answered. */
const EARLY_PACKETS = 42;
/** Maximum number of levels of a topic; the protocol's have three. */
const MAX_TOPIC_LEVELS = 20;
/** Deadline for closing all clients, in milliseconds. */
const STOP_MS = 2_000;
const BAD_USER_NAME_OR_PASSWORD = 4;

/** What an {@linkcode EmbeddedBroker} is made from. */
export interface EmbeddedBrokerOptions {
  /**
   * Where to listen (port 0: any free one); user name and password are required of clients when
   * set; `certFile` and `keyFile` are the broker's own.
   */
  readonly broker: BrokerConfig;
  /** A client that sends a larger payload is disconnected. */
  readonly maxMessageBytes: number;
  /** Clients for which there are file descriptors. @default {Infinity} */
  readonly maxClients?: number | undefined;
  /** Limits for clients. @default {suitable for a fleet} */
  readonly limits?: Partial<ClientLimits>;
  readonly log: Log;
}

/**
 * A broker inside the server.
 *
 * It keeps nothing for clients that are away and nothing retained: all sessions are clean ones,
 * as the protocol's are [MQTT-SETTINGS], so that its memory cannot be filled.
 */
export class EmbeddedBroker {
  readonly #options: EmbeddedBrokerOptions;
  readonly #aedes: Aedes;
  readonly #clients: BrokerClients;
  #listening: BrokerListener | undefined;

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.#clients = new BrokerClients(options);
    this.#aedes = new Aedes(this.#aedesOptions());
  }

  /** Where it listens; 0 until it does. */
  get port(): number {
    return this.#listening?.port ?? 0;
  }

  /** How many clients are connected. */
  get clients(): number {
    return this.#aedes.connectedClients;
  }

  /**
   * Listens; returns the port.
   *
   * @throws {ListenError} when the address cannot be had.
   * @throws {TlsFileError} when a certificate or key cannot be used.
   */
  async start(): Promise<number> {
    const { broker, log, maxMessageBytes } = this.#options;
    const onError = (client: Client, error: Error) => {
      log.debug(() => `Client "${client?.id ?? ""}" of the broker: ${error.message}`);
    };
    this.#aedes.on("clientError", onError);
    this.#aedes.on("connectionError", onError);
    await this.#aedes.listen();
    try {
      const maxFrameBytes = maxMessageBytes + PACKET_OVERHEAD_BYTES;
      const { maxClients = Infinity } = this.#options;
      const accept = (peer: BrokerPeer) => this.#accept(peer);
      this.#listening = await listen({
        broker,
        maxFrameBytes,
        maxClients: Math.min(maxClients, this.#clients.limits.clients),
        log,
        accept,
      });
    } catch (error) {
      await this.stop();
      throw error;
    }
    const { port } = this.#listening;
    log.info(`The embedded broker listens on ${brokerAddress({ ...broker, port })}`);
    return port;
  }

  /**
   * Stops listening, closes every connection and ends the deliveries that have begun; bounded.
   * Idempotent.
   */
  async stop(): Promise<void> {
    this.#listening?.close();
    this.#listening = undefined;
    const left = Promise.withResolvers<void>();
    this.#aedes.close(left.resolve);
    await within(left.promise, STOP_MS, systemClock);
    this.#clients.destroy();
    const given = { up: false };
    await within(this.#deliveriesEnded(given), STOP_MS, systemClock);
    given.up = true;
  }

  /** A delivery ends in a later turn, also where its receiver has left; then the next one begins. */
  async #deliveriesEnded(given: { up: boolean }): Promise<void> {
    const { mq } = this.#aedes as Aedes & { readonly mq: { readonly current: number } };
    while (mq.current > 0 && !given.up) await setImmediate();
  }

  #aedesOptions(): AedesOptions {
    const { username, password } = this.#options.broker;
    return {
      connectTimeout: CONNECT_MS,
      queueLimit: EARLY_PACKETS,
      maxTopicLevels: MAX_TOPIC_LEVELS,
      preConnect: (_client, packet, done) => {
        packet.clean = true;
        done(null, true);
      },
      authenticate: (_client, givenName, givenPassword, done) => {
        const right = username === undefined ||
          sameSecret(givenName ?? "", username) && sameSecret(givenPassword ?? "", password ?? "");
        if (right) return done(null, true);
        const error = new Error("bad user name or password") as AuthenticateError;
        error.returnCode = BAD_USER_NAME_OR_PASSWORD;
        done(error, null);
      },
      authorizePublish: (client, packet, done) => {
        packet.retain = false;
        done(client === null ? null : this.#forbidden(client, packet));
      },
      authorizeSubscribe: (client, subscription, done) => {
        // A failure ends the connection, which is what has been done.
        if (this.#clients.maySubscribe(client, subscription.topic)) done(null, subscription);
        else done(new Error("too many subscriptions, or too long ones"));
      },
    };
  }

  /** Why a client may not publish a message; undefined when it may. */
  #forbidden(client: Client, { topic, qos, cmd }: PublishPacket): Error | null {
    if (topic.startsWith("$SYS/")) return new Error("$SYS/ is the broker's own");
    if (!this.#clients.mayPublish(client, topic)) return new Error("too long a topic");
    // Unlike a last will, a message at QoS 2 is kept for as long as its client wants.
    if (qos < 2 || cmd !== "publish") return null;
    this.#clients.drop(client, "it published at QoS 2: 0 and 1 are served");
    return new Error("QoS 2 is not served");
  }

  #accept(peer: BrokerPeer): void {
    const { stream } = peer;
    stream.on("error", (error) => this.#options.log.debug(() => `A client failed: ${error}`));
    this.#clients.add(peer);
    this.#aedes.handle(stream);
  }
}
