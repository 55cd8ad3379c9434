// Detects calls that take too long, and waits that do not return.
import { type Clock, every } from "../../time/mod.ts";
import type { HostedContext } from "./hosted_context.ts";
import type { ModuleFunction, RunningCall } from "./module.ts";

/** A check that is later than this means that the process was stopped, not busy; in milliseconds. */
const STOPPED_MS = 3000;

/** What is watched, and what is done about it. */
export interface CallWatchOptions {
  /** How long one call may be executed, in milliseconds; `wait_for_command` excepted. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly contexts: ReadonlyMap<number, HostedContext>;
  /** A call has taken longer than that; called at each check. */
  readonly onOverdue: (index: number, functionName: ModuleFunction, elapsedMs: number) => void;
}

/** Watches over the calls of one host. */
export class CallWatch {
  readonly #options: CallWatchOptions;
  readonly #intervalMs: number;
  /** Calls of contexts that are being made, or are there for a trial only. */
  readonly #making = new Map<number, RunningCall>();
  #end: () => void = () => {};
  #checkedAt = 0;
  /** When this process was last resumed; the time before does not count for calls. */
  #resumedAt = -Infinity;

  constructor(options: CallWatchOptions) {
    this.#options = options;
    this.#intervalMs = Math.min(1000, Math.max(10, options.timeoutMs / 8));
  }

  /** Starts to check periodically. */
  start(): void {
    const { clock } = this.#options;
    this.#checkedAt = clock.now();
    this.#end = every(this.#intervalMs, () => this.#check(), clock);
  }

  /** Stops checking. */
  stop(): void {
    this.#end();
  }

  /** A function is being executed for a context that is being made, or is only a trial. */
  began(index: number, functionName: ModuleFunction): void {
    this.#making.set(index, { functionName, since: this.#options.clock.now() });
  }

  /** The call that {@linkcode began} reported is over. */
  ended(index: number): void {
    this.#making.delete(index);
  }

  #check(): void {
    const { clock, contexts, timeoutMs } = this.#options;
    const now = clock.now();
    if (now - this.#checkedAt > this.#intervalMs + STOPPED_MS) this.#resumedAt = now;
    this.#checkedAt = now;
    for (const [index, call] of this.#making) this.#checkCall(index, call, now);
    for (const [index, { calls, commands }] of contexts) {
      if (calls.running) this.#checkCall(index, calls.running, now);
      commands.checkWait(timeoutMs);
    }
  }

  #checkCall(index: number, { functionName, since }: RunningCall, now: number): void {
    const elapsedMs = Math.round(now - Math.max(since, this.#resumedAt));
    if (elapsedMs <= this.#options.timeoutMs) return;
    this.#options.onOverdue(index, functionName, elapsedMs);
  }
}
