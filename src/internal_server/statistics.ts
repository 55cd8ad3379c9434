// What an internal server counts, from the effects of its core.
import type { CloseReason, Effect } from "./inputs.ts";

/** Modules that are counted apart; numbers may come from the network. */
const MAX_MODULES = 256;

/** Counts since the server was made. */
export interface InternalServerStatistics {
  /** Open now. */
  readonly connections: number;
  /** Registered now. */
  readonly devices: number;
  readonly accepted: number;
  /** Held now, of frames that are not whole and of statuses without an answer. */
  readonly heldBytes: number;
  readonly statuses: number;
  readonly closed: Readonly<Partial<Record<CloseReason, number>>>;
  /** Answers that took too long, by module; `others` when there are too many. */
  readonly slowAnswers: Readonly<Record<number | "others", number>>;
  readonly lateAnswers: number;
  /** Commands that no device asked for, and none got. */
  readonly droppedCommands: number;
}

/** Counts effects. */
export class EffectCounts {
  statuses = 0;
  lateAnswers = 0;
  droppedCommands = 0;
  readonly #closed = new Map<CloseReason, number>();
  readonly #slowAnswers = new Map<number | "others", number>();

  take(effect: Effect): void {
    switch (effect.type) {
      case "status":
        this.statuses++;
        break;
      case "close":
        this.#closed.set(effect.reason, (this.#closed.get(effect.reason) ?? 0) + 1);
        break;
      case "slow_answer": {
        const { module } = effect.device;
        const isCounted = this.#slowAnswers.has(module) || this.#slowAnswers.size < MAX_MODULES;
        const key = isCounted ? module : "others";
        this.#slowAnswers.set(key, (this.#slowAnswers.get(key) ?? 0) + 1);
        break;
      }
      case "late_answer":
        this.lateAnswers++;
        break;
      case "dropped_command":
        this.droppedCommands++;
    }
  }

  get closed(): InternalServerStatistics["closed"] {
    return Object.fromEntries(this.#closed);
  }

  get slowAnswers(): InternalServerStatistics["slowAnswers"] {
    return Object.fromEntries(this.#slowAnswers) as InternalServerStatistics["slowAnswers"];
  }
}
