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

/** Lines of one code in a minute; what a gateway, or a module, causes faster is counted. */
const MAX_LINES = 30;

/** What a line is about, beside its code. */
interface Subject {
  /** What is told apart within the code, and said once a minute. */
  readonly kind?: string | undefined;
  readonly device?: Device | undefined;
  /** @default the session there is */
  readonly session?: string | undefined;
}

/**
 * Writes the log of one car; a level that is off costs one comparison.
 *
 * Nothing that comes from outside can write more than 30 lines of one code in a minute, or one of a
 * kind. The next line says how many were left out.
 */
export class CarJournal {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #kinds: Once;
  readonly #codes: Once;
  readonly #sessionId: () => string | null;
  readonly #failures: PastFailure[] = [];

  constructor({ log, clock, sessionId }: JournalOptions) {
    this.#log = log;
    this.#clock = clock;
    this.#kinds = new Once({ clock });
    this.#codes = new Once({ clock, times: MAX_LINES });
    this.#sessionId = sessionId;
  }

  /** The last failures, oldest first. */
  get failures(): readonly PastFailure[] {
    return [...this.#failures];
  }

  /**
   * Writes what may happen thousands of times a second: once per kind and minute. Without a kind the
   * code is one.
   */
  once(level: LogLevel, code: string, text: () => string, subject: Subject = {}): void {
    this.#write(level, code, text, { kind: code, ...subject });
  }

  /** Writes that something threw which must not, once per place and minute. */
  defect(where: string, error: unknown): void {
    const text = () => `Defect in ${where}: ${error instanceof Error ? error.stack : error}`;
    this.once("CRITICAL", `defect ${where}`, text);
  }

  /** Writes that the car is in another state now. */
  stateChanged(before: string, now: string): void {
    this.#write("DEBUG", "state", () => `State ${before} is now ${now}`, {});
  }

  /** Writes what a session noticed. */
  note(note: Note): void {
    if (note.code === "not_forwarded" && !note.first && !this.#log.isEnabled("DEBUG")) return;
    const { level, text, ...subject } = noteLine(note);
    this.#write(level, note.code, text, subject);
  }

  /** Writes that a session ended and why, and remembers it. */
  ended(failure: Failure): void {
    this.#remember(failure);
    const { reason, detail, waitedMs, sessionId } = failure;
    const waited = waitedMs > 0 ? `, waited ${(waitedMs / 1000).toFixed(1)} s for it` : "";
    const level = reason === "stopped" || reason === "new_session" ? "INFO" : "WARNING";
    const text = () => `Session ended: ${reason}: ${detail}${waited}`;
    const code = `ended ${reason}`;
    // A gateway may send Connects that cannot be used as fast as it likes.
    const often = reason === "connect_incomplete" || reason === "protocol_violation";
    this.#write(level, code, text, { kind: often ? code : undefined, session: sessionId });
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

  #write(level: LogLevel, code: string, text: () => string, subject: Subject): void {
    if (!this.#log.isEnabled(level)) return;
    const { kind, device, session = this.#sessionId() } = subject;
    const ofKind = kind === undefined ? 0 : this.#kinds.ask(kind);
    if (ofKind === undefined) return;
    const suppressed = this.#codes.ask(`${level} ${code}`, ofKind + 1);
    if (suppressed === undefined) return;
    const line = suppressed === 0 ? text : () => text() + andSuppressed(suppressed);
    const context = {
      session: session === null || session === "" ? undefined : session,
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
