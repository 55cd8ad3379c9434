// The model of health: states, causes, and what decides between them.
import { FAILURE_REASONS, type FailureReason } from "../../session/mod.ts";

/** What a car is for an operator, the worst first. */
export const HEALTH_STATES = ["down", "degraded", "waiting", "paused", "healthy"] as const;
/** See {@linkcode HEALTH_STATES}. */
export type HealthState = typeof HEALTH_STATES[number];

/** How bad a state of health is, 0 for healthy. */
export function levelOf(state: HealthState): number {
  return HEALTH_STATES.length - 1 - HEALTH_STATES.indexOf(state);
}

/** The state of health that has a {@linkcode levelOf level}. */
export function healthOf(level: number): HealthState {
  return HEALTH_STATES[HEALTH_STATES.length - 1 - level] ?? "healthy";
}

/** The states that have causes. */
export const SEVERITIES = ["down", "degraded", "waiting"] as const;
/** See {@linkcode SEVERITIES}. */
export type Severity = typeof SEVERITIES[number];

/** The car cannot be served, or nobody can answer it. */
const DOWN_CODES = ["broker_away", "modules_away"] as const;

/** The car is served, but not as it should be. */
const DEGRADED_CODES = [
  "module_refuses_statuses",
  "slow_responses",
  "growing_backlog",
  "commands_kept",
  "gateway_refuses_commands",
  "devices_not_connected",
] as const;

/** How sessions end that nobody meant to end; the broker and the modules have causes of their own. */
export type SessionLoss = Exclude<
  FailureReason,
  "broker_lost" | "module_lost" | "stopped" | "new_session" | "all_devices_gone"
>;

/** A gateway that is switched off in order says first that its devices leave. */
const INTENDED: ReadonlySet<FailureReason> = new Set([
  "stopped",
  "new_session",
  "all_devices_gone",
]);
const OTHERWISE_CAUSED: ReadonlySet<FailureReason> = new Set(["broker_lost", "module_lost"]);

/** Whether the end of a session is a cause: one that an operator or the gateway intended is not. */
export function isSessionLoss(reason: FailureReason): reason is SessionLoss {
  return !INTENDED.has(reason) && !OTHERWISE_CAUSED.has(reason);
}

/** Causes that are no end of a session. */
export type OwnCause = typeof DOWN_CODES[number] | typeof DEGRADED_CODES[number];

/** Why a car is not healthy. */
export type CauseCode = OwnCause | SessionLoss;

/** See {@linkcode CauseCode}. */
export const CAUSE_CODES: readonly CauseCode[] = [
  ...DOWN_CODES,
  ...DEGRADED_CODES,
  ...FAILURE_REASONS.filter(isSessionLoss),
];

const DOWN: ReadonlySet<CauseCode> = new Set(DOWN_CODES);
const DEGRADED: ReadonlySet<CauseCode> = new Set(DEGRADED_CODES);

/** Whether a cause is no end of a session. */
export function isOwnCause(code: CauseCode): code is OwnCause {
  return DOWN.has(code) || DEGRADED.has(code);
}

/** The state that a cause leads to. */
export function severityOf(code: CauseCode): Severity {
  if (DOWN.has(code)) return "down";
  return DEGRADED.has(code) ? "degraded" : "waiting";
}

/** Why a car is not healthy, in words. Times are in milliseconds since the epoch. */
export interface Cause {
  readonly code: CauseCode;
  readonly severity: Severity;
  readonly since: number;
  readonly text: string;
  /** What to do about it. */
  readonly advice: string;
  /** The module concerned, if it is one. */
  readonly module: number | null;
  /** Attempts that have failed; `null` where nothing is attempted. */
  readonly attempts: number | null;
  readonly nextAttemptAt: number | null;
}

/** A car's health. */
export interface Health {
  readonly state: HealthState;
  readonly since: number;
  /** The worst first. */
  readonly causes: readonly Cause[];
}

/** What decides whether a car is degraded: the section `health` of the configuration. */
export interface Thresholds {
  /** Refusals and slow responses count for this long, at least half of it. */
  readonly windowMs: number;
  readonly refusedPercent: number;
  readonly slowResponseMs: number;
  /** Unanswered statuses, from which on more of them are a backlog. */
  readonly backlog: number;
  /** An incident is over when its cause has been away for so long. */
  readonly settleMs: number;
  /** A gateway that was lost and is silent for so long counts as switched off; 0: never. */
  readonly switchedOffMs: number;
}

/** Listed devices that a session does not serve. */
export interface Unserved {
  readonly count: number;
  /** Modules and reasons, each once. */
  readonly reasons: readonly { readonly module: number; readonly why: string }[];
}

/** A cause as it was found; kept after its end until somebody was told of it. */
export interface Trouble {
  readonly code: CauseCode;
  since: number;
  endedAt: number | null;
  /** How often it was found, when it was found again before it was over. */
  times: number;
  /** Whether it was intended, or belongs to the start. */
  planned: boolean;
  module: number | null;
  /** For people; what it means depends on the code. */
  detail: string;
  /** Devices that the session could not serve when it was lost. */
  unserved: Unserved | null;
  /** Whether it is over because the gateway counts as switched off. */
  switchedOff: boolean;
}
