// A receiver of webhooks, which checks signatures as any receiver would.
import assert from "node:assert/strict";
import { Inbox, waitFor } from "../support/wait.ts";

export interface Received {
  readonly id: string;
  // deno-lint-ignore no-explicit-any -- a test looks into what it expects
  readonly body: any;
}

/** `await using receiver = new Receiver(secret)`. */
export class Receiver implements AsyncDisposable {
  readonly inbox = new Inbox<Received>();
  /** What it answers to the next requests, the first first; then 204. */
  readonly answers: (number | Response)[] = [];
  requests = 0;
  readonly #secret: string;
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    return this.#take(request);
  });

  constructor(secret: string) {
    this.#secret = secret;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/hook/token`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await waitFor(this.#server.shutdown(), "the end of the receiver");
  }

  async #take(request: Request): Promise<Response> {
    this.requests++;
    const { headers } = request;
    assert.equal(request.method, "POST");
    assert.equal(headers.get("content-type"), "application/json");
    const text = await request.text();
    const id = headers.get("webhook-id") ?? "";
    const seconds = Number(headers.get("webhook-timestamp"));
    assert.ok(Math.abs(Date.now() / 1000 - seconds) < 300, `${seconds}`);
    const signature = await this.#sign(`${id}.${seconds}.${text}`);
    assert.equal(headers.get("webhook-signature"), `v1,${signature}`);
    this.inbox.push({ id, body: JSON.parse(text) });
    const answer = this.answers.shift() ?? 204;
    return typeof answer === "number" ? new Response(null, { status: answer }) : answer;
  }

  async #sign(text: string): Promise<string> {
    const encoder = new TextEncoder();
    const raw = encoder.encode(this.#secret);
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", raw, hmac, false, ["sign"]);
    const bytes = await crypto.subtle.sign("HMAC", key, encoder.encode(text));
    return btoa(String.fromCharCode(...new Uint8Array(bytes)));
  }
}
