// Listens for HTTP: every request is bounded in time, and there are never too many at once.
import { hostPort } from "../config/address.ts";
import type { HttpConfig } from "../config/model.ts";
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
  const abort = new AbortController();
  /** Answers that are being made, and those that are not sent to their last byte. */
  let open = 0;
  const unsent = new Set<Promise<void>>();
  let door: FrontDoor | undefined;
  const handler = async (request: Request, info: Deno.ServeHandlerInfo<Deno.NetAddr>) => {
    const client = door?.clientOf(info.remoteAddr.port);
    if (client === undefined) return refuse(403, "forbidden", "Expected a request to the port");
    if (open >= MAX_OPEN) return refuse(503, "busy", "Expected fewer requests at once");
    open++;
    const sent = info.completed.catch(() => {}).then(() => void unsent.delete(sent));
    unsent.add(sent);
    try {
      return withCommonHeaders(await inTime(answer(request, client), clock));
    } finally {
      open--;
    }
  };
  try {
    const files = tls === undefined ? {} : {
      cert: await Deno.readTextFile(tls.certFile),
      key: await Deno.readTextFile(tls.keyFile),
    };
    door = new FrontDoor({ hostname: address, port }, clock);
    const server = Deno.serve({
      hostname: "127.0.0.1",
      port: 0,
      ...files,
      signal: abort.signal,
      onListen: () => {},
      onError: () => refuse(500, "internal", "The request failed: see the log"),
    }, handler);
    door.open(server.addr.port);
    const scheme = tls === undefined ? "http" : "https";
    return {
      url: `${scheme}://${hostPort(address, door.port)}`,
      // Not with shutdown(): it waits for clients that stall, and nothing can end it then.
      async stop() {
        await within(Promise.all(unsent), STOP_MS, clock);
        door?.stop();
        abort.abort();
        await within(server.finished, STOP_MS, clock);
      },
    };
  } catch (cause) {
    door?.stop();
    throw new HttpListenError(hostPort(address, port), reasonOf(cause), { cause });
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
