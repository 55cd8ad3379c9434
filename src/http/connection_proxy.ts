// A proxy in front of Deno's HTTP server, which bounds requests but not connections: it waits
// forever for the rest of a header, and accepts clients until it runs out of file descriptors,
// which the cars' connections need. Every connection is accepted here, and its bytes are passed on
// to the HTTP server's own port on the loopback interface.
import { andSuppressed, type Log, Once, silentLog } from "../log/mod.ts";
import { type Clock, every, ReadShare, sleep, systemClock } from "../time/mod.ts";
import { closeQuietly, ProxiedConnection } from "./proxied_connection.ts";
import { ClientRateLimit } from "./client_rate_limit.ts";

/** Connections at a time, of all clients and of one. */
export interface ConnectionLimits {
  readonly all: number;
  readonly client: number;
}
/** New connections of one client. */
const NEW_CONNECTIONS = { perSecond: 100, burst: 512 } as const;
/** What accepting a connection counts for in a share of a turn, in bytes. */
const ACCEPT_BYTES = 4096;
/**
 * A connection on which the server has sent nothing for so long, or could not, is closed; in
 * milliseconds. Longer than any answer takes, and than the pause between two events.
 */
export const SILENCE_MS = 90_000;
/** The same until the first header is complete, which may come byte by byte. */
export const FIRST_REQUEST_MS = 20_000;
/** How often connections are checked for silence, in milliseconds. */
const LOOK_MS = 10_000;
/** The pause after a connection that could not be accepted, in milliseconds. */
const AGAIN_MS = 50;
/** The HTTP server behind the proxy. */
export interface ProxyTarget {
  /** Its port on 127.0.0.1. */
  readonly port: number;
  /** Reports that nothing listens at this port any more. */
  onRefused(port: number): void;
}

/** What a {@linkcode ConnectionProxy} is made from. */
export interface ConnectionProxyOptions {
  readonly hostname: string;
  readonly port: number;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
  readonly limits: ConnectionLimits;
}

/** The listening side of an HTTP server. */
export class ConnectionProxy {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #once: Once;
  readonly #limits: ConnectionLimits;
  readonly #newConnections: ClientRateLimit;
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Map<ProxiedConnection, Promise<void>>();
  /** How many connections each client has. */
  readonly #perClient = new Map<string, number>();
  /** By the port from which a client's bytes are passed on. */
  readonly #byPort = new Map<number, ProxiedConnection>();
  #accepting: Promise<void> | undefined;
  #endLooking: () => void = () => {};
  #stopped = false;

  /** Binds the port; connections are accepted after {@linkcode ConnectionProxy.open}. */
  constructor(options: ConnectionProxyOptions) {
    const { hostname, port, limits, clock = systemClock, log = silentLog } = options;
    this.#clock = clock;
    this.#log = log;
    this.#once = new Once({ clock });
    this.#limits = limits;
    this.#newConnections = new ClientRateLimit(clock, NEW_CONNECTIONS);
    this.#listener = Deno.listen({ hostname, port });
  }

  /** The port it listens on. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** The number of connections. */
  get size(): number {
    return this.#connections.size;
  }

  /** Starts accepting connections. */
  open(target: ProxyTarget): void {
    this.#endLooking = every(LOOK_MS, () => this.#look(), this.#clock);
    this.#accepting = this.#accept(target);
  }

  /**
   * Notes a request from this port, and returns the connection that it came on; undefined when it
   * did not come through the proxy, or when its client was dismissed.
   */
  requested(port: number): ProxiedConnection | undefined {
    const connection = this.#byPort.get(port);
    if (connection === undefined || connection.isDismissed) return undefined;
    connection.hasAsked = true;
    return connection;
  }

  /** Accepts no more connections, and closes all. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    closeQuietly(this.#listener);
    this.#endLooking();
    for (const connection of this.#connections.keys()) connection.close();
    await Promise.all([this.#accepting, ...this.#connections.values()]);
  }

  async #accept(target: ProxyTarget): Promise<void> {
    const share = new ReadShare();
    while (true) {
      let client: Deno.TcpConn;
      try {
        client = await this.#listener.accept();
      } catch (error) {
        if (this.#stopped) return;
        // The client is gone, or no file descriptors are left.
        this.#warn("accept", () => `Cannot take a connection for operators: ${textOf(error)}`);
        await sleep(AGAIN_MS, this.#clock);
        continue;
      }
      if (this.#stopped) return closeQuietly(client);
      if (this.#admits(client.remoteAddr.hostname)) this.#add(client, target);
      else closeQuietly(client);
      await share.spend(ACCEPT_BYTES);
    }
  }

  #admits(client: string): boolean {
    const { all, client: own } = this.#limits;
    if (this.size >= all || (this.#perClient.get(client) ?? 0) >= own) {
      const limit = this.size >= all ? `${all} connections` : `${own} connections of ${client}`;
      this.#warn("full", () => `Turned ${client} away from the port for operators: ${limit} open`);
      return false;
    }
    return this.#newConnections.allows(client);
  }

  #add(conn: Deno.TcpConn, target: ProxyTarget): void {
    const connection = new ProxiedConnection(conn, this.#clock);
    const { client } = connection;
    this.#perClient.set(client, (this.#perClient.get(client) ?? 0) + 1);
    this.#connections.set(connection, this.#run(connection, target));
  }

  async #run(connection: ProxiedConnection, target: ProxyTarget): Promise<void> {
    const { client } = connection;
    let port: number | undefined;
    try {
      const server = await this.#connect(target);
      port = server.localAddr.port;
      this.#byPort.set(port, connection);
      await connection.run(server);
    } catch {
      // One of the two was closed: close the other one.
    } finally {
      connection.close();
      this.#connections.delete(connection);
      if (port !== undefined) this.#byPort.delete(port);
      const left = (this.#perClient.get(client) ?? 1) - 1;
      if (left > 0) this.#perClient.set(client, left);
      else this.#perClient.delete(client);
    }
  }

  async #connect(target: ProxyTarget): Promise<Deno.TcpConn> {
    const { port } = target;
    try {
      return await Deno.connect({ hostname: "127.0.0.1", port });
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) target.onRefused(port);
      else this.#warn("pass", () => `Cannot pass a connection for operators on: ${textOf(error)}`);
      throw error;
    }
  }

  #warn(kind: string, text: () => string): void {
    const count = this.#once.ask(kind);
    if (count !== undefined) this.#log.warning(() => text() + andSuppressed(count));
  }

  #look(): void {
    const now = this.#clock.now();
    for (const connection of this.#connections.keys()) {
      const silenceMs = connection.hasAsked ? SILENCE_MS : FIRST_REQUEST_MS;
      if (now - connection.heardAt >= silenceMs) connection.close();
    }
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
