// The health of one car, folded over its turns. A turn costs a few comparisons; shares, ages and
// queues are looked at once a second.
import type { Turn } from "../../car/mod.ts";
import { type Failure, oldestUnanswered, queueDepths, type Session } from "../../session/mod.ts";
import {
  type CauseCode,
  type HealthState,
  isSessionLoss,
  type Thresholds,
  type Trouble,
  type Unserved,
} from "./health.ts";
import type { HostCrash } from "./host_crash.ts";
import type { KeptTrouble } from "./kept_incidents.ts";
import { Share } from "./share.ts";
import { Troubles } from "./troubles.ts";

/** A backlog that does not even wait so long is traffic, in milliseconds. */
const BACKLOG_AGE_MS = 1000;

const ALL_SERVED: Unserved = { count: 0, reasons: [] };

/** What is known of one car's health. */
export class CarHealth {
  /** When a gateway was last heard, whatever it said; `null`: not yet. */
  lastMessageAt: number | null = null;
  /** The last crash that took its modules. */
  crash: HostCrash | null = null;
  /** Devices of the session that are not connected. */
  unserved: Unserved = ALL_SERVED;
  /** Forwarded statuses by module. */
  readonly statuses = new Map<number, Share>();
  readonly commands = new Share();
  readonly #troubles = new Troubles();
  #session: Session | null = null;
  #state: HealthState = "down";
  #since: number;
  #rotatedAt: number;
  #slowestMs = 0;
  #slowestBeforeMs = 0;
  #slowModule: number | null = null;
  #unansweredBefore = 0;

  /** @param now when the car began, without broker and modules */
  constructor(now: number) {
    this.#since = this.#rotatedAt = now;
    this.#troubles.begin("broker_away", now, { planned: true });
    this.#troubles.begin("modules_away", now, { planned: true });
  }

  get state(): HealthState {
    return this.#state;
  }

  get since(): number {
    return this.#since;
  }

  /** Whether there is nothing to tell. */
  get isWell(): boolean {
    return this.#troubles.isEmpty;
  }

  /** Those that are over were not told yet. */
  get troubles(): Iterable<Trouble> {
    return this.#troubles;
  }

