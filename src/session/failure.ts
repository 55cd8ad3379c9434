// Why a session ended: one coded reason, the same in log, metrics and snapshot [FAIL-REASONS].

export const FAILURE_REASONS = [
  "session_timeout",
  "status_missing",
  "command_unanswered",
  "connect_incomplete",
  "broker_lost",
  "all_devices_gone",
  "new_session",
  "module_lost",
  "module_slow",
  "status_gap",
  "protocol_violation",
  "stopped",
] as const;

/** See {@linkcode FAILURE_REASONS}. */
export type FailureReason = typeof FAILURE_REASONS[number];

/** How a session ended. */
export interface Failure {
  readonly reason: FailureReason;
  /** The session's id; "" when it had none yet. */
  readonly sessionId: string;
  /** What was awaited or found, for people: `status of 7/1/front`, `module 7: host killed`. */
  readonly detail: string;
  /** For how long it was awaited, in milliseconds; 0 when nothing was. */
  readonly waitedMs: number;
}
