// Clients of the HTTP port that do what no browser should, over bare sockets.
import { type Attack, Connections, paced, readAll, send } from "./attack.ts";

const PIECE_BYTES = 65_536;
/** How many connections are opened at a time. */
const AT_ONCE = 100;

/** Requests that are written at once. */
const PIPELINED = 500;

/** Who is attacked, and with how many connections. */
export interface HttpTarget {
  readonly port: number;
  readonly connections: number;
}

/** What happened on its connections; a class, for the counts are written while it runs. */
class HttpCounts {
  [name: string]: number;
  opened = 0;
  failed = 0;
  /** Those that were sent the beginning of an answer. */
  answered = 0;
  /** By the server. */
  closed = 0;
  sentBytes = 0;
}

/** Opens all connections and plays `act` with each. */
async function withAll(
  { port, connections: count }: HttpTarget,
  act: (conn: Deno.TcpConn, counts: HttpCounts, signal: AbortSignal) => Promise<void>,
  read = true,
): Promise<Attack> {
  const connections = new Connections();
  const counts = new HttpCounts();
  const abort = new AbortController();
  const acts: Promise<unknown>[] = [];
  const one = async () => {
    let conn: Deno.TcpConn;
    try {
      conn = await connections.open(port);
    } catch {
      counts.failed++;
      return;
    }
    counts.opened++;
    let answered = false;
    const reading = !read ? undefined : readAll(conn, () => {
      if (!answered) counts.answered++;
      answered = true;
    }).then(() => {
      if (!abort.signal.aborted) counts.closed++;
      connections.close(conn);
    });
    acts.push(reading ?? Promise.resolve(), act(conn, counts, abort.signal).catch(() => {}));
  };
  for (let left = count; left > 0; left -= AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(left, AT_ONCE) }, one));
  }
  return {
    counts,
    async [Symbol.asyncDispose]() {
      abort.abort();
      connections[Symbol.dispose]();
      await Promise.all(acts);
    },
  };
}

/** Posts a chunked body that never ends, as fast as it is taken. */
export function endlessBody(target: HttpTarget & { readonly path: string }): Promise<Attack> {
  const head = request("POST", target.path, "Transfer-Encoding: chunked");
  const size = PIECE_BYTES.toString(16);
  const chunk = new TextEncoder().encode(`${size}\r\n${" ".repeat(PIECE_BYTES)}\r\n`);
  return withAll(target, async (conn, counts, signal) => {
    await send(conn, head);
    while (!signal.aborted) {
      await send(conn, chunk);
      counts.sentBytes += chunk.length;
    }
  });
}

/** Sends one header after the other, a few bytes at a time, and never the last. */
export function slowHeaders(target: HttpTarget & { readonly perSecond: number }): Promise<Attack> {
  const head = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: localhost\r\n");
  const header = new TextEncoder().encode("X-A: b\r\n");
  return withAll(target, async (conn, counts, signal) => {
    await send(conn, head);
    await paced(target.perSecond, signal, async () => {
      await send(conn, header);
      counts.sentBytes += header.length;
    });
  });
}

/** Asks for something, the event stream for example, and reads none of the answer. */
export function deafRequests(target: HttpTarget & { readonly path: string }): Promise<Attack> {
  const head = request("GET", target.path, "Accept: */*");
  return withAll(target, (conn) => send(conn, head), false);
}

/** Opens connections and sends nothing on them. */
export function idleConnections(target: HttpTarget): Promise<Attack> {
  return withAll(target, () => Promise.resolve());
}

function request(method: string, path: string, header: string): Uint8Array {
  const lines = [`${method} ${path} HTTP/1.1`, "Host: localhost", header, "", ""];
  return new TextEncoder().encode(lines.join("\r\n"));
}

/** Sends one whole request after the other without waiting for answers, which it reads. */
export function pipelinedRequests(target: HttpTarget & { readonly path: string }): Promise<Attack> {
  const requests = new TextEncoder().encode(
    `GET ${target.path} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(PIPELINED),
  );
  return withAll(target, async (conn, counts, signal) => {
    while (!signal.aborted) {
      await send(conn, requests);
      counts.sentBytes += requests.length;
    }
  });
}
