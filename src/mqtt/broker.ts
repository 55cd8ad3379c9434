// The embedded broker: aedes behind TCP, TLS or WebSocket, for a depot or a desk without Mosquitto.
import { Aedes, type AedesOptions, type AuthenticateError, type Client } from "aedes";
import { createHash, timingSafeEqual } from "node:crypto";
import type { Duplex } from "node:stream";
import type { BrokerConfig } from "../config/model.ts";
import type { Log } from "../log/log.ts";
import { type BrokerListener, listen } from "./broker_listener.ts";
import { brokerAddress } from "../config/address.ts";
import { PacketLimit } from "./packet_limit.ts";

/** How long a client may take to say CONNECT, in milliseconds. */
const CONNECT_MS = 10_000;
/** How long a client may leave what it is sent unread, in milliseconds. */
const DRAIN_MS = 30_000;
/** What a client may send before its CONNECT is answered, in packets. */
const EARLY_PACKETS = 42;
/** Topic and header of a message, beside its payload, in bytes. */
const PACKET_OVERHEAD_BYTES = 65_536 + 16;
/** How long clients may take to be gone, in milliseconds. */
const STOP_MS = 2_000;
const BAD_USER_NAME_OR_PASSWORD = 4;

/** What an {@linkcode EmbeddedBroker} is made from. */
export interface EmbeddedBrokerOptions {
  /**
   * Where to listen (port 0: any free one) and how; its user name and password are demanded when
   * set; `certFile` and `keyFile` are the server's own.
   */
  readonly broker: BrokerConfig;
  /** A client that sends a longer payload is thrown out. */
  readonly maxMessageBytes: number;
  readonly log: Log;
}

/**
 * A broker inside the server.
 *
 * It keeps nothing for clients that are away and nothing retained: all sessions are clean ones,
 * as the protocol's are (section 1), so that nobody can fill its memory.
 */
export class EmbeddedBroker {
  readonly #options: EmbeddedBrokerOptions;
  readonly #aedes: Aedes;
  readonly #sockets = new Set<Duplex>();
  #listening: BrokerListener | undefined;

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
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
      this.#listening = await listen(broker, maxFrameBytes, (socket) => this.#accept(socket));
    } catch (error) {
      await this.stop();
      throw error;
    }
    const { port } = this.#listening;
    log.info(`The embedded broker listens on ${brokerAddress({ ...broker, port })}`);
    return port;
  }

  /** Stops listening and closes every connection; bounded. Idempotent. */
  async stop(): Promise<void> {
    this.#listening?.close();
    this.#listening = undefined;
    const left = Promise.withResolvers<void>();
    this.#aedes.close(left.resolve);
    const timer = setTimeout(left.resolve, STOP_MS);
    await left.promise;
    clearTimeout(timer);
    for (const socket of this.#sockets) socket.destroy();
  }

  #aedesOptions(): AedesOptions {
    const { username, password } = this.#options.broker;
    return {
      connectTimeout: CONNECT_MS,
      drainTimeout: DRAIN_MS,
      queueLimit: EARLY_PACKETS,
      preConnect: (_client, packet, done) => {
        packet.clean = true;
        done(null, true);
      },
      authenticate: (_client, givenName, givenPassword, done) => {
        const right = username === undefined ||
          same(givenName ?? "", username) && same(givenPassword ?? "", password ?? "");
        if (right) return done(null, true);
        const error = new Error("bad user name or password") as AuthenticateError;
        error.returnCode = BAD_USER_NAME_OR_PASSWORD;
        done(error, null);
      },
      authorizePublish: (_client, packet, done) => {
        packet.retain = false;
        done(packet.topic.startsWith("$SYS/") ? new Error("$SYS/ is the broker's own") : null);
      },
    };
  }

  #accept(socket: Duplex): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", (error) => this.#options.log.debug(() => `A client failed: ${error}`));
    // aedes reads whole chunks with read(); it sets no limit to a packet, so we look first.
    const { maxMessageBytes, log } = this.#options;
    const limit = new PacketLimit(maxMessageBytes + PACKET_OVERHEAD_BYTES);
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      const bytes: Uint8Array | null = read(size);
      if (bytes === null || limit.allows(bytes)) return bytes;
      log.warning(
        `The embedded broker closed a connection: a message over ${maxMessageBytes} bytes`,
      );
      socket.destroy();
      return null;
    };
    this.#aedes.handle(socket);
  }
}

/** Compares in a time that does not tell how much was right. */
function same(given: string | Uint8Array, wanted: string): boolean {
  const digest = (text: string | Uint8Array) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
