// The embedded broker: aedes behind TCP, TLS or WebSocket, for a depot or a desk without Mosquitto.
import { Aedes, type AedesOptions, type AuthenticateError, type Client } from "aedes";
import { timingSafeEqual } from "node:crypto";
import { createHash } from "node:crypto";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type Server as TcpServer } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer } from "node:tls";
import { createWebSocketStream, WebSocketServer } from "ws";
import type { BrokerConfig } from "../config/model.ts";
import type { Log } from "../observe/log.ts";
import { brokerAddress } from "./connect.ts";
import { ListenError } from "./errors.ts";
import { PacketLimit } from "./packet_limit.ts";
import { readTls, type TlsMaterial } from "./tls.ts";

/** More clients at a time are turned away. */
const MAX_CLIENTS = 10_000;
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
  #server: TcpServer | HttpServer | undefined;
  #webSockets: WebSocketServer | undefined;
  #port = 0;

  constructor(options: EmbeddedBrokerOptions) {
    this.#options = options;
    this.#aedes = new Aedes(this.#aedesOptions());
  }

  /** Where it listens; 0 until it does. */
  get port(): number {
    return this.#port;
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
    const { broker, log } = this.#options;
    const { host, port, tls } = broker;
    const material = tls && await readTls(tls);
    this.#aedes.on("clientError", (client, error) => this.#onClientError(client, error));
    this.#aedes.on("connectionError", (client, error) => this.#onClientError(client, error));
    await this.#aedes.listen();
    const server = this.#makeServer(material);
    this.#server = server;
    server.maxConnections = MAX_CLIENTS;
    const listening = Promise.withResolvers<void>();
    server.on("error", (cause: Error) => {
      const message = `Cannot listen on ${brokerAddress(broker)}: ${reasonOf(cause)}`;
      listening.reject(new ListenError(message, { cause }));
    });
    server.listen(port, host, listening.resolve);
    try {
      await listening.promise;
    } catch (error) {
      await this.stop();
      throw error;
    }
    const address = server.address();
    this.#port = typeof address === "object" && address ? address.port : port;
    log.info(`The embedded broker listens on ${brokerAddress({ ...broker, port: this.#port })}`);
    return this.#port;
  }

  /** Closes every connection and stops listening; bounded. Idempotent. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#port = 0;
    const closed = Promise.withResolvers<void>();
    this.#webSockets?.close();
    if (server?.listening) server.close(() => closed.resolve());
    else closed.resolve();
    const left = Promise.withResolvers<void>();
    this.#aedes.close(left.resolve);
    const expired = Promise.withResolvers<void>();
    const timer = setTimeout(expired.resolve, STOP_MS);
    await Promise.race([left.promise, expired.promise]);
    for (const socket of this.#sockets) socket.destroy();
    await Promise.race([closed.promise, expired.promise]);
    clearTimeout(timer);
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

  #makeServer(tls: TlsMaterial | undefined): TcpServer | HttpServer {
    const { protocol } = this.#options.broker;
    const own = { cert: tls?.cert ?? "", key: tls?.key ?? "", noDelay: true };
    const accept = (socket: Duplex) => this.#accept(socket);
    if (protocol === "mqtt") return createTcpServer({ noDelay: true }, accept);
    if (protocol === "mqtts") return createTlsServer(own, accept);
    const server = protocol === "wss" ? createHttpsServer(own) : createHttpServer();
    const webSockets = new WebSocketServer({
      server: server as HttpServer,
      maxPayload: this.#options.maxMessageBytes + PACKET_OVERHEAD_BYTES,
      perMessageDeflate: false,
    });
    webSockets.on("error", () => {
      // The server's own error, which it reports itself.
    });
    webSockets.on("connection", (socket) => accept(createWebSocketStream(socket)));
    this.#webSockets = webSockets;
    return server as HttpServer;
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

  #onClientError(client: Client, error: Error): void {
    this.#options.log.debug(() => `Client "${client?.id ?? ""}" of the broker: ${error.message}`);
  }
}

/** Compares in a time that does not tell how much was right. */
function same(given: string | Uint8Array, wanted: string): boolean {
  const digest = (text: string | Uint8Array) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

function reasonOf(cause: Error): string {
  const code = "code" in cause ? cause.code : undefined;
  if (code === "EADDRINUSE") return "the port is in use";
  if (code === "EACCES") return "not permitted";
  if (code === "EADDRNOTAVAIL") return "the address is not this machine's";
  return cause.message;
}
