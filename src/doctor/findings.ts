// Results of the doctor's checks.

/** The kinds of checks, in the order in which they are shown. */
export const CHECKS = [
  "configuration",
  "broker",
  "certificates",
  "topics",
  "libraries",
  "modules",
  "devices",
  "http",
  "limits",
  "clock",
  "logs",
  "state",
  "sinks",
  "cluster",
] as const;
/** See {@linkcode CHECKS}. */
export type Check = typeof CHECKS[number];

/** The outcome of a check. `skipped`: not tested; the message says why. */
export const STATUSES = ["ok", "warning", "failed", "skipped"] as const;
/** See {@linkcode STATUSES}. */
export type Status = typeof STATUSES[number];

/** One result. Every text is one line without secrets. */
export interface Finding {
  readonly check: Check;
  /** What was checked: a car, a module, a path, an address. */
  readonly subject: string;
  readonly status: Status;
  readonly message: string;
  /** What to do; absent when there is nothing to do. */
  readonly advice?: string;
}

/** Collects the results of one kind of check. */
export class Findings {
  readonly #check: Check;
  readonly #list: Finding[] = [];

  constructor(check: Check) {
    this.#check = check;
  }

  get list(): readonly Finding[] {
    return this.#list;
  }

  ok(subject: string, message: string): void {
    this.#add("ok", subject, message);
  }

  warning(subject: string, message: string, advice: string): void {
    this.#add("warning", subject, message, advice);
  }

  failed(subject: string, message: string, advice: string): void {
    this.#add("failed", subject, message, advice);
  }

  /** @param advice how to have it tested, if possible */
  skipped(subject: string, message: string, advice?: string): void {
    this.#add("skipped", subject, message, advice);
  }

  #add(status: Status, subject: string, message: string, advice?: string): void {
    const finding = { check: this.#check, subject, status, message: oneLine(message) };
    this.#list.push(advice === undefined ? finding : { ...finding, advice: oneLine(advice) });
  }
}

/** Messages of the system and of libraries may have line breaks. */
function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*[\r\n]+\s*/g, " / ");
}

export function countByStatus(findings: readonly Finding[]): Record<Status, number> {
  const counts: Record<Status, number> = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  for (const { status } of findings) counts[status]++;
  return counts;
}
