// A server of configurations that fails in every way.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { waitFor } from "../support/wait.ts";

/** What it does with a request. */
export type Behavior =
  | { readonly kind: "document"; readonly text: string }
  | { readonly kind: "status"; readonly status: number; readonly headers?: string }
  /** Sends the head, then nothing. */
  | { readonly kind: "stall" }
  /** Says nothing at all. */
  | { readonly kind: "silent" }
  /** Closes in the middle of the body. */
  | { readonly kind: "cut"; readonly text: string }
  /** Bytes that are no HTTP. */
  | { readonly kind: "garbage" }
  /** A body that never ends. */
  | { readonly kind: "endless" };

/** A request as it came. */
export interface Seen {
  readonly head: string;
  readonly status: number;
}

/** An HTTP server on bare sockets, so that it can break HTTP, too; `await using`. */
export class SourceServer implements AsyncDisposable {
  behavior: Behavior;
  readonly requests: Seen[] = [];
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();
  readonly #closed: Promise<void>[] = [];
  #port = 0;

  private constructor(behavior: Behavior) {
    this.behavior = behavior;
  }

  static async start(behavior: Behavior, port = 0): Promise<SourceServer> {
    const server = new SourceServer(behavior);
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", reject);
      server.#server.listen(port, "127.0.0.1", resolve);
    });
    server.#port = (server.#server.address() as { port: number }).port;
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/fleet.json?token=hidden`;
  }

  /** From now on it has this document. */
  give(text: string): void {
    this.behavior = { kind: "document", text };
  }

  /** Resolves when `count` further requests have been answered. */
  async asked(count = 1): Promise<void> {
    const wanted = this.requests.length + count;
    await waitFor(() => this.requests.length >= wanted, `${count} requests`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await Promise.all(this.#closed);
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    this.#closed.push(
      new Promise((resolve) =>
        socket.on("close", () => {
          this.#sockets.delete(socket);
          resolve();
        })
      ),
    );
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (part: Uint8Array) => {
      text += Buffer.from(part).toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        this.#answer(socket, head);
      }
    });
  }

  #answer(socket: Socket, head: string): void {
    const { behavior } = this;
    const say = (status: number, headers: string, body: string) => {
      this.requests.push({ head, status });
      const length = Buffer.byteLength(body);
      const first = `HTTP/1.1 ${status} Said\r\nContent-Length: ${length}\r\n`;
      socket.end(`${first}Connection: close\r\n${headers}\r\n${body}`);
    };
    switch (behavior.kind) {
      case "document": {
        const etag = `"${createHash("sha256").update(behavior.text).digest("hex")}"`;
        const isKnown = head.toLowerCase().includes(`if-none-match: ${etag}`);
        return isKnown ? say(304, "", "") : say(200, `ETag: ${etag}\r\n`, behavior.text);
      }
      case "status":
        return say(behavior.status, behavior.headers ?? "", "no");
      case "stall":
        this.requests.push({ head, status: 200 });
        return void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
      case "silent":
        return void this.requests.push({ head, status: 0 });
      case "cut":
        this.requests.push({ head, status: 200 });
        return void socket.end(
          `HTTP/1.1 200 OK\r\nContent-Length: ${behavior.text.length}\r\n\r\n` +
            behavior.text.slice(0, behavior.text.length / 2),
        );
      case "garbage":
        this.requests.push({ head, status: 0 });
        return void socket.end("\x00\x01 this is not HTTP\r\n\r\n");
      case "endless": {
        this.requests.push({ head, status: 200 });
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`;
        const more = () => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on("drain", more);
        return more();
      }
    }
  }
}
