// Which hosts a gateway's module has: as many as it needs, and replaced when they are lost.
import type { Log } from "../../log/mod.ts";
import { type Clock, pauseMs, type TimerHandle } from "../../time/mod.ts";
import type { ModuleHostError, ModuleLoadError } from "../errors.ts";
import { GatewayHost, type GatewayHostOptions } from "./gateway_host.ts";
import type { HostedModuleOptions } from "./model.ts";

/** How long to wait before a lost host is replaced. */
const RESTART = { firstMs: 100, maxMs: 5000 } as const;
/** A series of failures is over this long after the last one, in milliseconds. */
const CALM_MS = 30_000;

/** How many hosts there may be, and who is told. */
export interface GatewayHostsOptions {
  readonly limits: Required<Pick<HostedModuleOptions, "maxHosts" | "spareHosts" | "idleHostMs">>;
  readonly host: Omit<GatewayHostOptions, "signal">;
  /** A further host can take calls. */
  readonly onReady: () => void;
}

/** The hosts of one module. */
export class GatewayHosts {
  /** Hosts that are loaded; the first is used first, so that the others become idle. */
  readonly all: GatewayHost[] = [];
  readonly #options: GatewayHostsOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  /** Hosts that are being started, or ended. */
  readonly #changing = new Set<Promise<void>>();
  readonly #stopped = new AbortController();
  #starting = 0;
  #failures = 0;
  #failedAt = 0;
  #restart: TimerHandle | null = null;
  /** What was logged when a host could not be started: repeated failures are logged once. */
  #startFailure: string | null = null;

  constructor(options: GatewayHostsOptions) {
    this.#options = options;
    this.#log = options.host.log;
    this.#clock = options.host.clock;
  }

  /**
   * Starts the first host; spare hosts follow on their own.
   *
   * @throws see {@linkcode GatewayHost.start}.
   */
  async start(): Promise<void> {
    this.all.push(await this.#open());
    this.adjust();
  }

  /** Whether there are more than needed. */
  get hasSurplus(): boolean {
    return this.all.length > this.#wanted();
  }

  /** Removes a host that was lost; false: it was given up before. */
  lost(host: GatewayHost): boolean {
    const index = this.all.indexOf(host);
    if (index < 0) return false;
    this.all.splice(index, 1);
    this.#onFailure();
    return true;
  }

  /** Starts hosts that are missing: at once, or after a pause when one was lost. */
  adjust(): void {
    if (this.#stopped.signal.aborted || this.#restart !== null) return;
    const missing = this.#wanted() - this.all.length - this.#starting;
    if (missing <= 0) return;
    if (this.#clock.now() - this.#failedAt > CALM_MS) this.#failures = 0;
    if (this.#failures === 0) {
      for (let count = 0; count < missing; count++) this.#track(this.#startHost());
      return;
    }
    const delayMs = pauseMs(this.#failures - 1, RESTART, Math.random());
    this.#restart = this.#clock.set(() => {
      this.#restart = null;
      this.#track(this.#startHost());
    }, delayMs);
  }

  /** Ends a host that nobody has needed for long. */
  retire(now: number): void {
    if (!this.hasSurplus) return;
    const { idleHostMs } = this.#options.limits;
    const index = this.all.findLastIndex((host) =>
      host.openCalls === 0 && now - host.idleSince > idleHostMs
    );
    const [host] = index < 0 ? [] : this.all.splice(index, 1);
    if (host) this.#track(host.end());
  }

  /** Ends all hosts. Never rejects. */
  async stop(): Promise<void> {
    if (this.#restart !== null) this.#clock.clear(this.#restart);
    this.#stopped.abort();
    await Promise.all([...this.all.splice(0).map((host) => host.end()), ...this.#changing]);
  }

  #open(): Promise<GatewayHost> {
    return GatewayHost.start({ ...this.#options.host, signal: this.#stopped.signal });
  }

  /** How many hosts there should be: one that works, spare ones, and one for each that is slow. */
  #wanted(): number {
    const { maxHosts, spareHosts } = this.#options.limits;
    const busy = this.all.filter(({ state }) => state !== "ready").length;
    return Math.min(Math.max(1, maxHosts), 1 + spareHosts + busy);
  }

  async #startHost(): Promise<void> {
    this.#starting++;
    try {
      const host = await this.#open();
      this.#starting--;
      if (this.#stopped.signal.aborted) return await host.end();
      this.all.push(host);
      this.#startFailure = null;
      this.#options.onReady();
    } catch (error) {
      this.#starting--;
      this.#onFailure();
      this.#onStartFailure((error as ModuleLoadError | ModuleHostError).message);
    }
    this.adjust();
  }

  #onFailure(): void {
    this.#failures++;
    this.#failedAt = this.#clock.now();
  }

  #onStartFailure(message: string): void {
    const { module } = this.#options.host.spec;
    if (message !== this.#startFailure && !this.#stopped.signal.aborted) {
      this.#log.error(`Cannot replace a host of module ${module}: ${message}`, { module });
    }
    this.#startFailure = message;
  }

  /** Is awaited by {@linkcode stop}. */
  #track(change: Promise<void>): void {
    const tracked = change.finally(() => this.#changing.delete(tracked));
    this.#changing.add(tracked);
  }
}
