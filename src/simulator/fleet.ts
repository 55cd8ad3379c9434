// Many simulated gateways in one process, counted together.
import { every, systemClock } from "../time/mod.ts";
import type { GatewayEvent, Violation } from "./events.ts";
import { Gateway } from "./gateway.ts";
import type { GatewayOptions } from "./gateway_options.ts";
import { GatewayStats } from "./stats.ts";
import { Waiters } from "./waiters.ts";

/** Gateways started per second by default: brokers accept so many connections. */
const DEFAULT_STARTS_PER_SECOND = 500;
const START_TICK_MS = 10;
const KEPT_VIOLATIONS = 1_000;

export interface FleetOptions {
  /** One for each gateway; `stats` and `keptCommands` are the fleet's own. */
  readonly gateways: readonly GatewayOptions[];
  /** @default {500} */
  readonly startsPerSecond?: number;
}

/** Rates since the last call. */
export interface FleetRates {
  readonly seconds: number;
  readonly sentPerSecond: number;
  readonly answeredPerSecond: number;
  readonly commandsPerSecond: number;
}

/** Hundreds of gateways: one timer and one broker connection each, one set of counts for all. */
export class Fleet {
  readonly gateways: readonly Gateway[];
  readonly stats: GatewayStats = new GatewayStats();
  /** Rules that the server has broken, the first 1,000. */
  readonly violations: Violation[] = [];
  readonly #startsPerSecond: number;
  readonly #allRunning = new Waiters<void>();
  readonly #running = new Set<Gateway>();
  readonly #everRan = new Set<Gateway>();
  /** What last went wrong with those that have never run. */
  readonly #troubles = new Map<Gateway, string>();
  #endStarting: (() => void) | undefined;
  #lookedAt = 0;
  #seen = { sent: 0, answered: 0, commands: 0 };

  constructor(options: FleetOptions) {
    const { gateways, startsPerSecond = DEFAULT_STARTS_PER_SECOND } = options;
    this.#startsPerSecond = startsPerSecond;
    this.gateways = gateways.map((one) => {
      const gateway = new Gateway({ ...one, stats: this.stats, keptCommands: 0 });
      gateway.listen((event) => this.#onEvent(gateway, event));
      return gateway;
    });
  }

  /** How many gateways are in normal communication now. */
  get running(): number {
    return this.#running.size;
  }

  /** How many gateways have been in normal communication at least once. */
  get everRan(): number {
    return this.#everRan.size;
  }

  /** Why gateways have never been in normal communication, and how many each. */
  get reasonsNotToRun(): ReadonlyMap<string, number> {
    const reasons = new Map<string, number>();
    for (const gateway of this.gateways) {
      if (this.#everRan.has(gateway)) continue;
      const reason = this.#troubles.get(gateway) ?? "no server has answered";
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    }
    return reasons;
  }

  /** Statuses without an answer, over all gateways. */
  get inFlight(): number {
    return this.gateways.reduce((sum, gateway) => sum + gateway.inFlight, 0);
  }

  /** Starts the gateways, a few every 10 ms. */
  start(): this {
    if (this.#endStarting !== undefined) return this;
    this.#lookedAt = systemClock.now();
    const startedAt = this.#lookedAt;
    let started = 0;
    const startDue = () => {
      const seconds = (systemClock.now() - startedAt + START_TICK_MS) / 1000;
      const due = Math.min(this.gateways.length, Math.ceil(seconds * this.#startsPerSecond));
      while (started < due) this.gateways[started++]?.start();
      if (started >= this.gateways.length) this.#endStarting?.();
    };
    this.#endStarting = every(START_TICK_MS, startDue);
    startDue();
    return this;
  }

  /**
   * Resolves once every gateway is in normal communication at the same time.
   *
   * @throws {GatewayTimeoutError}
   */
  allRunning(timeoutMs: number): Promise<void> {
    if (this.running === this.gateways.length) return Promise.resolve();
    return this.#allRunning.next(`${this.gateways.length} gateways to run`, timeoutMs);
  }

  /** Rates since the last call, or the start. */
  rates(): FleetRates {
    const now = systemClock.now();
    const seconds = (now - this.#lookedAt) / 1000;
    const { sent, answered, commands } = this.stats;
    const per = (count: number) => seconds > 0 ? count / seconds : 0;
    const rates = {
      seconds,
      sentPerSecond: per(sent - this.#seen.sent),
      answeredPerSecond: per(answered - this.#seen.answered),
      commandsPerSecond: per(commands - this.#seen.commands),
    };
    this.#lookedAt = now;
    this.#seen = { sent, answered, commands };
    return rates;
  }

  /** Resets all counts, for example after a warm-up. */
  resetStats(): void {
    this.stats.reset();
    this.#seen = { sent: 0, answered: 0, commands: 0 };
    this.#lookedAt = systemClock.now();
  }

  /** Stops sending; resolves with whether every status was answered that can be. */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#endStarting?.();
    const drained = await Promise.all(this.gateways.map((gateway) => gateway.drain(timeoutMs)));
    return drained.every((done) => done);
  }

  /** Stops all gateways, each in at most a second; nothing is left. Idempotent. */
  async stop(): Promise<void> {
    this.#endStarting?.();
    this.#endStarting = undefined;
    await Promise.all(this.gateways.map((gateway) => gateway.stop()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #onEvent(gateway: Gateway, event: GatewayEvent): void {
    switch (event.kind) {
      case "running":
        this.#running.add(gateway);
        this.#everRan.add(gateway);
        this.#troubles.delete(gateway);
        if (this.running === this.gateways.length) this.#allRunning.offer();
        return;
      case "ended":
        this.#running.delete(gateway);
        if (event.reason !== "stopped") this.#note(gateway, event.detail);
        return;
      case "link_failed":
        return this.#note(gateway, event.detail);
      case "violation":
        if (this.violations.length < KEPT_VIOLATIONS) this.violations.push(event.violation);
        return;
    }
  }
  #note(gateway: Gateway, trouble: string): void {
    if (!this.#everRan.has(gateway)) this.#troubles.set(gateway, trouble);
  }
}
