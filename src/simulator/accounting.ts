// Accounts for each status of a simulated gateway, for its statistics.
import type { EndReason, OpenStatus } from "../gateway/mod.ts";
import { counterDistance } from "../protocol/mod.ts";
import type { GatewayStats } from "./stats.ts";

/** Why statuses that end with their session are not the server's fault. */
const OWN_DOING: readonly EndReason[] = ["restarted", "link_dropped", "stopped"];

/** The bookkeeping of one session after the other. */
export class Accounting {
  readonly #stats: GatewayStats;
  /** Counters of this session that were never sent, on purpose. */
  readonly #dropped = new Set<number>();
  /** The first of them: the server cannot answer anything after it. */
  #firstDropped: number | undefined;

  constructor(stats: GatewayStats) {
    this.#stats = stats;
  }

  /** A session begins; the first statuses of one are not counted. */
  begin(): void {
    this.#dropped.clear();
    this.#firstDropped = undefined;
  }

  /** A status of normal communication; dropped ones are not sent, on purpose. */
  sent(counter: number, isDropped: boolean): void {
    this.#stats.sent += 1;
    if (!isDropped) return;
    this.#dropped.add(counter);
    this.#firstDropped ??= counter;
  }

  /** A response; false when its status was never sent. */
  answered({ status, sentAt }: OpenStatus, now: number): boolean {
    if (this.#dropped.has(status.messageCounter)) return false;
    this.#stats.answered += 1;
    this.#stats.latency.record(now - sentAt);
    return true;
  }

  /** How many of these the server can still answer: those before the first dropped one. */
  answerable(open: readonly OpenStatus[]): number {
    return this.#firstDropped === undefined
      ? open.length
      : open.filter(({ status }) => !this.#isBehindDropped(status.messageCounter)).length;
  }

  /** Gives up what is open; a gateway that drains wanted those answers. */
  ended(unanswered: readonly OpenStatus[], reason: EndReason, draining: boolean): void {
    const ownDoing = OWN_DOING.includes(reason) && !(reason === "stopped" && draining);
    for (const { status: { messageCounter } } of unanswered) {
      // A dropped one was counted when it was dropped.
      if (this.#dropped.has(messageCounter)) continue;
      if (ownDoing || this.#isBehindDropped(messageCounter)) this.#stats.abandoned += 1;
      else this.#stats.unanswered += 1;
    }
  }

  #isBehindDropped(counter: number): boolean {
    const dropped = this.#firstDropped;
    return dropped !== undefined && counterDistance(counter, dropped) >= 0;
  }
}
