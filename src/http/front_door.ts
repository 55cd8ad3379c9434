// A proxy in front of Deno's HTTP server, which bounds requests but not connections: it waits forever for
// the rest of a header, and accepts clients until it runs out of file descriptors, which the cars'
// connections need. Every connection is accepted here, and its bytes are passed on to the HTTP server's
// own port on the loopback interface.
import { andSuppressed, type Log, Once, silentLog } from "../log/mod.ts";
import { type Clock, ReadShare, systemClock, type TimerHandle } from "../time/mod.ts";
import { RateLimit } from "./guard.ts";
import { closeQuietly, Passage } from "./passage.ts";

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
export interface InnerServer {
  /** Its port on 127.0.0.1. */
  readonly port: number;
  /** Reports that nothing listens at this port any more. */
  onRefused(port: number): void;
}

/** What a {@linkcode FrontDoor} is made from. */
export interface FrontDoorOptions {
  readonly hostname: string;
  readonly port: number;
  readonly clock?: Clock | undefined;
  readonly log?: Log | undefined;
  readonly limits: ConnectionLimits;
}

/** The listening side of an HTTP server. */
export class FrontDoor {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #once: Once;
  readonly #limits: ConnectionLimits;
  readonly #newConnections: RateLimit;
  readonly #listener: Deno.TcpListener;
  readonly #passages = new Map<Passage, Promise<void>>();
  /** How many connections each client has. */
  readonly #perClient = new Map<string, number>();
  /** By the port from which a client's bytes are passed on. */
  readonly #byPort = new Map<number, Passage>();
  #accepting: Promise<void> | undefined;
  #looking: TimerHandle | null = null;
  #stopped = false;

  /** Binds the port; connections are accepted after {@linkcode FrontDoor.open}. */
  constructor(options: FrontDoorOptions) {
    const { hostname, port, limits, clock = systemClock, log = silentLog } = options;
    this.#clock = clock;
    this.#log = log;
    this.#once = new Once({ clock });
    this.#limits = limits;
    this.#newConnections = new RateLimit(clock, NEW_CONNECTIONS);
    this.#listener = Deno.listen({ hostname, port });
  }

  /** The port it listens on. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** The number of connections. */
  get size(): number {
    return this.#passages.size;
  }

  /** Starts accepting connections. */
  open(inner: InnerServer): void {
    this.#accepting = this.#accept(inner);
  }

  /**
   * Notes a request from this port, and returns its client; undefined when it did not come through the
   * proxy, or when its client was dismissed.
   */
  requested(port: number): string | undefined {
    const passage = this.#byPort.get(port);
    if (passage === undefined || passage.isDismissed) return undefined;
    passage.hasAsked = true;
    return passage.client;
  }

  /**
   * Closes the connection from this port as soon as `answered` has settled; nothing that the client sends
   * from now on is passed on. The proxy must close it, as some supported runtimes read the rest of a body
   * for as long as it comes.
   */
  dismiss(port: number, answered: Promise<unknown>): void {
    this.#byPort.get(port)?.dismiss(answered);
  }

  /** Accepts no more connections, and closes all. Never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    closeQuietly(this.#listener);
    if (this.#looking !== null) this.#clock.clear(this.#looking);
    this.#looking = null;
    for (const passage of this.#passages.keys()) passage.close();
    await Promise.all([this.#accepting, ...this.#passages.values()]);
  }

  async #accept(inner: InnerServer): Promise<void> {
    const share = new ReadShare();
    while (true) {
      let outer: Deno.TcpConn;
      try {
        outer = await this.#listener.accept();
      } catch (error) {
        if (this.#stopped) return;
        // The client is gone, or no file descriptors are left.
        this.#warn("accept", () => `Cannot take a connection for operators: ${textOf(error)}`);
        await new Promise<void>((resolve) => this.#clock.set(resolve, AGAIN_MS));
        continue;
      }
      if (this.#stopped) return closeQuietly(outer);
      if (this.#admits(outer.remoteAddr.hostname)) this.#letIn(outer, inner);
      else closeQuietly(outer);
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

  #letIn(outer: Deno.TcpConn, server: InnerServer): void {
    const passage = new Passage(outer, this.#clock);
    const { client } = passage;
    this.#perClient.set(client, (this.#perClient.get(client) ?? 0) + 1);
    this.#looking ??= this.#clock.set(() => this.#look(), LOOK_MS);
    this.#passages.set(passage, this.#pass(passage, server));
  }

  async #pass(passage: Passage, server: InnerServer): Promise<void> {
    const { client } = passage;
    let port: number | undefined;
    try {
      const inner = await this.#connect(server);
      port = inner.localAddr.port;
      this.#byPort.set(port, passage);
      await passage.run(inner);
    } catch {
      // One of the two was closed: close the other one.
    } finally {
      passage.close();
      this.#passages.delete(passage);
      if (port !== undefined) this.#byPort.delete(port);
      const left = (this.#perClient.get(client) ?? 1) - 1;
      if (left > 0) this.#perClient.set(client, left);
      else this.#perClient.delete(client);
    }
  }

  async #connect(server: InnerServer): Promise<Deno.TcpConn> {
    const { port } = server;
    try {
      return await Deno.connect({ hostname: "127.0.0.1", port });
    } catch (error) {
      if (error instanceof Deno.errors.ConnectionRefused) server.onRefused(port);
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
    for (const passage of this.#passages.keys()) {
      const silenceMs = passage.hasAsked ? SILENCE_MS : FIRST_REQUEST_MS;
      if (now - passage.heardAt >= silenceMs) passage.close();
    }
    this.#looking = this.size === 0 ? null : this.#clock.set(() => this.#look(), LOOK_MS);
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
