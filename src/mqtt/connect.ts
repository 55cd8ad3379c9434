// Opens the byte connection to a broker: TCP, TLS, and WebSocket over either.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { BrokerConfig } from "../config/model.ts";
import { ConnLink, type Link } from "./link.ts";
import type { TlsMaterial } from "./tls.ts";
import { openWebSocket } from "./websocket.ts";

/** How the broker is called in logs: `mqtts://broker.test:8883`. */
export function brokerAddress({ protocol, host, port, path }: BrokerConfig): string {
  return `${protocol}://${isIP(host) === 6 ? `[${host}]` : host}:${port}${path}`;
}

/**
 * Connects, through the TLS and WebSocket handshakes; rejects with the runtime's error.
 *
 * `signal` ends it at any moment, but for the TCP handshake, which the system gives up after two
 * minutes: a connection that comes of it is closed.
 */
export async function openLink(
  broker: BrokerConfig,
  tls: TlsMaterial | undefined,
  signal: AbortSignal,
): Promise<Link> {
  const conn = await openTcp(broker, tls);
  const close = () => closeQuietly(conn);
  signal.addEventListener("abort", close);
  try {
    signal.throwIfAborted();
    // Not every supported runtime has it on TLS connections.
    if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
    const secure = await secured(conn, broker, tls);
    const { protocol } = broker;
    const link = new ConnLink(secure);
    return protocol === "ws" || protocol === "wss" ? await openWebSocket(link, broker) : link;
  } catch (error) {
    close();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

/** Tries every address the host has, as the runtime itself tries only the first. */
async function openTcp(broker: BrokerConfig, tls: TlsMaterial | undefined): Promise<Deno.Conn> {
  const { host, port } = broker;
  if (tls?.cert !== undefined && tls.key !== undefined) {
    // Only this function takes a client certificate, and it wants the name, not an address.
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

/** Ends the TLS handshake, begins it where that is not done yet. */
async function secured(
  conn: Deno.Conn,
  { host }: BrokerConfig,
  tls: TlsMaterial | undefined,
): Promise<Deno.Conn> {
  if (!tls) return conn;
  const secure = "handshake" in conn
    ? conn as Deno.TlsConn
    : await Deno.startTls(conn as Deno.TcpConn, { hostname: host, ...authorities(tls) });
  try {
    await secure.handshake();
    return secure;
  } catch (error) {
    closeQuietly(secure);
    throw error;
  }
}

function authorities({ ca }: TlsMaterial): { caCerts?: string[] } {
  return ca === undefined ? {} : { caCerts: [ca] };
}

function closeQuietly(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It is closed, or has become a TLS connection.
  }
}
