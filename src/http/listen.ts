// Listens for HTTP, with a limit for the number of connections.
import { hostPort, HttpListenError, readTls, TlsFileError } from "../net/mod.ts";
import type { HttpConfig } from "../config/mod.ts";
import { type Clock, systemClock, within } from "../time/mod.ts";
import { type Log, silentLog } from "../log/mod.ts";
import { ConnectionProxy } from "./connection_proxy.ts";
import type { ClientConnection } from "./middleware.ts";
import { RestartingServer } from "./restarting_server.ts";

/** Maximum number of connections, unless the machine allows fewer. */
export const MAX_CONNECTIONS = 1024;
/** Deadline for open answers when stopping, in milliseconds. */
export const STOP_MS = 1000;

/** Answers one request. */
export type RequestHandler = (
  request: Request,
  connection: ClientConnection,
) => Response | Promise<Response>;

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
 * @throws {HttpListenError} when the address cannot be had.
 * @throws {TlsFileError} when the TLS files cannot be used.
 */
export async function listenHttp(
  { address, port, tls }: HttpConfig,
  answer: RequestHandler,
  { clock = systemClock, log = silentLog, maxConnections = MAX_CONNECTIONS }: ListenHttpOptions =
    {},
): Promise<HttpListening> {
  let proxy: ConnectionProxy | undefined;
  /** One for each answer that is not sent completely. */
  const unsent = new Set<Promise<void>>();
  try {
    const { cert, key } = tls === undefined ? {} : await readTls(tls);
    const files = cert === undefined || key === undefined ? {} : { cert, key };
    // No client may use up all connections.
    const all = Math.min(maxConnections, MAX_CONNECTIONS);
    const limits = { all, client: Math.ceil(all / 2) };
    const front = new ConnectionProxy({ hostname: address, port, limits, clock, log });
    proxy = front;
    const take: Deno.ServeHandler<Deno.NetAddr> = (request, { completed, remoteAddr }) => {
      const connection = front.requested(remoteAddr.port);
      if (connection === undefined) {
        const text = "Expected a request to the port, on an open connection";
        return new Response(text, { status: 403 });
      }
      const sent = completed.catch(() => {}).then(() => void unsent.delete(sent));
      unsent.add(sent);
      const { client } = connection;
      return answer(request, { client, dismiss: () => connection.dismiss(sent) });
    };
    const onError = () => new Response(null, { status: 500 });
    const serve = (options: Deno.ServeTcpOptions) =>
      Deno.serve({ ...options, ...files, onError }, take);
    const server = new RestartingServer({ serve, clock, log });
    front.open(server);
    const scheme = tls === undefined ? "http" : "https";
    return {
      url: `${scheme}://${hostPort(address, front.port)}`,
      async stop() {
        await within(Promise.all(unsent), STOP_MS, clock);
        await front.stop();
        await server.stop(STOP_MS);
      },
    };
  } catch (cause) {
    await proxy?.stop();
    if (cause instanceof TlsFileError) throw cause;
    throw new HttpListenError(hostPort(address, port), reasonOf(cause), { cause });
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
