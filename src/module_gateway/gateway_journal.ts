// The log lines of a gateway.
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { deviceKey } from "../protocol/mod.ts";
import type { Clock } from "../time/mod.ts";
import { gatewayEventsOf } from "./events.ts";
import type { GatewayTurn, GatewayTurnSubscriber } from "./turn.ts";

/** Lines of one code per minute; further ones are only counted. */
const MAX_LINES = 30;

/** Writes the log; nothing that comes from outside can write more than some lines a minute. */
export class GatewayJournal implements GatewayTurnSubscriber {
  readonly #log: Log;
  readonly #kinds: Once;
  readonly #codes: Once;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#kinds = new Once({ clock });
    this.#codes = new Once({ clock, times: MAX_LINES });
  }

  /** See {@linkcode GatewayTurnSubscriber}. */
  onTurn(turn: GatewayTurn): void {
    for (const { code, level, text, session, device, kind } of gatewayEventsOf(turn)) {
      if (!this.#log.isEnabled(level)) continue;
      const ofKind = kind === null ? 0 : this.#kinds.ask(kind);
      if (ofKind === undefined) continue;
      const count = this.#codes.ask(`${level} ${code}`, ofKind + 1);
      if (count === undefined) continue;
      const line = () => text() + andSuppressed(count);
      const context = {
        session: session ?? undefined,
        device: device === null ? undefined : deviceKey(device),
      };
      if (level === "DEBUG") this.#log.debug(line, context);
      else if (level === "INFO") this.#log.info(line, context);
      else this.#log.warning(line, context);
    }
  }
}
