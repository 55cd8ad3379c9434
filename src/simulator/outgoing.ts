// The outgoing messages of a gateway's session: callers' options, faults, counts.
import type { Effect, OpenStatus } from "../gateway/mod.ts";
import type { Command, CommandResponse, Status } from "../protocol/mod.ts";
import { Accounting } from "./accounting.ts";
import type { StatusExtras, StatusResult } from "./events.ts";
import type { SimulationOptions } from "./gateway_options.ts";
import { derivedSeed } from "./misbehavior.ts";
import { FaultInjector, type GatewayWire } from "./fault_injector.ts";

/** The effects of a session that concern its messages. */
type Sending = Effect & { readonly type: "send" };

/** The outgoing side of one gateway. */
export class Outgoing {
  readonly #options: SimulationOptions;
  readonly #wire: GatewayWire;
  readonly #faults: FaultInjector;
  readonly #accounting: Accounting;
  /** What callers said about their statuses, by tag. */
  readonly #extras = new Map<number, StatusExtras>();
  #tag = 0;
  #begun = false;
  /** The command that is being handed out: its response follows. */
  #command: Command | undefined;

  constructor(options: SimulationOptions, wire: GatewayWire) {
    const { misbehavior, seed, settings, stats } = options;
    this.#options = options;
    this.#wire = wire;
    this.#faults = new FaultInjector(wire, stats, misbehavior, derivedSeed(seed, settings.car));
    this.#accounting = new Accounting(stats);
  }

  /** Whether a status waits for the next one to overtake it. */
  get holdsStatus(): boolean {
    return this.#faults.holdsStatus;
  }

  /** When a held message is sent; Infinity when there is none. */
  get flushAt(): number {
    return this.#faults.flushAt;
  }

  /** Sends what has been held back for long enough. */
  tick(now: number): void {
    this.#faults.tick(now);
  }

  /** Sends whatever is held back. */
  flush(): void {
    this.#faults.flush();
  }

  /** Remembers what a caller said about a status, by the tag it is to be handed in with. */
  tagFor(extras: StatusExtras): number {
    this.#extras.set(this.#tag, extras);
    return this.#tag++;
  }

  /** A command is for the response that follows. */
  command(command: Command): void {
    this.#command = command;
  }

  /** Sends what the session wants sent. */
  send({ message, inSequence, tag }: Sending, now: number): void {
    switch (message.kind) {
      case "connect":
        if (this.#begun) this.#options.stats.reconnects += 1;
        this.#begun = true;
        this.#accounting.begin();
        return this.#wire.send(message, 1);
      case "status":
        return inSequence ? this.#sendFirst(message) : this.#sendStatus(message, tag, now);
      case "command_response":
        return this.#sendResponse(message, inSequence, now);
    }
  }

  /** Answers a command, whatever the policy says. */
  respond(response: CommandResponse, inSequence: boolean, now: number): void {
    this.#options.stats.responses += 1;
    if (inSequence) this.#wire.send(response, 1);
    else this.#faults.put(response, now);
  }

  /** An answer of normal communication; false when its status was never sent. */
  answered(open: OpenStatus, now: number): boolean {
    const { status: { messageCounter: counter }, sentAt, tag } = open;
    if (!this.#accounting.answered(open, now)) return false;
    this.done(tag, { answered: true, counter, latencyMs: now - sentAt });
    return true;
  }

  /** How many of these the server can still answer. */
  answerable(open: readonly OpenStatus[]): number {
    return this.#accounting.answerable(open);
  }

  /** A session ended; one that drains wanted its answers. */
  ended({ unanswered, reason, hadRun }: Effect & { type: "ended" }, draining: boolean): void {
    // The first statuses of a session are not counted.
    if (!hadRun) return;
    this.#accounting.ended(unanswered, reason, draining);
    for (const { tag } of unanswered) this.done(tag, { answered: false, reason });
  }

  /** Reports the result of a status to its caller. */
  done(tag: number | null, result: StatusResult): void {
    if (tag === null) return;
    const extras = this.#extras.get(tag);
    this.#extras.delete(tag);
    extras?.done?.(result);
  }

  #sendFirst(status: Status): void {
    const { freshFirstStatuses, payload } = this.#options;
    if (!freshFirstStatuses) return this.#wire.send(status, 1);
    const statusData = payload(status.device, status.messageCounter);
    this.#wire.send({ ...status, statusData }, 1);
  }

  #sendStatus(status: Status, tag: number | null, now: number): void {
    const state = tag === null ? undefined : this.#extras.get(tag)?.state;
    const message = state === undefined ? status : { ...status, deviceState: state };
    const isDropped = this.#faults.put(message, now) === "drop";
    this.#accounting.sent(status.messageCounter, isDropped);
  }

  #sendResponse(response: CommandResponse, inSequence: boolean, now: number): void {
    const { answers, answerType } = this.#options;
    const command = this.#command;
    if (answers === "never" || (answers === "connecting" && !inSequence)) return;
    const type = command === undefined ? undefined : answerType?.(command);
    this.respond(type === undefined ? response : { ...response, type }, inSequence, now);
  }
}
