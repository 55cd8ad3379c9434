// etcd's JSON gateway, with several endpoints of which any may be away.
import { Buffer } from "node:buffer";
import { type Clock, deadline, Semaphore } from "../../time/mod.ts";
import { StoreError } from "../store.ts";

/** How to reach etcd. */
export interface EtcdOptions {
  /** `http://` or `https://`, with port; any of them may be away. */
  readonly endpoints: readonly string[];
  /** PEM texts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly login?: { readonly name: string; readonly password: string };
  /** An answer later than this counts as none, in milliseconds. */
  readonly answerMs: number;
  readonly clock: Clock;
}

/** An answer of etcd, whose numbers are texts: they have 64 bits. */
export type EtcdAnswer = Readonly<Record<string, unknown>>;

/** etcd answered, and refused. */
export class EtcdRefusal extends StoreError {
  override readonly name = "EtcdRefusal";
  override readonly code = "STORE_REFUSED";

  constructor(readonly path: string, readonly status: number, readonly reason: string) {
    super(`etcd refuses ${path} with status ${status}: ${reason}`);
  }
}

/** No endpoint gave an answer. */
export class EtcdUnreachable extends StoreError {
  override readonly name = "EtcdUnreachable";
  override readonly code = "STORE_UNREACHABLE";
}

/**
 * Requests at a time: a server that stops asks for all of its cars at once, and an answer counts only
 * for so long.
 */
const MAX_REQUESTS = 16;
/** A request that has waited for so many answers' time is given up: the core asks again. */
const MAX_WAITS = 2;
/** Not behind all others: the lease depends on them. */
const URGENT = "/v3/lease/";

/** etcd's code for a token that is not known any more. */
const UNAUTHENTICATED = 16;

/** Asks the endpoint that answered last, and the others when it does not. */
export class EtcdClient implements Disposable {
  readonly #options: EtcdOptions;
  readonly #http: Deno.HttpClient;
  readonly #requests = new Semaphore(MAX_REQUESTS);
  #endpoint = 0;
  #token: string | undefined;

  constructor(options: EtcdOptions) {
    this.#options = options;
    const { ca, cert, key } = options.tls ?? {};
    this.#http = Deno.createHttpClient({
      ...(ca === undefined ? {} : { caCerts: [ca] }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
    });
  }

  /** The endpoint that is asked. */
  get endpoint(): string {
    return this.#options.endpoints[this.#endpoint] ?? "";
  }

  /**
   * Asks once at each endpoint until one answers.
   *
   * @throws {EtcdRefusal} when etcd refuses.
   * @throws {EtcdUnreachable} when no endpoint answers; the last failure is the cause.
   */
  async ask(path: string, question: object): Promise<EtcdAnswer> {
    if (path.startsWith(URGENT)) return await this.#ask(path, question);
    const { answerMs, clock } = this.#options;
    const askedAt = clock.now();
    const release = await this.#requests.acquire();
    try {
      const waitedMs = Math.round(clock.now() - askedAt);
      if (waitedMs <= MAX_WAITS * answerMs) return await this.#ask(path, question);
      throw new EtcdUnreachable(`Cannot ask etcd: the request has waited for ${waitedMs} ms`);
    } finally {
      release();
    }
  }

  async #ask(path: string, question: object): Promise<EtcdAnswer> {
    const { endpoints, answerMs, clock } = this.#options;
    let cause: unknown;
    for (let attempt = 0; attempt < endpoints.length; attempt++) {
      const given = new AbortController();
      try {
        return await deadline(this.#askOne(path, question, given.signal), answerMs, clock);
      } catch (error) {
        given.abort();
        if (error instanceof EtcdRefusal) throw error;
        cause = error;
        this.#endpoint = (this.#endpoint + 1) % endpoints.length;
      }
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EtcdUnreachable(`Cannot reach etcd at ${endpoints.join(", ")}: ${why}`, { cause });
  }

  /**
   * Watches keys with a prefix from a revision on; one item for each message of etcd. Ends when the
   * connection does.
   *
   * @throws {StoreError} when it cannot begin, or etcd ends it.
   */
  async *watch(prefix: string, revision: number, signal: AbortSignal): AsyncGenerator<EtcdAnswer> {
    const { answerMs, clock } = this.#options;
    const request = { ...prefixOf(prefix), start_revision: String(revision) };
    const path = "/v3/watch";
    const response = await deadline(
      this.#post(path, { create_request: request }, signal),
      answerMs,
      clock,
    );
    if (!response.ok || response.body === null) throw await refusal(path, response);
    let rest = "";
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const message = JSON.parse(line) as { result?: EtcdAnswer; error?: { message?: string } };
        if (message.result === undefined) {
          throw new EtcdRefusal(path, response.status, message.error?.message ?? line);
        }
        yield message.result;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#http.close();
  }

  async #askOne(path: string, question: object, signal: AbortSignal): Promise<EtcdAnswer> {
    const { login } = this.#options;
    if (login !== undefined && this.#token === undefined) await this.#logIn(signal);
    const response = await this.#post(path, question, signal);
    if (response.ok) return await response.json();
    const refused = await refusal(path, response);
    if (refused.status === 401) this.#token = undefined;
    // What it says of itself (no leader, time-out) is no answer: another endpoint may have one.
    if (response.status >= 500) throw new StoreError(refused.message);
    throw refused;
  }

  async #logIn(signal: AbortSignal): Promise<void> {
    const path = "/v3/auth/authenticate";
    const response = await this.#post(path, this.#options.login ?? {}, signal);
    if (!response.ok) throw await refusal(path, response);
    this.#token = String((await response.json()).token);
  }

  #post(path: string, question: object, signal: AbortSignal): Promise<Response> {
    return fetch(new URL(path, this.endpoint), {
      method: "POST",
      body: JSON.stringify(question),
      headers: this.#token === undefined ? {} : { authorization: this.#token },
      client: this.#http,
      signal,
    });
  }
}

async function refusal(path: string, response: Response): Promise<EtcdRefusal> {
  const text = await response.text();
  const { status } = response;
  try {
    const { error, message = error, code } = JSON.parse(text);
    return new EtcdRefusal(path, code === UNAUTHENTICATED ? 401 : status, String(message));
  } catch {
    return new EtcdRefusal(path, status, text.slice(0, 200));
  }
}

/** Text as etcd's JSON has it. */
export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** Text from etcd's JSON; empty when it is absent, as empty values are. */
export function fromBase64(encoded: unknown): string {
  return typeof encoded === "string" ? Buffer.from(encoded, "base64").toString() : "";
}

/** The range of all keys that begin with `prefix`, which ends in `/`. */
export function prefixOf(prefix: string): { readonly key: string; readonly range_end: string } {
  return { key: base64(prefix), range_end: base64(`${prefix.slice(0, -1)}0`) };
}
