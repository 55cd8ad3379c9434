// What people learn of one car: its log lines, and the failures its snapshot remembers.
import { andSuppressed, type Log, type LogLevel, Once } from "../log/mod.ts";
import { type Device, deviceKey } from "../protocol/mod.ts";
import type { Clock } from "../time/mod.ts";
import type { Failure, Note } from "../session/mod.ts";
import { noteLine } from "./notes.ts";

/** What a journal is made of. */
export interface JournalOptions {
  /** Names the car already. */
  readonly log: Log;
  readonly clock: Clock;
  /** The session a line belongs to; asked only for lines that are written. */
  readonly sessionId: () => string | null;
}

/** A failure and when it happened, the last time when it happened often in a row. */
export interface PastFailure extends Failure {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** How often in a row. */
  readonly times: number;
}

/** Failures a snapshot remembers. */
const MAX_FAILURES = 10;

/** Writes the log of one car; a level that is off costs one comparison. */
export class CarJournal {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #once: Once;
  readonly #sessionId: () => string | null;
  readonly #failures: PastFailure[] = [];

  constructor({ log, clock, sessionId }: JournalOptions) {
    this.#log = log;
    this.#clock = clock;
    this.#once = new Once({ clock });
    this.#sessionId = sessionId;
  }

  /** The last failures, oldest first. */
  get failures(): readonly PastFailure[] {
    return [...this.#failures];
  }

  /** Writes what may happen thousands of times a second: once per kind and minute. */
  once(level: LogLevel, kind: string, text: () => string, device?: Device): void {
    if (!this.#log.isEnabled(level)) return;
    const suppressed = this.#once.ask(kind);
    if (suppressed === undefined) return;
    this.#write(level, () => text() + andSuppressed(suppressed), device);
  }

  /** Writes that something threw which must not, once per place and minute. */
  defect(where: string, error: unknown): void {
    const text = () => `Defect in ${where}: ${error instanceof Error ? error.stack : error}`;
    this.once("CRITICAL", `defect ${where}`, text);
  }

  /** Writes that the car is in another state now. */
  stateChanged(before: string, now: string): void {
    this.#log.debug(() => `State ${before} is now ${now}`);
  }

  /** Writes what a session noticed. */
  note(note: Note): void {
    if (note.code === "not_forwarded" && !note.first && !this.#log.isEnabled("DEBUG")) return;
    const { level, text, device, kind } = noteLine(note);
    if (kind === undefined) this.#write(level, text, device);
    else this.once(level, kind, text, device);
  }

  /** Writes that a session ended and why, and remembers it. */
  ended(failure: Failure): void {
    this.#remember(failure);
    const { reason, detail, waitedMs, sessionId } = failure;
    const waited = waitedMs > 0 ? `, waited ${(waitedMs / 1000).toFixed(1)} s for it` : "";
    const level = reason === "stopped" || reason === "new_session" ? "INFO" : "WARNING";
    const text = () => `Session ended: ${reason}: ${detail}${waited}`;
    // A gateway may send Connects that cannot be used as fast as it likes.
    const often = reason === "connect_incomplete" || reason === "protocol_violation";
    const count = often ? this.#once.ask(`ended ${reason}`) : 0;
    if (count === undefined) return;
    const line = () => text() + andSuppressed(count);
    const session = sessionId === "" ? undefined : sessionId;
    if (level === "INFO") this.#log.info(line, { session });
    else this.#log.warning(line, { session });
  }

  /** Keeps the last failures; one that repeats itself takes one place. */
  #remember(failure: Failure): void {
    const last = this.#failures.at(-1);
    const again = last?.reason === failure.reason && last.detail === failure.detail;
    if (again) this.#failures.pop();
    const times = again ? last.times + 1 : 1;
    this.#failures.push({ ...failure, at: Math.floor(this.#clock.now()), times });
    if (this.#failures.length > MAX_FAILURES) this.#failures.shift();
  }

  #write(level: LogLevel, text: () => string, device: Device | undefined): void {
    if (!this.#log.isEnabled(level)) return;
    const context = {
      session: this.#sessionId() ?? undefined,
      device: device === undefined ? undefined : deviceKey(device),
    };
    switch (level) {
      case "DEBUG":
        return this.#log.debug(text, context);
      case "INFO":
        return this.#log.info(text, context);
      case "WARNING":
        return this.#log.warning(text, context);
      case "ERROR":
        return this.#log.error(text, context);
      case "CRITICAL":
        return this.#log.critical(text, context);
    }
  }
}
