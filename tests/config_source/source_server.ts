// A server of configurations that fails in every way.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
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
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly #tasks: Promise<void>[] = [];

  private constructor(behavior: Behavior) {
    this.behavior = behavior;
    this.#tasks.push(this.#accept());
  }

  static start(behavior: Behavior): Promise<SourceServer> {
    return Promise.resolve(new SourceServer(behavior));
  }

  get url(): string {
    const { port } = this.#listener.addr as Deno.NetAddr;
    return `http://127.0.0.1:${port}/fleet.json?token=hidden`;
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
    this.#listener.close();
    for (const connection of this.#open) connection.close();
    this.#open.clear();
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#open.add(connection);
      // Whoever asked may be gone in the middle of an answer.
      this.#tasks.push(this.#serve(connection).catch(() => {}));
    }
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(4096);
    let text = "";
    try {
      while (!text.includes("\r\n\r\n")) {
        const read = await connection.read(buffer);
        if (read === null) return;
        text += Buffer.from(buffer.subarray(0, read)).toString("latin1");
      }
      await this.#answer(connection, text.slice(0, text.indexOf("\r\n\r\n")));
    } finally {
      if (this.#open.delete(connection)) connection.close();
    }
  }

  async #answer(connection: Deno.Conn, head: string): Promise<void> {
    const { behavior } = this;
    const write = async (text: string) => {
      const bytes = new TextEncoder().encode(text);
      for (let written = 0; written < bytes.length;) {
        written += await connection.write(bytes.subarray(written));
      }
    };
    /** Until the other side closes, or this one is disposed of. */
    const hold = async () => void await connection.read(new Uint8Array(1));
    const say = async (status: number, headers: string, body: string) => {
      this.requests.push({ head, status });
      const length = Buffer.byteLength(body);
      const first = `HTTP/1.1 ${status} Said\r\nContent-Length: ${length}\r\n`;
      await write(`${first}Connection: close\r\n${headers}\r\n${body}`);
    };
    switch (behavior.kind) {
      case "document": {
        const etag = `"${createHash("sha256").update(behavior.text).digest("hex")}"`;
        const isKnown = head.toLowerCase().includes(`if-none-match: ${etag}`);
        return isKnown
          ? await say(304, "", "")
          : await say(200, `ETag: ${etag}\r\n`, behavior.text);
      }
      case "status":
        return await say(behavior.status, behavior.headers ?? "", "no");
      case "stall":
        this.requests.push({ head, status: 200 });
        await write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
        return await hold();
      case "silent":
        this.requests.push({ head, status: 0 });
        return await hold();
      case "cut": {
        this.requests.push({ head, status: 200 });
        const { text } = behavior;
        const first = `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n`;
        return await write(first + text.slice(0, text.length / 2));
      }
      case "garbage":
        this.requests.push({ head, status: 0 });
        return await write("\x00\x01 this is not HTTP\r\n\r\n");
      case "endless":
        this.requests.push({ head, status: 200 });
        await write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while (this.#open.has(connection)) await write(`10000\r\n${" ".repeat(0x10000)}\r\n`);
    }
  }
}
