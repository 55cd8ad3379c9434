// Listens for HTTP, with limits for the number of requests and for their time.
import { hostPort, HttpListenError } from "../net/mod.ts";
import type { HttpConfig } from "../config/mod.ts";
import { describeFileError, MAX_PEM_BYTES, readText } from "../text/mod.ts";
import { type Clock, systemClock, within } from "../time/mod.ts";
import { type Log, silentLog } from "../log/mod.ts";
import { errorResponse, withCommonHeaders } from "./answers.ts";
import { hasMuchUnread } from "./body.ts";
import { RequestError } from "./errors.ts";
import { FrontDoor } from "./front_door.ts";
import { RestartingServer } from "./inner_server.ts";

/** Maximum number of concurrent requests, without event streams. */
export const MAX_OPEN = 256;
/** Maximum number of connections, unless the machine allows fewer. */
export const MAX_CONNECTIONS = 1024;
/** Deadline for an answer, in milliseconds: a reload takes longest. */
export const ANSWER_MS = 60_000;
/** Deadline for open answers when stopping, in milliseconds. */
export const STOP_MS = 1000;

const TOO_MANY = 429;

/** Answers one request. */
export type Answer = (request: Request, client: string) => Response | Promise<Response>;

export interface HttpListening {
  /** Such as `http://127.0.0.1:8080`, also when the system chose the port. */
  readonly url: string;
  /** Accepts no more requests, and ends those in progress within about a second. Never rejects. */
  stop(): Promise<void>;
}

/** How it listens. */
export interface ListenHttpOptions {
  readonly clock?: Clock;
  readonly log?: Log;
  /** Connections for which there are file descriptors. @default {Infinity} */
  readonly maxConnections?: number | undefined;
}

/**
 * Listens where the configuration says.
 *
 * @throws {HttpListenError} when the address cannot be had, or the TLS files cannot be used.
 */
export async function listenHttp(
  { address, port, tls }: HttpConfig,
  answer: Answer,
  { clock = systemClock, log = silentLog, maxConnections = MAX_CONNECTIONS }: ListenHttpOptions =
    {},
): Promise<HttpListening> {
  let door: FrontDoor | undefined;
  try {
    const files = tls === undefined ? {} : {
      cert: await readPem(tls.certFile),
      key: await readPem(tls.keyFile),
    };
    // No client may use up all connections.
    const all = Math.min(maxConnections, MAX_CONNECTIONS);
    const limits = { all, client: Math.ceil(all / 2) };
    const front = new FrontDoor({ hostname: address, port, limits, clock, log });
    door = front;
    const requests = new Requests(answer, front, clock);
    const serve = (options: Deno.ServeTcpOptions) =>
      Deno.serve({
        ...options,
        ...files,
        onError: () => refuse(500, "internal", "The request failed: see the log"),
      }, requests.take.bind(requests));
    const server = new RestartingServer({ serve, clock, log });
    front.open(server);
    const scheme = tls === undefined ? "http" : "https";
    return {
      url: `${scheme}://${hostPort(address, front.port)}`,
      async stop() {
        await requests.sent(STOP_MS);
        await front.stop();
        await server.stop(STOP_MS);
      },
    };
  } catch (cause) {
    await door?.stop();
    throw new HttpListenError(hostPort(address, port), reasonOf(cause), { cause });
  }
}

/** Requests in progress. */
class Requests {
  readonly #answer: Answer;
  readonly #door: FrontDoor;
  readonly #clock: Clock;
  /** Answers in preparation. */
  #open = 0;
  /** One per answer that is not sent completely. */
  readonly #unsent = new Set<Promise<void>>();

  constructor(answer: Answer, door: FrontDoor, clock: Clock) {
    this.#answer = answer;
    this.#door = door;
    this.#clock = clock;
  }

  /**
   * Answers within the deadline, or refuses; closes the connection of a client that exceeds its rate limit,
   * or when too much of the request is unread.
   */
  async take(
    request: Request,
    { completed, remoteAddr: { port } }: Deno.ServeHandlerInfo<Deno.NetAddr>,
  ): Promise<Response> {
    const made = await this.#answered(request, this.#door.requested(port), completed);
    const answer = withCommonHeaders(made);
    if (answer.status === TOO_MANY || hasMuchUnread(request)) {
      answer.headers.set("connection", "close");
      this.#door.dismiss(port, completed);
    }
    return answer;
  }

  /**
   * @param client absent: the request did not come through the proxy, or its client was dismissed
   * @param completed settles with the end of the answer
   */
  async #answered(
    request: Request,
    client: string | undefined,
    completed: Promise<void>,
  ): Promise<Response> {
    if (client === undefined) {
      return refuse(403, "forbidden", "Expected a request to the port, on an open connection");
    }
    if (this.#open >= MAX_OPEN) return refuse(503, "busy", "Expected fewer requests at once");
    this.#open++;
    const sent = completed.catch(() => {}).then(() => void this.#unsent.delete(sent));
    this.#unsent.add(sent);
    try {
      return await inTime(this.#answer(request, client), this.#clock);
    } finally {
      this.#open--;
    }
  }

  /** Waits until every answer is sent, up to so many milliseconds. */
  async sent(withinMs: number): Promise<void> {
    await within(Promise.all(this.#unsent), withinMs, this.#clock);
  }
}

function refuse(
  status: number,
  code: RequestError["code"],
  message: string,
): Response {
  return withCommonHeaders(errorResponse(new RequestError(status, code, message)));
}

async function inTime(
  answer: Response | Promise<Response>,
  clock: Clock,
): Promise<Response> {
  if (answer instanceof Response) return answer;
  if (await within(answer, ANSWER_MS, clock)) return await answer;
  const message = `Expected an answer within ${ANSWER_MS} ms: there is none yet`;
  return errorResponse(new RequestError(503, "timeout", message));
}

async function readPem(file: string): Promise<string> {
  try {
    return await readText(file, { maxBytes: MAX_PEM_BYTES });
  } catch (cause) {
    throw new Error(`"${file}" cannot be read: ${describeFileError(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof Deno.errors.AddrInUse) {
    return "the port is in use; end what listens there, or give http.port another";
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return "http.address is not this machine's; 0.0.0.0 listens on all it has";
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return "not permitted; ports below 1024 are for root, give http.port another";
  }
  return cause instanceof Error ? cause.message : String(cause);
}
