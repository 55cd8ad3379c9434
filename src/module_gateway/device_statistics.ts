// What a gateway counts of its devices, from turns.
import type { DeviceCounts } from "./snapshot.ts";
import type { GatewayTurn, GatewayTurnSubscriber } from "./turn.ts";

/** Counts since it was made. */
export class DeviceStatistics implements GatewayTurnSubscriber {
  #statuses = 0;
  #reports = 0;
  #commandsSent = 0;
  #dead = 0;
  readonly #dropped: Record<string, number> = {};
  readonly #failedCalls: Record<string, number> = {};

  /** See {@linkcode GatewayTurnSubscriber}. */
  onTurn(turn: GatewayTurn): void {
    if (turn.kind === "session") return;
    if (turn.input.type === "status") this.#statuses++;
    for (const effect of turn.effects) {
      switch (effect.type) {
        case "report":
          this.#reports++;
          break;
        case "answer_status":
          if (effect.command.length > 0) this.#commandsSent++;
          break;
        case "push":
          this.#commandsSent++;
          break;
        case "dead":
          this.#dead++;
          break;
        case "dropped":
          count(this.#dropped, `${effect.what} ${effect.reason}`);
          break;
        case "call_failed":
          count(this.#failedCalls, effect.name);
      }
    }
  }

  snapshot(): DeviceCounts {
    return {
      statuses: this.#statuses,
      reports: this.#reports,
      commandsSent: this.#commandsSent,
      dead: this.#dead,
      dropped: { ...this.#dropped },
      failedCalls: { ...this.#failedCalls },
    };
  }
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
