// Why a session ended: one coded reason, the same in log, metrics, API and page [FAIL-REASONS].

/** What operators are told about a reason. */
interface ReasonText {
  /** Two or three words. */
  readonly title: string;
  /** What it means and what to do. */
  readonly advice: string;
}

/** Every reason. */
export const FAILURES = {
  session_timeout: {
    title: "Gateway silent",
    advice:
      "The gateway has gone silent: check that the car has power and network, and that its gateway runs.",
  },
  status_missing: {
    title: "First status missing",
    advice:
      "A listed device has not sent its first status: check that device and its connection to the gateway.",
  },
  command_unanswered: {
    title: "Command unanswered",
    advice:
      "The gateway has not answered a command in time: check the link to the car, and the gateway's log.",
  },
  connect_incomplete: {
    title: "Connect incomplete",
    advice: "The gateway's Connect is unusable: check which devices its configuration lists.",
  },
  broker_lost: {
    title: "Broker lost",
    advice:
      "The server has lost the broker: check that the broker runs and that the network to it works.",
  },
  all_devices_gone: {
    title: "All devices gone",
    advice:
      "Every device has left: check the devices in the car; the gateway comes back with the first one.",
  },
  new_session: {
    title: "Gateway restarted",
    advice:
      "The gateway has begun a new session: nothing to do unless it keeps happening, then see why it restarts.",
  },
  module_lost: {
    title: "Module lost",
    advice:
      "A module of the car has crashed or hung and is being restarted: see the log for what it printed.",
  },
  module_slow: {
    title: "Module too slow",
    advice:
      "A module takes longer for statuses than the gateway waits: find out why, or send it fewer.",
  },
  status_gap: {
    title: "Status missing",
    advice:
      "A status was lost on its way: if it keeps happening, check the link to the car and the broker's queue limits.",
  },
  protocol_violation: {
    title: "Protocol violation",
    advice:
      "The gateway does not follow the protocol: check its version, and that only one gateway uses this car's name.",
  },
  stopped: {
    title: "Stopped",
    advice: "The session was ended on purpose: nothing to do.",
  },
} as const satisfies Readonly<Record<string, ReasonText>>;

/** A key of {@linkcode FAILURES}. */
export type FailureReason = keyof typeof FAILURES;

/** All reasons. */
export const FAILURE_REASONS = Object.keys(FAILURES) as readonly FailureReason[];

/** How a session ended. */
export interface Failure {
  readonly reason: FailureReason;
  /** The session's id; "" when it had none yet. */
  readonly sessionId: string;
  /** What was awaited or found, human-readable: `status of 7/1/front`, `module 7: host killed`. */
  readonly detail: string;
  /** For how long it was awaited, in milliseconds; 0 when nothing was. */
  readonly waitedMs: number;
}
