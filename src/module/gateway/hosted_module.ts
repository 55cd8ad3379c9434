// A module of a Module Gateway in host processes of its own. One host makes one call after the
// other; when a call is slow, the others go on in the next host, which stands by.
import { type Log, silentLog } from "../../log/mod.ts";
import { type Clock, pauseMs, systemClock, type TimerHandle } from "../../time/mod.ts";
import { ModuleHostError, ModuleLoadError } from "../errors.ts";
import type {
  GatewayCall,
  GatewayFunction,
  GatewayModule,
  GatewayReturn,
} from "../gateway_call.ts";
import { connectHost } from "../process/connect_host.ts";
import type { HostExit } from "../process/host_process.ts";
import { type CallCounter, GatewayStatistics } from "../statistics.ts";
import { ReturnKind } from "../wire/gateway_frames.ts";
import {
  type Answer,
  type Connect,
  GatewayHost,
  type GatewayHostListener,
  type GatewayHostOptions,
} from "./gateway_host.ts";
import type { GatewayModuleSpec, HostedModuleOptions, HostedModuleSnapshot } from "./model.ts";
import { bytesOf, HOST_LOST, type OpenCall, outcomeIndexOf } from "./open_call.ts";
import { SlowSpell } from "./slow_spell.ts";

/** Calls that wait for a host: far more than devices that are served at all. */
const WAITING = { calls: 10_000, bytes: 64 * 1024 * 1024 } as const;
/** How long to wait before a lost host is replaced. */
const RESTART = { firstMs: 100, maxMs: 5000 } as const;
/** A series of failures is over this long after the last one, in milliseconds. */
const CALM_MS = 30_000;
/** How often to look at hosts and spells while there are no calls, in milliseconds. */
const IDLE_CHECK_MS = 1000;
/** A check that is later than this means that this process was stopped, not busy; in ms. */
const STOPPED_MS = 3000;

const DEFAULTS = {
  slowCallMs: 50,
  callTimeoutMs: 5000,
  maxHosts: 4,
  spareHosts: 1,
  idleHostMs: 60_000,
  startTimeoutMs: 10_000,
  maxMemoryBytes: 0,
} as const;

/** A module in its hosts; see {@linkcode HostedModuleOptions}. */
export class HostedGatewayModule implements GatewayModule, GatewayHostListener {
  readonly number: number;
  readonly #spec: GatewayModuleSpec;
  readonly #options: Required<HostedModuleOptions>;
  readonly #hostOptions: GatewayHostOptions;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #counters: Record<GatewayFunction, CallCounter>;
  readonly #spell: SlowSpell;
  /** Hosts that are loaded; the first is used first, so that the others become idle. */
  readonly #hosts: GatewayHost[] = [];
  /** Hosts that are being started, or ended. */
  readonly #changing = new Set<Promise<void>>();
  #starting = 0;
  #waiting: OpenCall[] = [];
  #waitingBytes = 0;
  #failures = 0;
  #failedAt = 0;
  #restart: TimerHandle | null = null;
  #check: TimerHandle | null = null;
  /** Whether the next check is one for open calls. */
  #isWatching = false;
  #checkDueAt = 0;
  #isSecondCheck = false;
  /** When this process was last resumed; the time before does not count for calls. */
  #resumedAt = -Infinity;
  #lostHosts = 0;
  #lastLoss: string | null = null;
  /** What was logged when a host could not be started: repeated failures are logged once. */
  #startFailure: string | null = null;
  readonly #missing = new Set<GatewayFunction>();
  readonly #stopped = new AbortController();
  #stopping: Promise<void> | null = null;

