// Opens the byte connection to a broker: TCP, TLS, and WebSocket over either.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { type Endpoint, isWebSocket } from "./address.ts";
import { ConnLink, type Link } from "./link.ts";
import { firstOf } from "../time/mod.ts";
import type { TlsMaterial } from "./tls.ts";
import { openWebSocket } from "./websocket.ts";

/**
 * Connects, through the TLS and WebSocket handshakes; rejects with the runtime's error.
 *
 * `signal` aborts it at any moment, except during the TCP handshake, which the system gives up after two
 * minutes; a connection that results from it is closed. The runtime keeps one that is aborted in its
 * TLS handshake until the other end closes it.
 */
export async function openLink(
  broker: Endpoint,
  tls: TlsMaterial | undefined,
  signal: AbortSignal,
): Promise<Link> {
  const conn = await openTcp(broker, tls);
  // To be closed on abort.
  let close = () => closeQuietly(conn);
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => {
    close();
    aborted.reject(signal.reason);
  };
  const open = async () => {
    // Some supported runtimes lack it on TLS connections.
    if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
    const secure = tls ? await startTls(conn, broker, tls) : conn;
    close = () => closeQuietly(secure);
    signal.throwIfAborted();
    if (tls) await (secure as Deno.TlsConn).handshake();
    const link = new ConnLink(secure);
    close = () => link.destroy();
    signal.throwIfAborted();
    return isWebSocket(broker.protocol) ? await openWebSocket(link, broker) : link;
  };
  signal.addEventListener("abort", onAbort);
  try {
    signal.throwIfAborted();
    return await firstOf(open(), aborted.promise);
  } catch (error) {
    close();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Tries every address of the host; the runtime itself tries only the first. */
async function openTcp(broker: Endpoint, tls: TlsMaterial | undefined): Promise<Deno.Conn> {
  const { host, port } = broker;
  if (tls?.cert !== undefined && tls.key !== undefined) {
    // Only this function accepts a client certificate, and it requires the name, not an address.
    const { cert, key } = tls;
    return await Deno.connectTls({ hostname: host, port, ...authorities(tls), cert, key });
  }
  const addresses = isIP(host) ? [host] : (await lookup(host, { all: true })).map((a) => a.address);
  let failure: unknown = new Error(`getaddrinfo: no address for "${host}"`);
  for (const hostname of addresses) {
    try {
      return await Deno.connect({ hostname, port });
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Wraps a plain connection in TLS; the handshake follows. */
async function startTls(
  conn: Deno.Conn,
  { host }: Endpoint,
  tls: TlsMaterial,
): Promise<Deno.Conn> {
  if ("handshake" in conn) return conn;
  return await Deno.startTls(conn as Deno.TcpConn, { hostname: host, ...authorities(tls) });
}

function authorities({ ca }: TlsMaterial): { caCerts?: string[] } {
  return ca === undefined ? {} : { caCerts: [ca] };
}

function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It was closed, or has become a TLS connection.
  }
}
