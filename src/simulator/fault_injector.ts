// Between a session and its connection: makes the faults that are configured.
import type { ClientMessage, CommandResponse, Status } from "../protocol/mod.ts";
import { derivedSeed, type FaultAction, type Misbehavior, MisbehaviorPlan } from "./misbehavior.ts";
import type { GatewayStats } from "./stats.ts";

/** A message held back to be reordered is sent after so long if no other one comes, in milliseconds. */
const HOLD_MS = 1_000;

/** Where messages go. */
export interface GatewayWire {
  /** Publishes one message, so many times; must not throw. */
  send(message: ClientMessage, times: number): void;
}

/** A broker connection that can be opened again. None of these may throw. */
export interface GatewayLinkPort extends GatewayWire {
  /** Connects and subscribes; `linkUp` or `linkDown` follows. */
  open(): void;
  /** Leaves the broker, if there is a connection; no `linkDown` follows. */
  close(): void;
}

/** One kind of message: each has its own plan, so that commands do not change the statuses'. */
interface Channel {
  readonly plan: MisbehaviorPlan;
  held: Status | CommandResponse | undefined;
  flushAt: number;
}

/** Sends, drops, swaps and doubles the statuses and command responses of normal communication. */
export class FaultInjector {
  readonly #wire: GatewayWire;
  readonly #stats: GatewayStats;
  readonly #statuses: Channel;
  readonly #responses: Channel;

  constructor(wire: GatewayWire, stats: GatewayStats, misbehavior: Misbehavior, seed: number) {
    this.#wire = wire;
    this.#stats = stats;
    const channel = (part: string): Channel => ({
      plan: new MisbehaviorPlan(misbehavior, derivedSeed(seed, part)),
      held: undefined,
      flushAt: Infinity,
    });
    this.#statuses = channel("statuses");
    this.#responses = channel("responses");
  }

  /** Whether a status waits for the next one to overtake it. */
  get holdsStatus(): boolean {
    return this.#statuses.held !== undefined;
  }

  /** When a held message is sent; Infinity when there is none. */
  get flushAt(): number {
    return Math.min(this.#statuses.flushAt, this.#responses.flushAt);
  }

  /** Takes one message, and says what it did with it. */
  put(message: Status | CommandResponse, now: number): FaultAction {
    const channel = message.kind === "status" ? this.#statuses : this.#responses;
    const action = channel.plan.next();
    switch (action) {
      case "drop":
        if (message.kind === "status") this.#stats.dropped += 1;
        return action;
      case "reorder":
        if (channel.held !== undefined) break;
        this.#stats.reordered += 1;
        channel.held = message;
        channel.flushAt = now + HOLD_MS;
        return action;
      case "duplicate":
        this.#stats.duplicated += 1;
        this.#wire.send(message, 2);
        this.#release(channel);
        return action;
      case "send":
        break;
    }
    this.#wire.send(message, 1);
    this.#release(channel);
    return "send";
  }

  /** Sends what has been held back for long enough. */
  tick(now: number): void {
    if (now >= this.#statuses.flushAt) this.#release(this.#statuses);
    if (now >= this.#responses.flushAt) this.#release(this.#responses);
  }

  /** Sends whatever is held back. */
  flush(): void {
    this.#release(this.#statuses);
    this.#release(this.#responses);
  }

  #release(channel: Channel): void {
    const { held } = channel;
    if (held === undefined) return;
    channel.held = undefined;
    channel.flushAt = Infinity;
    this.#wire.send(held, 1);
  }
}
