// Incidents as others see them.
import type { Cause, CauseCode, Severity } from "./health.ts";
import type { Culprit } from "./host_crash.ts";

/** Something went wrong, with one cause. Times are in milliseconds since the epoch. */
export interface Incident {
  readonly id: number;
  readonly code: CauseCode;
  readonly severity: Severity;
  /** What happened to the first car, or to the culprit. */
  readonly text: string;
  readonly advice: string;
  readonly beganAt: number;
  /** `null` while it goes on. */
  readonly endedAt: number | null;
  /** Whether it is over because its gateway had been silent for so long, not because it is back. */
  readonly switchedOff: boolean;
  /** Since when no car suffers from it: it ends unless one does again. `null` while one does. */
  readonly quietSince: number | null;
  /** The module that caused it, where cars were taken along. */
  readonly culprit: Culprit | null;
  /** Cars that it has hit, at most 100 when it is over. */
  readonly cars: readonly string[];
  readonly carCount: number;
  /** How often cars were hit, each time counted. */
  readonly times: number;
  readonly acknowledged: Acknowledgment | null;
}

/** Somebody takes care of it. */
export interface Acknowledgment {
  readonly name: string;
  readonly note: string;
  readonly at: number;
}

/** What becomes of an incident: it is another one at the moment only for these reasons. */
export interface IncidentChange {
  readonly kind: "began" | "changed" | "ended" | "acknowledged";
  readonly incident: Incident;
}

/** Looks on. */
export interface IncidentListener {
  /** Must not throw. */
  onIncident(change: IncidentChange): void;
}

/** A cause of a car, as an incident has it. */
export interface Hit {
  readonly cause: Cause;
  /** Equal for hits with the same cause. */
  readonly group: string;
  readonly culprit: Culprit | null;
  /** When it was over; `null`: it is not. */
  readonly endedAt: number | null;
  /** Whether it was over because the gateway counts as switched off. */
  readonly switchedOff: boolean;
  /** How often it has hit the car since it began for it. */
  readonly times: number;
}

/** Which incidents to list. */
export interface IncidentFilter {
  readonly state?: "open" | "ended" | undefined;
  readonly car?: string | undefined;
  /** @default {100} */
  readonly limit?: number | undefined;
}
