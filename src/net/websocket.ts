// MQTT over WebSocket, the client's side of RFC 6455: just enough to carry a stream of bytes.
//
// In some supported versions, the runtime's own client accepts no private CA, no client certificate
// or no path; and little is needed: binary frames out, any frames in.
import { createHash, randomBytes } from "node:crypto";
import { type Endpoint, hostPort } from "./address.ts";
import { BrokerClosedError, MalformedFrameError, WebSocketRefusedError } from "./errors.ts";
import { concatenate, type Link, type LinkListener } from "./link.ts";

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
/** Maximum payload of control frames (RFC 6455). */
const MAX_CONTROL_BYTES = 125;
/** With more unsent, pings get no answer: a peer that does not read may send any number of them. */
const MAX_UNSENT_PONG_BYTES = 65_536;
/** Maximum size of the response, in bytes. */
const MAX_RESPONSE_BYTES = 16_384;
/** The constant for Sec-WebSocket-Accept (RFC 6455). */
const PROOF_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Sends the upgrade request; resolves with a link that carries the frames' payloads. */
export function openWebSocket(link: Link, { host, port, path }: Endpoint): Promise<Link> {
  const opened = Promise.withResolvers<Link>();
  const key = randomBytes(16).toString("base64");
  const socket = new WebSocketLink(link, key, opened.resolve, opened.reject);
  const request = [
    `GET ${path || "/"} HTTP/1.1`,
    `Host: ${hostPort(host, port)}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${key}`,
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: mqtt",
  ];
  link.write(new TextEncoder().encode(`${request.join("\r\n")}\r\n\r\n`));
  link.start(socket);
  return opened.promise;
}

class WebSocketLink implements Link, LinkListener {
  readonly #link: Link;
  readonly #key: string;
  readonly #onOpen: (link: Link) => void;
  readonly #onRefused: (error: Error) => void;
  #listener: LinkListener | undefined;
  #upgraded = false;
  /** The beginning of the response or of a frame's header or of a control frame. */
  #rest: Uint8Array = new Uint8Array(0);
  /** Remaining bytes of the current data frame. */
  #payloadLeft = 0;
  /** Bytes that arrived between the upgrade and `start`. */
  #early: Uint8Array[] = [];

  constructor(
    link: Link,
    key: string,
    onOpen: (link: Link) => void,
    onRefused: (error: Error) => void,
  ) {
    this.#link = link;
    this.#key = key;
    this.#onOpen = onOpen;
    this.#onRefused = onRefused;
  }

  get unsentBytes(): number {
    return this.#link.unsentBytes;
  }

