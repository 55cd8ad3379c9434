// Listens for HTTP: every request is bounded in time, and there are never too many at once.
import { hostPort } from "../config/address.ts";
import type { HttpConfig } from "../config/model.ts";
import { describeFileError, MAX_PEM_BYTES, readText } from "../config/read_file.ts";
import { type Clock, systemClock, type TimerHandle } from "../time/clock.ts";
import { within } from "../time/within.ts";
import { errorResponse, withCommonHeaders } from "./answers.ts";
import { HttpListenError, RequestError } from "./errors.ts";
import { FrontDoor } from "./front_door.ts";

/** Requests that are being answered at once; event streams do not count. */
export const MAX_OPEN = 256;
/** How long an answer may take, in milliseconds: reading a configuration again takes longest. */
export const ANSWER_MS = 60_000;
/** How long open answers may take when it stops, in milliseconds. */
export const STOP_MS = 1000;

/** Answers one request. */
export type Answer = (request: Request, client: string) => Response | Promise<Response>;

/** A place that takes requests. */
export interface HttpListening {
  /** Such as `http://127.0.0.1:8080`, also when the system chose the port. */
  readonly url: string;
  /** Takes no more requests and ends those under way, within a second or so. Never rejects. */
  stop(): Promise<void>;
}

/**
 * Listens where the configuration says.
 *
 * @throws {HttpListenError} when the address cannot be had, or the TLS files cannot be used.
 */
export async function listenHttp(
  { address, port, tls }: HttpConfig,
  answer: Answer,
  clock: Clock = systemClock,
): Promise<HttpListening> {
  const requests = new Requests(answer, clock);
  const abort = new AbortController();
  let door: FrontDoor | undefined;
  try {
    const files = tls === undefined ? {} : {
      cert: await readPem(tls.certFile),
      key: await readPem(tls.keyFile),
    };
    const front = new FrontDoor({ hostname: address, port }, clock);
    door = front;
    const server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      ...files,
      signal: abort.signal,
      onListen: () => {},
      onError: () => refuse(500, "internal", "The request failed: see the log"),
    }, (request, { completed, remoteAddr }: Deno.ServeHandlerInfo<Deno.NetAddr>) => {
      return requests.take(request, front.clientOf(remoteAddr.port), completed);
    });
    front.open(server.addr.port);
    const scheme = tls === undefined ? "http" : "https";
    return {
      url: `${scheme}://${hostPort(address, front.port)}`,
      // Not with shutdown(): it waits for clients that stall, and nothing can end it then.
      async stop() {
        await requests.sent(STOP_MS);
        front.stop();
        abort.abort();
        await within(server.finished, STOP_MS, clock);
      },
    };
  } catch (cause) {
    door?.stop();
    throw new HttpListenError(hostPort(address, port), reasonOf(cause), { cause });
  }
}

/** The requests that are being answered. */
class Requests {
  readonly #answer: Answer;
  readonly #clock: Clock;
  /** Answers that are being made. */
  #open = 0;
  /** One for each answer that is not sent to its last byte. */
  readonly #unsent = new Set<Promise<void>>();

  constructor(answer: Answer, clock: Clock) {
    this.#answer = answer;
    this.#clock = clock;
  }

  /**
   * Answers in time, or refuses.
   *
   * @param client absent: whoever asks has not come in by the port
   * @param completed settles with the end of the answer
   */
  async take(
    request: Request,
    client: string | undefined,
    completed: Promise<void>,
  ): Promise<Response> {
    if (client === undefined) return refuse(403, "forbidden", "Expected a request to the port");
    if (this.#open >= MAX_OPEN) return refuse(503, "busy", "Expected fewer requests at once");
    this.#open++;
    const sent = completed.catch(() => {}).then(() => void this.#unsent.delete(sent));
    this.#unsent.add(sent);
    try {
      return withCommonHeaders(await inTime(this.#answer(request, client), this.#clock));
    } finally {
      this.#open--;
    }
  }

  /** Waits until every answer is sent, but no longer than this, in milliseconds. */
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
  let timer: TimerHandle | undefined;
  const late = new Promise<Response>((resolve) => {
    const message = `Expected an answer within ${ANSWER_MS} ms: there is none yet`;
    const error = new RequestError(503, "timeout", message);
    timer = clock.set(() => resolve(errorResponse(error)), ANSWER_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    if (timer !== undefined) clock.clear(timer);
  }
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
