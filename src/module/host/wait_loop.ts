// Asks one context for commands, again and again, without ever becoming a busy loop.
import { backoff, systemClock, type TimerHandle } from "../../time/mod.ts";
import type { CallOutcome } from "../../protocol/mod.ts";

/** What the loop needs of its context. */
export interface CommandSource {
  /** `wait_for_command`. */
  wait(): Promise<CallOutcome>;
  /** `pop_command`, in turn with the context's other calls: what remains, negative on error. */
  pop(): Promise<number>;
  /** Null, or a promise to wait for while the server takes commands too slowly. */
  congestion(): Promise<void> | null;
  /** Something to log. */
  notice(text: string): void;
}

/** The same complaint is made at most this often, in milliseconds. */
const COMPLAINT_INTERVAL_MS = 60_000;
/** What the field's example module answers when it is asked once more after its last command. */
const NO_COMMAND = -2;
/** A timeout that comes sooner than this share of it is no answer but a refusal to wait. */
const EARLY_SHARE = 0.25;

function pauses(): Generator<number, never, void> {
  return backoff({ firstMs: 10, maxMs: 1000, jitter: 0.2 });
}

/**
 * The loop around `wait_for_command` of one context [MODULE-WAIT] [MODULE-POP].
 *
 * OK: pops until none remains, or -2 says so. A timeout: waits again. Errors, OK with nothing to pop,
 * and timeouts that come at once make pauses that grow from 10 ms to 1 s and start over after a
 * success. With a timeout of 0 ms, which asks without waiting, every timeout makes such a pause.
 * The loop begins held.
 */
export class WaitLoop {
  readonly #source: CommandSource;
  readonly #timeoutMs: number;
  readonly #complaints = new Map<string, number>();
  #pauses = pauses();
  #held = true;
  #stopped = false;
  #waitingSince: number | null = null;
  /** Commands the module is known to have. */
  #known = 0;
  /** Whether a command has been popped since the last wait. */
  #popped = false;
  #ended: Promise<void> = Promise.resolve();
  #wake: (() => void) | null = null;

  constructor(source: CommandSource, timeoutMs: number) {
    this.#source = source;
    this.#timeoutMs = timeoutMs;
  }

  /** Starts the loop. */
  start(): void {
    this.#ended = this.#run();
  }

  /** Ends the loop; resolves when `wait_for_command` and `pop_command` have come back. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    return this.#ended;
  }

  /** Pops no more until {@linkcode release}; a wait that is under way goes on. */
  hold(): void {
    this.#held = true;
  }

  /** Asks for commands again. */
  release(): void {
    this.#held = false;
    this.#wake?.();
  }

  /** Since when `wait_for_command` has not come back; null while it is not being called. */
  get waitingSince(): number | null {
    return this.#waitingSince;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#held) {
        await this.#pause(null);
        continue;
      }
      const congestion = this.#source.congestion();
      if (congestion) await congestion;
      else if (this.#known > 0) await this.#pop();
      else await this.#wait();
    }
  }

  async #wait(): Promise<void> {
    const before = systemClock.now();
    this.#waitingSince = before;
    const outcome = await this.#source.wait();
    this.#waitingSince = null;
    const tookMs = systemClock.now() - before;
    if (outcome === "ok") {
      this.#known = 1;
      this.#popped = false;
    } else if (outcome !== "timeout_occurred") {
      this.#complain(outcome, `wait_for_command failed: ${outcome}`);
      await this.#backOff();
    } else if (this.#timeoutMs === 0) {
      await this.#backOff();
    } else if (tookMs < Math.max(1, this.#timeoutMs * EARLY_SHARE)) {
      this.#complain(
        outcome,
        `wait_for_command does not wait: TIMEOUT_OCCURRED after ${Math.round(tookMs)} ms ` +
          `instead of ${this.#timeoutMs} ms`,
      );
      await this.#backOff();
    } else {
      this.#pauses = pauses();
    }
  }

  async #pop(): Promise<void> {
    const remaining = await this.#source.pop();
    if (remaining >= 0) {
      this.#known = remaining;
      this.#popped = true;
      this.#pauses = pauses();
      return;
    }
    this.#known = 0;
    if (remaining === NO_COMMAND) {
      if (this.#popped) return;
    } else {
      this.#complain("pop", `pop_command failed after wait_for_command said OK: ${remaining}`);
    }
    await this.#backOff();
  }

  async #backOff(): Promise<void> {
    if (!this.#stopped) await this.#pause(this.#pauses.next().value);
  }

  /** Waits until the time is over or somebody wakes the loop; null: only the latter. */
  #pause(durationMs: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer: TimerHandle | null = durationMs === null
        ? null
        : systemClock.set(resolve, durationMs);
      this.#wake = () => {
        // A release must not cut a pause short that keeps the loop from spinning.
        if (timer !== null && !this.#stopped) return;
        if (timer !== null) systemClock.clear(timer);
        this.#wake = null;
        resolve();
      };
    });
  }

  #complain(kind: string, text: string): void {
    const now = systemClock.now();
    const last = this.#complaints.get(kind);
    if (last !== undefined && now - last < COMPLAINT_INTERVAL_MS) return;
    this.#complaints.set(kind, now);
    this.#source.notice(text);
  }
}
