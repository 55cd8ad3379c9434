// Tells turns to subscribers, and takes what drivers must not fail of.
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import type { Clock } from "../time/mod.ts";
import type { GatewayTurn, GatewayTurnSubscriber } from "./turn.ts";

/** The subscribers of one gateway. */
export class Turns {
  readonly #subscribers: readonly GatewayTurnSubscriber[];
  readonly #log: Log;
  readonly #once: Once;

  constructor(subscribers: readonly GatewayTurnSubscriber[], log: Log, clock: Clock) {
    this.#subscribers = subscribers;
    this.#log = log;
    this.#once = new Once({ clock });
  }

  tell(turn: GatewayTurn): void {
    for (const subscriber of this.#subscribers) {
      this.guard("a subscriber", () => subscriber.onTurn(turn));
    }
  }

  /** Calls something; what it throws is a defect, which is logged and has no other effect. */
  guard(where: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      const count = this.#once.ask(where);
      if (count === undefined) return;
      const text = error instanceof Error ? error.stack : error;
      this.#log.critical(() => `Defect in ${where}: ${text}${andSuppressed(count)}`);
    }
  }
}
