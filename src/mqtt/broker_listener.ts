// Where the embedded broker takes connections: TCP, TLS or WebSocket, each as a node stream.
import { Buffer } from "node:buffer";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import type { BrokerConfig } from "../config/model.ts";
import { ListenError } from "./errors.ts";
import { concatenate } from "./link.ts";
import { brokerAddress } from "../config/address.ts";
import { readTls, type TlsMaterial } from "./tls.ts";

/** More clients at a time are turned away. */
const MAX_CLIENTS = 10_000;
const READ_BYTES = 16_384;
/** The pause after a connection that could not be taken, in milliseconds. */
const AGAIN_MS = 50;

/** A place that takes connections. */
export interface BrokerListener {
  /** The port, also when the system chose it. */
  readonly port: number;
  /** Takes no more connections; those that exist stay. */
  close(): void;
}

/**
 * Listens at the broker's address; port 0 means any free one.
 *
 * @param maxFrameBytes a WebSocket client that sends a larger frame is thrown out
 * @throws {ListenError} when the address cannot be had.
 * @throws {TlsFileError} when the certificate or key cannot be used.
 */
export async function listen(
  broker: BrokerConfig,
  maxFrameBytes: number,
  accept: (socket: Duplex) => void,
): Promise<BrokerListener> {
  const { protocol, tls } = broker;
  const material = tls && await readTls(tls);
  try {
    if (protocol === "mqtts" || protocol === "mqtt") {
      return listenDirectly(broker, material, accept);
    }
    return await listenWebSocket(broker, material, maxFrameBytes, accept);
  } catch (cause) {
    const message = `Cannot listen on ${brokerAddress(broker)}: ${reasonOf(cause)}`;
    throw new ListenError(message, { cause });
  }
}

async function listenWebSocket(
  { host, port, protocol }: BrokerConfig,
  tls: TlsMaterial | undefined,
  maxFrameBytes: number,
  accept: (socket: Duplex) => void,
): Promise<BrokerListener> {
  const own = { cert: tls?.cert ?? "", key: tls?.key ?? "" };
  const created = protocol === "wss" ? createHttpsServer(own) : createHttpServer();
  const server = created as HttpServer;
  const webSockets = new WebSocketServer({
    server,
    maxPayload: maxFrameBytes,
    perMessageDeflate: false,
  });
  webSockets.on("error", () => {
    // It is the server's error, which is dealt with there.
  });
  webSockets.on("connection", (socket) => accept(createWebSocketStream(socket)));
  server.maxConnections = MAX_CLIENTS;
  const listening = Promise.withResolvers<void>();
  server.on("error", listening.reject);
  server.listen(port, host, listening.resolve);
  await listening.promise;
  const address = server.address();
  return {
    port: typeof address === "object" && address ? address.port : port,
    close() {
      webSockets.close();
      server.close();
    },
  };
}

/**
 * With the runtime's own connections. Node's TLS ignores the address on some supported versions, and
 * its TCP on others now and then tells nobody of the second of two pieces that arrive at once.
 */
function listenDirectly(
  { host, port, protocol }: BrokerConfig,
  tls: TlsMaterial | undefined,
  accept: (socket: Duplex) => void,
): BrokerListener {
  const where = { hostname: host, port };
  const listener = protocol === "mqtts"
    ? Deno.listenTls({ ...where, cert: tls?.cert ?? "", key: tls?.key ?? "" })
    : Deno.listen(where);
  const sockets = new Set<Duplex>();
  let closed = false;
  const acceptAll = async () => {
    while (true) {
      try {
        const conn = await listener.accept();
        if (sockets.size >= MAX_CLIENTS) {
          conn.close();
          continue;
        }
        if (protocol === "mqtt") (conn as Deno.TcpConn).setNoDelay(true);
        const socket = new ConnStream(conn);
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
        accept(socket);
      } catch {
        if (closed) return;
        // One connection that came to nothing, or there are too many files for a moment.
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  };
  void acceptAll();
  return {
    port: (listener.addr as Deno.NetAddr).port,
    close() {
      closed = true;
      listener.close();
    },
  };
}

/** One of the runtime's connections as a node stream. */
class ConnStream extends Duplex {
  readonly #conn: Deno.Conn;
  readonly #buffer = new Uint8Array(READ_BYTES);

  constructor(conn: Deno.Conn) {
    super({ allowHalfOpen: false });
    this.#conn = conn;
  }

  override _read(): void {
    this.#conn.read(this.#buffer).then(
      (count) => this.push(count === null ? null : Buffer.from(this.#buffer.subarray(0, count))),
      (error) => this.destroy(error),
    );
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#send(chunk).then(() => done(), done);
  }

  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error) => void): void {
    this.#send(concatenate(chunks.map(({ chunk }) => chunk))).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#conn.close();
    done(error);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let sent = 0; sent < bytes.length;) {
      sent += await this.#conn.write(bytes.subarray(sent));
    }
  }
}

function reasonOf(cause: unknown): string {
  const { message, code } = cause as Error & { code?: string };
  if (code === "EADDRINUSE") return "the port is in use; end what listens there, or take another";
  if (code === "EACCES") return "not permitted; ports below 1024 are for root, take another";
  if (code === "EADDRNOTAVAIL") {
    return "the address is not this machine's; 0.0.0.0 listens on all it has";
  }
  return message;
}
