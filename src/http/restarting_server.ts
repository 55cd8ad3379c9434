// Deno's HTTP server, on a loopback port that only the proxy uses. It ends when it cannot accept a
// connection, for example without file descriptors; then it is restarted.
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { backoff, type Clock, type TimerHandle, within } from "../time/mod.ts";

/** The pauses before a restart, in milliseconds. */
const PAUSES = { firstMs: 100, maxMs: 10_000 } as const;
/** After a server has lived so long, pauses start over; in milliseconds. */
const PROVEN_MS = 60_000;

/** What an {@linkcode RestartingServer} is made from. */
export interface RestartingServerOptions {
  readonly serve: (options: Deno.ServeTcpOptions) => Deno.HttpServer<Deno.NetAddr>;
  readonly clock: Clock;
  readonly log: Log;
}

/** An HTTP server that restarts. */
export class RestartingServer {
  readonly #options: RestartingServerOptions;
  readonly #once: Once;
  /** Servers that have not ended: one that accepts no more connections still serves those it has. */
  readonly #servers = new Map<Deno.HttpServer<Deno.NetAddr>, AbortController>();
  #current: Deno.HttpServer<Deno.NetAddr>;
  #startedAt: number;
  #pauses = backoff(PAUSES);
  #restarting: TimerHandle | null = null;
  #stopped = false;

  /** Starts it; throws when that cannot be done. */
  constructor(options: RestartingServerOptions) {
    this.#options = options;
    this.#once = new Once({ clock: options.clock });
    this.#current = this.#start();
    this.#startedAt = options.clock.now();
  }

  /** Its port, which changes with a restart. */
  get port(): number {
    return this.#current.addr.port;
  }

  /** Reports that nothing listens at this port: not every runtime reports that its server ended. */
  onRefused(port: number): void {
    if (port === this.port) this.#startAnew("it takes no more connections");
  }

  /** Ends every request. Never rejects. */
  async stop(withinMs: number): Promise<void> {
    this.#stopped = true;
    if (this.#restarting !== null) this.#options.clock.clear(this.#restarting);
    const ended = [...this.#servers].map(([server, abort]) => {
      abort.abort();
      return server.finished.catch(() => {});
    });
    // Not with shutdown(), which waits for stalled clients and cannot be aborted.
    await within(Promise.all(ended), withinMs, this.#options.clock);
  }

  #start(): Deno.HttpServer<Deno.NetAddr> {
    const abort = new AbortController();
    const server = this.#options.serve({
      hostname: "127.0.0.1",
      port: 0,
      signal: abort.signal,
      onListen: () => {},
    });
    this.#servers.set(server, abort);
    const onEnd = (error?: Error) => {
      this.#servers.delete(server);
      if (server === this.#current) this.#startAnew(error?.message ?? "it has ended");
    };
    server.finished.then(() => onEnd(), onEnd);
    return server;
  }

  #startAnew(reason: string): void {
    if (this.#stopped || this.#restarting !== null) return;
    const { clock, log } = this.#options;
    if (clock.now() - this.#startedAt >= PROVEN_MS) this.#pauses = backoff(PAUSES);
    const count = this.#once.ask("restart");
    if (count !== undefined) {
      log.warning(() => `Restarting the HTTP server: ${reason}${andSuppressed(count)}`);
    }
    this.#restarting = clock.set(() => {
      this.#restarting = null;
      try {
        this.#current = this.#start();
        this.#startedAt = clock.now();
      } catch (error) {
        this.#startAnew(error instanceof Error ? error.message : String(error));
      }
    }, this.#pauses.next().value);
  }
}