  /** The longest response in the window, or the age of what still waits, in milliseconds. */
  slowestMs(now: number): number {
    const oldest = this.#session === null ? null : oldestUnanswered(this.#session);
    const ageMs = oldest?.receivedAt === undefined ? 0 : now - oldest.receivedAt;
    return Math.max(this.#slowestMs, this.#slowestBeforeMs, ageMs);
  }

  /** Statuses received but not answered. */
  get unanswered(): number {
    return this.#session === null ? 0 : queueDepths(this.#session).statuses;
  }

  /** A status goes to a module. */
  forwarded(module: number): void {
    this.#shareOf(module).count();
  }

  /** A status was answered after so long. */
  answered(tookMs: number, module: number): void {
    if (tookMs <= this.#slowestMs) return;
    this.#slowestMs = tookMs;
    this.#slowModule = module;
  }

  /** The gateway has refused a command. */
  refused(): void {
    this.commands.count();
    this.commands.refuse();
  }

  /** A session ended. */
  ended({ reason, detail, waitedMs }: Failure, at: number): void {
    if (!isSessionLoss(reason)) return;
    const waited = waitedMs > 0 ? ` (${Number((waitedMs / 1000).toFixed(1))} s)` : "";
    this.#troubles.begin(reason, at, { detail: detail + waited, unserved: this.unserved });
  }

  /**
   * What every turn has.
   *
   * @returns whether the state or a cause is another one
   */
  onTurn({ input, before, after, at }: Turn): boolean {
    switch (input.type) {
      case "message":
      case "rejected":
        this.lastMessageAt = at;
        break;
      case "call_failed":
        if (input.call.startsWith("forward_")) this.#shareOf(input.device.module).refuse();
        break;
      case "broker_leaving":
        this.#troubles.begin("broker_away", at, { planned: true, detail: input.detail });
        break;
      case "broker_lost":
        if (!this.#troubles.isOpen("broker_away")) {
          this.#troubles.begin("broker_away", at, { detail: input.detail });
        }
    }
    const known = this.#session;
    this.#session = after;
    if (
      known !== null && before.kind === after.kind && before.base.paused === after.base.paused &&
      before.base.modulesReady === after.base.modulesReady
    ) return false;
    this.#onChange(after, at);
    return true;
  }

  /**
   * A second has passed.
   *
   * @returns whether the state or a cause is another one
   */
  second(now: number, thresholds: Thresholds): boolean {
    if (now - this.#rotatedAt >= thresholds.windowMs / 2) this.#rotate(now);
    if (this.#session?.kind !== "running") return this.#giveUp(now, thresholds);
    const held = this.#session.base.commands.held;
    let changed = false;
    const judge = (code: CauseCode, isSo: boolean, module: number | null = null) => {
      if (isSo === this.#troubles.isOpen(code, module)) return;
      changed = true;
      if (isSo) this.#troubles.begin(code, now, { module });
      else this.#troubles.end(code, now, module);
    };
    for (const [module, share] of this.statuses) {
      judge("module_refuses_statuses", share.isHigh(thresholds.refusedPercent), module);
    }
    const slow = this.slowestMs(now) >= thresholds.slowResponseMs;
    if (slow) this.#slowModule = this.#stuckModule(now, thresholds) ?? this.#slowModule;
    judge("slow_responses", slow);
    judge("growing_backlog", this.#isBacklog(now, thresholds));
    judge("commands_kept", held.length > 0);
    judge("gateway_refuses_commands", this.commands.isHigh(thresholds.refusedPercent));
    judge("devices_not_connected", this.unserved.count > 0);
    if (changed) this.#refresh(now);
    return changed;
  }

  /** Waits no longer for a gateway that was lost and says nothing, while it could be heard. */
  #giveUp(now: number, { switchedOffMs }: Thresholds): boolean {
    const isDeaf = this.#session === null || this.#session.kind === "offline";
    if (switchedOffMs === 0 || isDeaf) return false;
    return this.#troubles.giveUp(now, this.lastMessageAt ?? 0, switchedOffMs);
  }

  /** The module that a cause is about. */
  moduleOf(car: string, { code, module }: Trouble): number | null {
    switch (code) {
      case "slow_responses":
        return this.#slowModule;
      case "commands_kept":
        return this.#session?.base.commands.held[0] ?? null;
      case "devices_not_connected":
        return this.unserved.reasons[0]?.module ?? null;
      case "modules_away":
        return this.crash?.moduleOf(car) ?? null;
      default:
        return module;
    }
  }

  /** See {@linkcode Troubles.keep}. */
  keep(): KeptTrouble[] {
    return this.#troubles.keep();
  }

  /** See {@linkcode Troubles.restore}. */
  restore(kept: readonly KeptTrouble[]): void {
    this.#troubles.restore(kept);
  }

  /** See {@linkcode Troubles.told}. */
  told(): void {
    this.#troubles.told();
  }

  #onChange({ kind, base }: Session, at: number): void {
    const isStopped = kind === "stopped";
    if (kind !== "offline") this.#troubles.end("broker_away", at);
    else if (!this.#troubles.isOpen("broker_away")) this.#troubles.begin("broker_away", at, {});
    if (base.modulesReady || isStopped) this.#troubles.end("modules_away", at);
    else if (!this.#troubles.isOpen("modules_away")) {
      this.crash = null;
      this.#troubles.begin("modules_away", at, { planned: true });
    }
    const isOver = kind === "running" || base.paused || isStopped;
    if (isOver) this.#troubles.endAll("waiting", at);
    if (kind !== "running") this.#troubles.endAll("degraded", at);
    if (kind !== "running") this.#slowestMs = this.#slowestBeforeMs = this.#unansweredBefore = 0;
    if (kind !== "running" && kind !== "connecting") {
      this.statuses.clear();
      this.commands.reset();
    }
    this.#refresh(at);
  }

  #isBacklog(now: number, { backlog }: Thresholds): boolean {
    const { unanswered } = this;
    if (this.#troubles.isOpen("growing_backlog")) return unanswered * 2 > backlog;
    if (unanswered < backlog || unanswered <= this.#unansweredBefore) return false;
    const oldest = this.#session === null ? null : oldestUnanswered(this.#session);
    return oldest?.receivedAt !== undefined && now - oldest.receivedAt >= BACKLOG_AGE_MS;
  }

  /** The module that has had the oldest status for too long. */
  #stuckModule(now: number, { slowResponseMs }: Thresholds): number | null {
    const oldest = this.#session === null ? null : oldestUnanswered(this.#session);
    const isStuck = oldest?.receivedAt !== undefined && now - oldest.receivedAt >= slowResponseMs;
    return isStuck ? oldest.device.module : null;
  }

  #rotate(now: number): void {
    this.#rotatedAt = now;
    for (const share of this.statuses.values()) share.rotate();
    this.commands.rotate();
    this.#slowestBeforeMs = this.#slowestMs;
    this.#slowestMs = 0;
    this.#unansweredBefore = this.unanswered;
  }

  #shareOf(module: number): Share {
    let share = this.statuses.get(module);
    if (share === undefined) this.statuses.set(module, share = new Share());
    return share;
  }

  #refresh(at: number): void {
    const state = this.#judged();
    if (state === this.#state) return;
    this.#state = state;
    this.#since = at;
  }

  #judged(): HealthState {
    const session = this.#session;
    const { severity } = this.#troubles;
    if (severity === "down") return "down";
    if (session?.base.paused) return "paused";
    if (session?.kind !== "running") return "waiting";
    return severity === "degraded" ? "degraded" : "healthy";
  }
}
