// A module of a Module Gateway in host processes of its own. One host makes one call after the
// other; when a call is slow, the others go on in the next host, which stands by.
import { type Log, silentLog } from "../../log/mod.ts";
import { type Clock, systemClock } from "../../time/mod.ts";
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
import { CallChecks, type Need } from "./call_checks.ts";
import type { Answer, Connect, GatewayHost, GatewayHostListener } from "./gateway_host.ts";
import { GatewayHosts } from "./gateway_hosts.ts";
import type { GatewayModuleSpec, HostedModuleOptions, HostedModuleSnapshot } from "./model.ts";
import { bytesOf, HOST_LOST, type OpenCall, outcomeIndexOf } from "./open_call.ts";
import { SlowSpell } from "./slow_spell.ts";
import { WaitingCalls } from "./waiting_calls.ts";

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
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #counters: Record<GatewayFunction, CallCounter>;
  readonly #spell: SlowSpell;
  readonly #hosts: GatewayHosts;
  readonly #waiting = new WaitingCalls();
  readonly #checks: CallChecks;
  #lostHosts = 0;
  #lastLoss: string | null = null;
  readonly #missing = new Set<GatewayFunction>();
  #stopping: Promise<void> | null = null;

  private constructor(spec: GatewayModuleSpec, options: HostedModuleOptions, connect: Connect) {
    const { log = silentLog, clock = systemClock, onOutput = () => {} } = options;
    const statistics = options.statistics ?? new GatewayStatistics();
    const settings = { ...DEFAULTS, log, clock, onOutput, statistics, ...options };
    const { startTimeoutMs, maxMemoryBytes, maxHosts, spareHosts, idleHostMs } = settings;
    this.number = spec.module;
    this.#spec = spec;
    this.#options = settings;
    this.#log = log;
    this.#clock = clock;
    this.#counters = statistics.ofModule(spec.module);
    this.#spell = new SlowSpell(spec.module, settings.slowCallMs);
    this.#hosts = new GatewayHosts({
      limits: { maxHosts, spareHosts, idleHostMs },
      host: { spec, listener: this, connect, startTimeoutMs, maxMemoryBytes, onOutput, log, clock },
      onReady: () => {
        this.#dispatch();
        this.#checks.changed();
      },
    });
    this.#checks = new CallChecks({
      limitMs: Math.min(settings.slowCallMs, settings.callTimeoutMs),
      clock,
      need: () => this.#need(),
      onCheck: (now) => this.#onCheck(now),
    });
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
    await module.#hosts.start();
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
      if (!this.#waiting.add(open)) {
        return this.#lose(open, `${this.#waiting.size} calls wait already`);
      }
      this.#dispatch();
      this.#checks.called();
    });
  }

  /** The module as plain data. */
  snapshot(): HostedModuleSnapshot {
    const { module, libPath } = this.#spec;
    return {
      module,
      libPath,
      waitingCalls: this.#waiting.size,
      isSlow: this.#spell.lasts,
      lostHosts: this.#lostHosts,
      lastLoss: this.#lastLoss,
      hosts: this.#hosts.all.map(({ pid, state, openCalls, residentBytes }) => ({
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
    if (this.#waiting.size > 0) this.#dispatch();
  }

  /** See {@linkcode GatewayHostListener}. */
  onWithdrawn(_host: GatewayHost, calls: OpenCall[]): void {
    this.#putBack(calls);
  }

  /** See {@linkcode GatewayHostListener}. */
  onExited(host: GatewayHost, reason: string, exit: HostExit): void {
    const open = host.clear();
    if (!this.#hosts.lost(host)) return;
    this.#lostHosts++;
    this.#lastLoss = reason;
    const during = open[0] && !host.isHung ? ` during ${open[0].call.name}` : "";
    const { module } = this.#spec;
    this.#log.error(`Module host ${host.pid} of module ${module} was lost${during}: ${reason}`, {
      module,
    });
    this.#putBack(this.#withoutCulprit(host, open, reason, exit));
    this.#hosts.adjust();
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

  /** These calls come before all others. */
  #putBack(calls: OpenCall[]): void {
    this.#waiting.putBack(calls);
    if (this.#stopping) this.#loseWaiting();
    else this.#dispatch();
  }

  #dispatch(): void {
    for (let open = this.#waiting.first; open !== undefined; open = this.#waiting.first) {
      const next = open;
      const host = this.#hosts.all.find((candidate) => candidate.accepts(next));
      if (host === undefined) return;
      this.#waiting.shift();
      if (!host.send(open)) this.#lose(open, `its data is too large: ${open.bytes} bytes`);
    }
  }

  #lose({ call, counter, reject }: OpenCall, why: string): void {
    counter.add(HOST_LOST, 0);
    reject(new ModuleHostError(`Cannot call ${call.name} of module ${this.number}: ${why}`));
  }

  #loseWaiting(): void {
    for (const open of this.#waiting.take(() => true)) this.#lose(open, "it is stopped");
  }

  #need(): Need {
    const { all, hasSurplus } = this.#hosts;
    if (this.#waiting.size > 0 || all.some(({ openCalls }) => openCalls > 0)) return "calls";
    return hasSurplus || this.#spell.lasts ? "more" : "nothing";
  }

  #onCheck(now: number): void {
    for (const host of [...this.#hosts.all]) this.#judge(host, now);
    this.#loseOverdue(now);
    this.#hosts.retire(now);
    this.#hosts.adjust();
    const over = this.#spell.check(now);
    if (over !== null) this.#log.info(over, { module: this.number });
  }

  #judge(host: GatewayHost, now: number): void {
    const { running } = host;
    if (running === undefined || host.state === "stopping") return;
    const { callTimeoutMs, slowCallMs } = this.#options;
    const elapsedMs = Math.round(this.#checks.elapsedMs(host.runningSince, now));
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
    const isOverdue = ({ queuedAt }: OpenCall) =>
      this.#checks.elapsedMs(queuedAt, now) > callTimeoutMs;
    for (const open of this.#waiting.take(isOverdue)) {
      this.#lose(open, `no module host was free for ${callTimeoutMs} ms`);
    }
  }

  async #stop(): Promise<void> {
    this.#checks.stop();
    this.#loseWaiting();
    for (const host of this.#hosts.all) {
      for (const open of host.clear()) this.#lose(open, "it is stopped");
    }
    await this.#hosts.stop();
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