  private constructor(spec: GatewayModuleSpec, options: HostedModuleOptions, connect: Connect) {
    const { log = silentLog, clock = systemClock, onOutput = () => {} } = options;
    const statistics = options.statistics ?? new GatewayStatistics();
    const settings = { ...DEFAULTS, log, clock, onOutput, statistics, ...options };
    const { startTimeoutMs, maxMemoryBytes } = settings;
    this.number = spec.module;
    this.#spec = spec;
    this.#options = settings;
    this.#log = log;
    this.#clock = clock;
    this.#counters = statistics.ofModule(spec.module);
    this.#spell = new SlowSpell(spec.module, settings.slowCallMs);
    this.#hostOptions = {
      spec,
      listener: this,
      startTimeoutMs,
      maxMemoryBytes,
      onOutput,
      log,
      clock,
      connect,
      signal: this.#stopped.signal,
    };
  }

  /**
   * Starts the first host and loads the library; spare hosts follow on their own.
   *
   * @param connect what starts a process @default {a module host}
   * @throws {ModuleLoadError} when the library cannot be used: names module and path.
   * @throws {ModuleHostError} when no process can be started.
   */
  static async start(
    spec: GatewayModuleSpec,
    options: HostedModuleOptions = {},
    connect: Connect = connectHost,
  ): Promise<HostedGatewayModule> {
    const module = new HostedGatewayModule(spec, options, connect);
    module.#hosts.push(await GatewayHost.start(module.#hostOptions));
    module.#adjust();
    return module;
  }

  /** See {@linkcode GatewayModule}. */
  call(call: GatewayCall): Promise<GatewayReturn> {
    return new Promise((resolve, reject) => {
      const counter = this.#counters[call.name];
      const bytes = bytesOf(call);
      const queuedAt = this.#clock.now();
      const open = { call, bytes, counter, queuedAt, resolve, reject, isSuspect: false };
      if (this.#stopping) return this.#lose(open, "it is stopped");
      if (this.#isFull(bytes)) {
        return this.#lose(open, `${this.#waiting.length} calls wait already`);
      }
      this.#waiting.push(open);
      this.#waitingBytes += bytes;
      this.#dispatch();
      if (!this.#isWatching) this.#arm();
    });
  }

  /** The module as plain data. */
  snapshot(): HostedModuleSnapshot {
    const { module, libPath } = this.#spec;
    return {
      module,
      libPath,
      waitingCalls: this.#waiting.length,
      isSlow: this.#spell.lasts,
      lostHosts: this.#lostHosts,
      lastLoss: this.#lastLoss,
      hosts: this.#hosts.map(({ pid, state, openCalls, residentBytes }) => ({
        pid,
        state,
        openCalls,
        residentBytes,
      })),
    };
  }

  /** Ends all hosts; open calls fail. Idempotent; never rejects. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  /** See {@linkcode GatewayHostListener}. */
  onReturned(_host: GatewayHost, open: OpenCall, returned: GatewayReturn, answer: Answer): void {
    const { name } = open.call;
    const { kind, tookUs } = answer;
    open.counter.add(outcomeIndexOf(returned.code), tookUs);
    if (tookUs > this.#options.slowCallMs * 1000) this.#onSlow(name, tookUs / 1000);
    if (kind === ReturnKind.THREW) {
      const text = new TextDecoder().decode(returned.data);
      open.reject(new ModuleHostError(`Cannot call ${name} of module ${this.number}: ${text}`));
    } else {
      if (kind === ReturnKind.WITHOUT_DATA) this.#onMissing(name);
      open.resolve(returned);
    }
    if (this.#waiting.length > 0) this.#dispatch();
  }

  /** See {@linkcode GatewayHostListener}. */
  onWithdrawn(_host: GatewayHost, calls: OpenCall[]): void {
    this.#putBack(calls);
  }

  /** See {@linkcode GatewayHostListener}. */
  onExited(host: GatewayHost, reason: string, exit: HostExit): void {
    const index = this.#hosts.indexOf(host);
    const open = host.clear();
    if (index < 0) return;
    this.#hosts.splice(index, 1);
    this.#lostHosts++;
    this.#lastLoss = reason;
    const during = open[0] && !host.isHung ? ` during ${open[0].call.name}` : "";
    const { module } = this.#spec;
    this.#log.error(`Module host ${host.pid} of module ${module} was lost${during}: ${reason}`, {
      module,
    });
    this.#putBack(this.#withoutCulprit(host, open, reason, exit));
    this.#onFailure();
    this.#adjust();
  }

  #onFailure(): void {
    this.#failures++;
    this.#failedAt = this.#clock.now();
  }

  /** Rejects the call that ended a host, if it is known; the others may be made again. */
  #withoutCulprit(host: GatewayHost, open: OpenCall[], reason: string, exit: HostExit): OpenCall[] {
    if (host.isHung) {
      const hung = open.shift();
      if (hung) this.#lose(hung, `the module host was killed: ${reason}`);
      return open;
    }
    // Killed for its memory, by an operator, or by the kernel when memory ran out.
    if (host.outgrown || !host.killed && exit.signal === "SIGKILL") return open;
    const [only] = open;
    if (open.length === 1 && only) {
      this.#lose(only, `the module host was lost: ${reason}`);
      return [];
    }
    // The oldest may have returned, and its answer may be lost with the host.
    for (const call of open) call.isSuspect = true;
    return open;
  }

  #onSlow(name: GatewayFunction, tookMs: number): void {
    const text = this.#spell.slow(name, tookMs, this.#clock.now());
    if (text !== null) this.#log.warning(text, { module: this.number });
  }

  #onMissing(name: GatewayFunction): void {
    if (this.#missing.has(name)) return;
    this.#missing.add(name);
    const text = `Module ${this.number}: ${name} returned OK without data, which counts as empty`;
    this.#log.warning(text, { module: this.number });
  }

  #isFull(bytes: number): boolean {
    return this.#waiting.length >= WAITING.calls ||
      this.#waiting.length > 0 && this.#waitingBytes + bytes > WAITING.bytes;
  }

  /** These calls come before all others. */
  #putBack(calls: OpenCall[]): void {
    for (const { bytes } of calls) this.#waitingBytes += bytes;
    this.#waiting.unshift(...calls);
    if (this.#stopping) this.#loseWaiting();
    else this.#dispatch();
  }

  #dispatch(): void {
    for (let open = this.#waiting[0]; open !== undefined; open = this.#waiting[0]) {
      const next = open;
      const host = this.#hosts.find((candidate) => candidate.accepts(next));
      if (host === undefined) return;
      this.#waiting.shift();
      this.#waitingBytes -= open.bytes;
      if (!host.send(open)) this.#lose(open, `its data is too large: ${open.bytes} bytes`);
    }
  }

  #lose({ call, counter, reject }: OpenCall, why: string): void {
    counter.add(HOST_LOST, 0);
    reject(new ModuleHostError(`Cannot call ${call.name} of module ${this.number}: ${why}`));
  }

  #loseWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const open of waiting) this.#lose(open, "it is stopped");
  }

  /** Waits for the next check: a short time while calls are open, or if there is anything to check. */
  #arm(): void {
    this.#isWatching = this.#waiting.length > 0 ||
      this.#hosts.some(({ openCalls }) => openCalls > 0);
    if (this.#isWatching) this.#checkAfter(Math.max(5, this.#options.slowCallMs / 2));
    else if (this.#hosts.length > this.#wanted() || this.#spell.lasts) {
      this.#checkAfter(IDLE_CHECK_MS);
    }
  }

  #checkAfter(delayMs: number): void {
    if (this.#check !== null) this.#clock.clear(this.#check);
    this.#check = null;
    if (this.#stopping) return;
    this.#checkDueAt = this.#clock.now() + delayMs;
    this.#check = this.#clock.set(() => this.#onCheck(), delayMs);
  }

  #onCheck(): void {
    this.#check = null;
    const now = this.#clock.now();
    const lateMs = now - this.#checkDueAt;
    if (lateMs > STOPPED_MS) this.#resumedAt = now;
    // This process was busy: what hosts have answered meanwhile is read first.
    else if (lateMs > this.#options.slowCallMs / 2 && !this.#isSecondCheck) {
      this.#isSecondCheck = true;
      return this.#checkAfter(1);
    }
    this.#isSecondCheck = false;
    for (const host of [...this.#hosts]) this.#judge(host, now);
    this.#loseOverdue(now);
    this.#retire(now);
    this.#adjust();
    const over = this.#spell.check(now);
    if (over !== null) this.#log.info(over, { module: this.number });
    this.#arm();
  }

  #judge(host: GatewayHost, now: number): void {
    const { running } = host;
    if (running === undefined || host.state === "stopping") return;
    const { callTimeoutMs, slowCallMs } = this.#options;
    const elapsedMs = Math.round(now - Math.max(host.runningSince, this.#resumedAt));
    if (elapsedMs > callTimeoutMs) {
      host.isHung = true;
      this.#onSlow(running.call.name, elapsedMs);
      host.kill(`${running.call.name} has not come back for ${elapsedMs} ms`);
    } else if (elapsedMs > slowCallMs && host.state === "ready") {
      host.markSlow();
    }
  }

  /** No host was free for calls that have waited for long. */
  #loseOverdue(now: number): void {
    const { callTimeoutMs } = this.#options;
    const waitedMs = ({ queuedAt }: OpenCall) => now - Math.max(queuedAt, this.#resumedAt);
    if (!this.#waiting.some((open) => waitedMs(open) > callTimeoutMs)) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const open of waiting) {
      if (waitedMs(open) <= callTimeoutMs) {
        this.#waiting.push(open);
        continue;
      }
      this.#waitingBytes -= open.bytes;
      this.#lose(open, `no module host was free for ${callTimeoutMs} ms`);
    }
  }

  /** Ends a host that nobody has needed for long. */
  #retire(now: number): void {
    if (this.#hosts.length <= this.#wanted()) return;
    const index = this.#hosts.findLastIndex((host) =>
      host.openCalls === 0 && now - host.idleSince > this.#options.idleHostMs
    );
    const [host] = index < 0 ? [] : this.#hosts.splice(index, 1);
    if (host) this.#track(host.end());
  }

  /** How many hosts there should be: one that works, spare ones, and one for each that is slow. */
  #wanted(): number {
    const { maxHosts, spareHosts } = this.#options;
    const busy = this.#hosts.filter(({ state }) => state !== "ready").length;
    return Math.min(Math.max(1, maxHosts), 1 + spareHosts + busy);
  }

  /** Starts hosts that are missing: at once, or after a pause when the last one was lost. */
  #adjust(): void {
    if (this.#stopping || this.#restart !== null) return;
    const missing = this.#wanted() - this.#hosts.length - this.#starting;
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

  async #startHost(): Promise<void> {
    this.#starting++;
    try {
      const host = await GatewayHost.start(this.#hostOptions);
      this.#starting--;
      if (this.#stopping) return await host.end();
      this.#hosts.push(host);
      this.#startFailure = null;
      this.#dispatch();
      if (this.#check === null) this.#arm();
    } catch (error) {
      this.#starting--;
      this.#onFailure();
      const { message } = error as ModuleLoadError | ModuleHostError;
      if (message !== this.#startFailure && !this.#stopping) {
        this.#log.error(`Cannot replace a host of module ${this.number}: ${message}`, {
          module: this.number,
        });
      }
      this.#startFailure = message;
    }
    this.#adjust();
  }

  /** Is awaited by {@linkcode stop}. */
  #track(change: Promise<void>): void {
    const tracked = change.finally(() => this.#changing.delete(tracked));
    this.#changing.add(tracked);
  }

  async #stop(): Promise<void> {
    if (this.#check !== null) this.#clock.clear(this.#check);
    if (this.#restart !== null) this.#clock.clear(this.#restart);
    this.#loseWaiting();
    this.#stopped.abort();
    const hosts = this.#hosts.splice(0);
    for (const host of hosts) for (const open of host.clear()) this.#lose(open, "it is stopped");
    await Promise.all([...hosts.map((host) => host.end()), ...this.#changing]);
  }
}

/**
 * Finds out whether a library can be loaded as a module of a gateway, in a host of its own: one that
 * crashes or hangs ends only that. Returns why not.
 *
 * @throws {ModuleHostError} when no process can be started.
 */
export async function tryGatewayModule(
  spec: GatewayModuleSpec,
  options: HostedModuleOptions = {},
): Promise<ModuleLoadError | null> {
  try {
    const module = await HostedGatewayModule.start(spec, { ...options, spareHosts: 0 });
    await module.stop();
    return null;
  } catch (error) {
    if (error instanceof ModuleLoadError) return error;
    throw error;
  }
}
