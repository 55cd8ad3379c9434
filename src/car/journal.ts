// The log lines of one car.
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { deviceKey } from "../protocol/mod.ts";
import type { Clock } from "../time/mod.ts";
import { type CarEvent, eventsOf } from "./events.ts";
import type { Turn, TurnSubscriber } from "./turn.ts";

export interface JournalOptions {
  /** The log of this car. */
  readonly log: Log;
  readonly clock: Clock;
  /** The session of a defect. */
  readonly sessionId: () => string | null;
}

/** Lines of one code per minute; further ones are only counted. */
const MAX_LINES = 30;

/**
 * Writes the log of one car; a level that is off costs one comparison.
 *
 * Nothing that comes from outside can write more than 30 lines of one code in a minute, or one of a
 * kind. The next line says how many were left out.
 */
export class CarJournal implements TurnSubscriber {
  readonly #log: Log;
  readonly #kinds: Once;
  readonly #codes: Once;
  readonly #sessionId: () => string | null;

  constructor({ log, clock, sessionId }: JournalOptions) {
    this.#log = log;
    this.#kinds = new Once({ clock });
    this.#codes = new Once({ clock, times: MAX_LINES });
    this.#sessionId = sessionId;
  }

  /** See {@linkcode TurnSubscriber}. */
  onTurn(turn: Turn): void {
    for (const event of eventsOf(turn)) this.#write(event);
  }

  /** Writes an unexpected error, once per place and minute. */
  defect(where: string, error: unknown): void {
    const text = () => `Defect in ${where}: ${error instanceof Error ? error.stack : error}`;
    const code = `defect ${where}`;
    this.#write({ code, level: "CRITICAL", text, session: this.#sessionId(), kind: code });
  }

  #write({ code, level, text, session, device, kind }: CarEvent): void {
    if (!this.#log.isEnabled(level)) return;
    const ofKind = kind === undefined ? 0 : this.#kinds.ask(kind);
    if (ofKind === undefined) return;
    const suppressed = this.#codes.ask(`${level} ${code}`, ofKind + 1);
    if (suppressed === undefined) return;
    const line = suppressed === 0 ? text : () => text() + andSuppressed(suppressed);
    const context = {
      session: session ?? undefined,
      device: device === undefined ? undefined : deviceKey(device),
    };
    switch (level) {
      case "DEBUG":
        return this.#log.debug(line, context);
      case "INFO":
        return this.#log.info(line, context);
      case "WARNING":
        return this.#log.warning(line, context);
      case "ERROR":
        return this.#log.error(line, context);
      case "CRITICAL":
        return this.#log.critical(line, context);
    }
  }
}
