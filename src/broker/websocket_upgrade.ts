// The server's side of a WebSocket upgrade, for the embedded broker: one small HTTP request with a
// deadline.
import type { Duplex } from "node:stream";
import { Buffer } from "node:buffer";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { createWebSocketStream, type WebSocket, WebSocketServer } from "ws";
import type { Clock, TimerHandle } from "../time/mod.ts";
import type { LinkStream } from "../net/mod.ts";

/** A connection that can carry MQTT. */
export interface BrokerPeer {
  readonly stream: Duplex;
  /** The other end's address. */
  readonly address: string;
  /** Bytes that are kept until their frame is complete. */
  framingBytes(): number;
}

/** Deadline for the upgrade request, in milliseconds. */
export const UPGRADE_MS = 10_000;
/** Maximum size of the request, in bytes. */
const MAX_REQUEST_BYTES = 8_192;
/** Maximum number of fragments of a message: MQTT clients send few, and each costs more than its bytes. */
const MAX_FRAGMENTS = 1_024;
const HEAD_END = "\r\n\r\n";

/** Turns connections into streams of their WebSocket frames' payloads. */
export class WebSocketUpgrade {
  readonly #server: WebSocketServer;
  readonly #clock: Clock;
  /** Connections without a request yet. */
  readonly #waiting = new Set<LinkStream>();

  /** @param maxPayload bytes of a message; a client that sends a larger one is disconnected */
  constructor(maxPayload: number, clock: Clock) {
    this.#clock = clock;
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload,
      // Types of this option lag behind the library.
      ...{ maxFragments: MAX_FRAGMENTS },
      perMessageDeflate: false,
    });
  }

  /** Reads and answers the request, then passes the client on. */
  take(stream: LinkStream, address: string, accept: (peer: BrokerPeer) => void): void {
    let request: Buffer = Buffer.alloc(0);
    const timer: TimerHandle = this.#clock.set(() => stream.destroy(), UPGRADE_MS);
    this.#waiting.add(stream);
    const over = () => {
      this.#clock.clear(timer);
      this.#waiting.delete(stream);
    };
    const onData = (bytes: Uint8Array) => {
      request = Buffer.concat([request, bytes]);
      const end = request.indexOf(HEAD_END);
      if (end < 0 && request.length <= MAX_REQUEST_BYTES) return;
      stream.off("data", onData);
      if (end < 0 || end > MAX_REQUEST_BYTES) return void stream.destroy();
      over();
      const rest = request.subarray(end + HEAD_END.length);
      const head = readHead(request.toString("latin1", 0, end));
      this.#server.handleUpgrade(
        head,
        stream,
        rest,
        (socket) => accept(peerOf(socket, stream, address)),
      );
    };
    stream.on("data", onData);
    stream.on("close", over);
    stream.on("error", () => {
      // "close" follows.
    });
  }

  /** Closes connections without a request. */
  close(): void {
    for (const stream of [...this.#waiting]) stream.destroy();
    this.#server.close();
  }
}

function peerOf(socket: WebSocket, conn: LinkStream, address: string): BrokerPeer {
  const stream = createWebSocketStream(socket);
  let passed = conn.bytesRead;
  socket.on("message", () => passed = conn.bytesRead);
  return { stream, address, framingBytes: () => conn.bytesRead - passed };
}

/** As much of a request as the upgrade needs. */
function readHead(text: string): IncomingMessage {
  const [first = "", ...lines] = text.split("\r\n");
  const [method, url] = first.split(" ");
  const headers: IncomingHttpHeaders = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { method, url, headers } as IncomingMessage;
}
