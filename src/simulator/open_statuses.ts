// The statuses of one session that wait for their answer, oldest first.
import { counterDistance } from "../protocol/counter.ts";
import type { EndReason, StatusResult } from "./session_types.ts";
import type { GatewayStats } from "./stats.ts";

/** One status without an answer. */
export interface OpenStatus {
  readonly sentAt: number;
  /** It was not sent, on purpose. */
  readonly dropped: boolean;
  /** It belongs to the connect sequence, which is not counted. */
  readonly first: boolean;
  readonly done: ((result: StatusResult) => void) | undefined;
}

/** Why statuses that end with their session are not the server's fault. */
const OWN_DOING: readonly EndReason[] = ["restarted", "link_dropped", "stopped"];

/** The bookkeeping of one session. */
export class OpenStatuses {
  readonly #stats: GatewayStats;
  readonly #open = new Map<number, OpenStatus>();
  /** The first counter that was dropped: a server in order cannot answer anything after it. */
  #firstDropped: number | undefined;
  #answerable = 0;

  constructor(stats: GatewayStats) {
    this.#stats = stats;
  }

  get size(): number {
    return this.#open.size;
  }

  /** How many of them a server in order can still answer: those before the first dropped one. */
  get answerable(): number {
    return this.#answerable;
  }

  /** The counters, oldest first. */
  get counters(): number[] {
    return [...this.#open.keys()];
  }

  /** The status that has waited longest, and its counter. */
  get oldest(): readonly [counter: number, status: OpenStatus] | undefined {
    for (const entry of this.#open) return entry;
    return undefined;
  }

  add(counter: number, status: OpenStatus): void {
    this.#open.set(counter, status);
    if (status.dropped) this.#firstDropped ??= counter;
    if (this.#firstDropped === undefined) this.#answerable += 1;
  }

  /** Takes an answer; false when no status waits for it. */
  answer(counter: number, now: number): boolean {
    const status = this.#open.get(counter);
    if (status === undefined || status.dropped) return false;
    this.#open.delete(counter);
    if (!this.#isBehindDropped(counter)) this.#answerable -= 1;
    const latencyMs = now - status.sentAt;
    if (!status.first) {
      this.#stats.answered += 1;
      this.#stats.latency.record(latencyMs);
    }
    status.done?.({ answered: true, counter, latencyMs });
    return true;
  }

  /** Gives up everything that is open; a gateway that drains wanted those answers. */
  end(reason: EndReason, draining: boolean): void {
    const ownDoing = OWN_DOING.includes(reason) && !(reason === "stopped" && draining);
    for (const [counter, status] of this.#open) {
      // The first statuses of a session are not counted; a dropped one was when it was dropped.
      if (!status.first && !status.dropped) {
        if (ownDoing || this.#isBehindDropped(counter)) this.#stats.abandoned += 1;
        else this.#stats.unanswered += 1;
      }
      status.done?.({ answered: false, counter, reason });
    }
    this.#open.clear();
    this.#answerable = 0;
  }

  #isBehindDropped(counter: number): boolean {
    const dropped = this.#firstDropped;
    return dropped !== undefined && counterDistance(counter, dropped) > 0;
  }
}
