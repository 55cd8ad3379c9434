// The client's side of a WebSocket, frame by frame, for peers that a library would not let misbehave.
import { waitFor } from "../support/wait.ts";
import { send } from "./attack.ts";

const READ_BYTES = 65_536;
const CONTINUATION = 0;
const BINARY = 2;

/** A connection that has been upgraded, and reads only what it is asked to. */
export class RawWebSocket implements Disposable {
  readonly conn: Deno.TcpConn;

  private constructor(conn: Deno.TcpConn) {
    this.conn = conn;
  }

  /** Connects and asks for the upgrade; `request` in place of one that is right. */
  static async open(port: number, request = upgradeRequest()): Promise<RawWebSocket> {
    const socket = new RawWebSocket(await Deno.connect({ hostname: "127.0.0.1", port }));
    await socket.sendText(request);
    return socket;
  }

  /** Sends bytes as they are. */
  sendText(text: string): Promise<void> {
    return send(this.conn, new TextEncoder().encode(text));
  }

  /** Sends a frame; `first` and `last` tell whether it begins and ends a message. */
  sendFrame(payload: Uint8Array, first = true, last = true): Promise<void> {
    return send(this.conn, maskedFrame(payload, first ? BINARY : CONTINUATION, last));
  }

  /** What comes next, as text; "" when the connection is over. */
  async hear(): Promise<string> {
    const bytes = new Uint8Array(READ_BYTES);
    const count = await waitFor(this.conn.read(bytes).catch(() => null), "bytes or the end");
    return new TextDecoder("latin1").decode(bytes.subarray(0, count ?? 0));
  }

  [Symbol.dispose](): void {
    this.conn.close();
  }
}

/** A request for the upgrade, with any further headers. */
export function upgradeRequest(...headers: string[]): string {
  return [
    "GET /mqtt HTTP/1.1",
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: mqtt",
    ...headers,
    "",
    "",
  ].join("\r\n");
}

/** A frame under a mask of zeros, which leaves the payload as it is. */
function maskedFrame(payload: Uint8Array, opcode: number, last: boolean): Uint8Array {
  const { length } = payload;
  const size = length < 126 ? [length] : [126, length >> 8, length & 255];
  const [first = 0, ...rest] = size;
  return new Uint8Array([opcode | (last ? 128 : 0), first | 128, ...rest, 0, 0, 0, 0, ...payload]);
}
