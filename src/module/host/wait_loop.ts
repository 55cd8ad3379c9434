// Polls one context for commands, without becoming a busy loop.
import type { CallOutcome } from "../../protocol/mod.ts";
import { backoff, type Clock } from "../../time/mod.ts";
import type { Returned } from "./module.ts";
import type { Notices } from "./notices.ts";

/** What the loop needs of its context; all of it may throw. */
export interface CommandSource {
  /** `wait_for_command`. */
  wait(): Returned<CallOutcome>;
  /** `pop_command`, in turn with the context's other calls: what remains, negative on error. */
  pop(): Promise<number>;
  /** Null, or a promise to wait for while the server accepts commands too slowly. */
  congestion(): Promise<void> | null;
}

/** The parts of a loop. */
export interface WaitLoopOptions {
  /** What `wait_for_command` is called with, in milliseconds. */
  readonly timeoutMs: number;
  readonly notices: Pick<Notices, "say" | "complain" | "onThrown">;
  readonly clock: Clock;
}

/** What some modules return when asked again after their last command. */
const NO_COMMAND = -2;
/** A timeout reported before this share of it has passed means that the module does not wait. */
const EARLY_SHARE = 0.25;

function pauses(): Generator<number, never, void> {
  return backoff({ firstMs: 10, maxMs: 1000, jitter: 0.2 });
}

/**
 * The loop around `wait_for_command` of one context [MODULE-WAIT] [MODULE-POP].
 *
 * OK: pops until none remains, or -2 says so. A timeout: waits again. After errors, OK with nothing
 * to pop, and immediate timeouts, it pauses for 10 ms to 1 s, longer each time, starting over after
 * a success. With a timeout of 0 ms, which polls without waiting, it pauses after every timeout.
 * The loop is held at first.
 */
export class WaitLoop {
  readonly #source: CommandSource;
  readonly #timeoutMs: number;
  readonly #notices: WaitLoopOptions["notices"];
  readonly #clock: Clock;
  #pauses = pauses();
  #held = true;
  #stopped = false;
  #waitingSince: number | null = null;
  /** The start of the wait that was reported. */
  #complainedOf: number | null = null;
  /** Commands the module is known to have. */
  #known = 0;
  /** Whether a command has been popped since the last wait. */
  #popped = false;
  #ended: Promise<void> = Promise.resolve();
  #wake: (() => void) | null = null;

  constructor(source: CommandSource, { timeoutMs, notices, clock }: WaitLoopOptions) {
    this.#source = source;
    this.#timeoutMs = timeoutMs;
    this.#notices = notices;
    this.#clock = clock;
  }

  /** Starts the loop. */
  start(): void {
    this.#ended = this.#run();
  }

  /** Ends the loop; resolves when `wait_for_command` and `pop_command` have returned. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    return this.#ended;
  }

  /** Stops popping until {@linkcode release}; a wait in progress goes on. */
  hold(): void {
    this.#held = true;
  }

  /** Asks for commands again. */
  release(): void {
    this.#held = false;
    this.#wake?.();
  }

  /** Logs, once, that `wait_for_command` has not returned `graceMs` after its timeout. */
  checkWait(graceMs: number): void {
    const since = this.#waitingSince;
    if (since === null || since === this.#complainedOf) return;
    const waitedMs = this.#clock.now() - since;
    if (waitedMs <= this.#timeoutMs + graceMs) return;
    this.#complainedOf = since;
    this.#notices.say(
      `wait_for_command has not come back for ${Math.round(waitedMs)} ms: ` +
        `its timeout is ${this.#timeoutMs} ms`,
    );
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if (this.#held) {
        await this.#pause(null);
        continue;
      }
      const congestion = this.#source.congestion();
      if (congestion) await congestion;
      else await this.#ask(this.#known > 0 ? "popCommand" : "waitForCommand");
    }
  }

  async #ask(functionName: "popCommand" | "waitForCommand"): Promise<void> {
    try {
      await (functionName === "popCommand" ? this.#pop() : this.#wait());
    } catch (error) {
      this.#waitingSince = null;
      this.#known = 0;
      this.#notices.onThrown(functionName, error);
      await this.#backOff();
    }
  }

  async #wait(): Promise<void> {
    const before = this.#clock.now();
    this.#waitingSince = before;
    const outcome = await this.#source.wait();
    this.#waitingSince = null;
    const tookMs = this.#clock.now() - before;
    if (outcome === "ok") {
      this.#known = 1;
      this.#popped = false;
    } else if (outcome !== "timeout_occurred") {
      this.#notices.complain(outcome, `wait_for_command failed: ${outcome}`);
      await this.#backOff();
    } else if (this.#timeoutMs === 0) {
      await this.#backOff();
    } else if (tookMs < Math.max(1, this.#timeoutMs * EARLY_SHARE)) {
      this.#notices.complain(
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
      this.#notices.complain(
        "pop",
        `pop_command failed after wait_for_command said OK: ${remaining}`,
      );
    }
    await this.#backOff();
  }

  async #backOff(): Promise<void> {
    if (!this.#stopped) await this.#pause(this.#pauses.next().value);
  }

  /** Waits for the given time or until the loop is woken; null: only the latter. */
  #pause(durationMs: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = durationMs === null ? null : this.#clock.set(resolve, durationMs);
      this.#wake = () => {
        // A release must not shorten a pause that prevents a busy loop.
        if (timer !== null && !this.#stopped) return;
        if (timer !== null) this.#clock.clear(timer);
        this.#wake = null;
        resolve();
      };
    });
  }
}