  start(listener: LinkListener): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = [];
    try {
      for (const bytes of early) listener.onData(bytes);
    } catch (error) {
      this.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  write(bytes: Uint8Array): void {
    this.#link.write(frame(BINARY, bytes));
  }

  pause(): void {
    this.#link.pause();
  }

  resume(): void {
    this.#link.resume();
  }

  end(): void {
    this.#link.write(frame(CLOSE, new Uint8Array([1000 >> 8, 1000 & 255])));
    this.#link.end();
  }

  destroy(error?: Error): void {
    this.#link.destroy(error);
  }

  onDrained(): void {
    this.#listener?.onDrained?.();
  }

  onClosed(error: Error | undefined): void {
    this.#onRefused(error ?? new BrokerClosedError());
    this.#listener?.onClosed(error);
  }

  onData(chunk: Uint8Array): void {
    let bytes = this.#rest.length > 0 ? concatenate([this.#rest, chunk]) : chunk;
    if (!this.#upgraded) {
      const bodyStart = this.#readResponse(bytes);
      if (bodyStart === undefined) {
        this.#rest = bytes.slice();
        return;
      }
      bytes = bytes.subarray(bodyStart);
    }
    this.#rest = this.#readFrames(bytes).slice();
  }

  /** Returns where the frames begin; undefined while the response is incomplete. */
  #readResponse(bytes: Uint8Array): number | undefined {
    const text = new TextDecoder("latin1").decode(bytes);
    const end = text.indexOf("\r\n\r\n");
    if (end < 0 && bytes.length <= MAX_RESPONSE_BYTES) return undefined;
    const status = text.slice(0, Math.max(0, text.indexOf("\r\n"))).slice(0, 100);
    if (!/^HTTP\/1\.1 101\b/.test(status)) {
      throw new WebSocketRefusedError(`WebSocket refused by the broker: "${status}"`);
    }
    const proof = createHash("sha1").update(this.#key + PROOF_SUFFIX).digest("base64");
    const [, proven] = text.match(/^sec-websocket-accept:[ \t]*(\S+)/im) ?? [];
    if (proven !== proof) {
      // Not quoted: the same cause must always have the same text.
      const found = proven === undefined
        ? "no Sec-WebSocket-Accept"
        : "a wrong Sec-WebSocket-Accept";
      throw new WebSocketRefusedError(`WebSocket answer does not fit the request: found ${found}`);
    }
    this.#upgraded = true;
    this.#onOpen(this);
    return end + 4;
  }

  /** Passes payloads on, and returns the rest: the beginning of a frame. */
  #readFrames(bytes: Uint8Array): Uint8Array {
    let at = 0;
    while (at < bytes.length) {
      if (this.#payloadLeft > 0) {
        const end = Math.min(bytes.length, at + this.#payloadLeft);
        this.#payloadLeft -= end - at;
        this.#pass(bytes.subarray(at, end));
        at = end;
        continue;
      }
      const header = readHeader(bytes, at);
      if (!header) break;
      if (header.opcode <= BINARY) {
        if (header.opcode === TEXT) {
          throw new MalformedFrameError("Cannot read MQTT from a text frame");
        }
        this.#payloadLeft = header.length;
        at = header.payloadStart;
        continue;
      }
      const end = header.payloadStart + header.length;
      if (header.length > MAX_CONTROL_BYTES) {
        throw new MalformedFrameError(`Cannot read a control frame of ${header.length} bytes`);
      }
      if (end > bytes.length) break;
      if (header.opcode === CLOSE) {
        this.#link.destroy();
        return new Uint8Array(0);
      }
      if (header.opcode === PING) this.#answer(bytes.subarray(header.payloadStart, end));
      at = end;
    }
    return bytes.subarray(at);
  }

  #pass(payload: Uint8Array): void {
    if (this.#listener) this.#listener.onData(payload);
    else this.#early.push(payload.slice());
  }

  #answer(ping: Uint8Array): void {
    if (this.#link.unsentBytes < MAX_UNSENT_PONG_BYTES) this.#link.write(frame(PONG, ping));
  }
}

interface FrameHeader {
  readonly opcode: number;
  readonly length: number;
  readonly payloadStart: number;
}

function readHeader(bytes: Uint8Array, at: number): FrameHeader | undefined {
  if (bytes.length < at + 2) return undefined;
  const second = bytes[at + 1] as number;
  const opcode = (bytes[at] as number) & 15;
  if (second > 127) throw new MalformedFrameError("Cannot read a masked frame from a server");
  if (![CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG].includes(opcode)) {
    throw new MalformedFrameError(`Cannot read a WebSocket frame: opcode ${opcode}`);
  }
  if (second < 126) return { opcode, length: second, payloadStart: at + 2 };
  const extra = second === 126 ? 2 : 8;
  if (bytes.length < at + 2 + extra) return undefined;
  let length = 0;
  for (let i = 0; i < extra; i++) length = length * 256 + (bytes[at + 2 + i] as number);
  if (!Number.isSafeInteger(length)) throw new MalformedFrameError("Cannot read an endless frame");
  return { opcode, length, payloadStart: at + 2 + extra };
}

/** A client masks what it sends; the mask protects proxies, not the content. */
function frame(opcode: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const extra = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const out = new Uint8Array(2 + extra + 4 + length);
  out[0] = 128 | opcode;
  out[1] = 128 | (extra === 0 ? length : extra === 2 ? 126 : 127);
  let rest = length;
  for (let i = extra; i > 0; i--) {
    out[1 + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  const maskStart = 2 + extra;
  crypto.getRandomValues(out.subarray(maskStart, maskStart + 4));
  const payloadStart = maskStart + 4;
  for (let i = 0; i < length; i++) {
    out[payloadStart + i] = (payload[i] as number) ^ (out[maskStart + (i & 3)] as number);
  }
  return out;
}
