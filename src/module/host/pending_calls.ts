// The calls of one context that wait for their turn in the host, and can be withdrawn.
import type { DeviceData } from "../wire/device_data.ts";
import { mayWithdraw } from "../wire/frames.ts";

/** A call that the server has asked for. */
export interface PendingCall {
  /** A `FrameKind` that is a call. */
  readonly kind: number;
  readonly argument: number;
  readonly about: DeviceData;
}

/** What has a turn: a call, the outcome of one that will not be made, or something of the host's. */
export type PendingTurn = PendingCall | "withdrawn" | "not_ok" | (() => void);

/** Turns in order. The server's window bounds their number. */
export class PendingCalls {
  #turns: PendingTurn[] = [];
  #next = 0;

  /** Adds a turn behind all others. */
  add(turn: PendingTurn): void {
    this.#turns.push(turn);
  }

  /** Takes the next turn; undefined when there is none. */
  next(): PendingTurn | undefined {
    const turn = this.#turns[this.#next];
    if (turn === undefined) {
      this.#turns.length = 0;
      this.#next = 0;
      return undefined;
    }
    this.#next++;
    if (this.#next > 64 && this.#next * 2 > this.#turns.length) {
      this.#turns.splice(0, this.#next);
      this.#next = 0;
    }
    return turn;
  }

  /** Withdraws the calls that {@linkcode mayWithdraw} allows: of each, only its turn remains. */
  withdraw(): void {
    this.#turns = this.#turns.slice(this.#next).map((turn) =>
      typeof turn === "object" && mayWithdraw(turn.kind, turn.argument) ? "withdrawn" : turn
    );
    this.#next = 0;
  }
}
