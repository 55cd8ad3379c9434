// Settings of a session: names, timeouts and limits.

/** Settings of one car's sessions. Durations are in milliseconds. */
export interface SessionSettings {
  readonly company: string;
  readonly car: string;
  /** Numbers of the modules this car is configured with. */
  readonly modules: readonly number[];
  /** Silence after which a session fails (`mqtt_timeout`). */
  readonly sessionMs: number;
  /** Deadline for each awaited response (`timeout`). */
  readonly responseMs: number;
  /** Whether a command whose device names another module is sent anyway. */
  readonly sendInvalidCommand: boolean;
  /** Maximum number of devices in a Connect, and of connected devices. */
  readonly maxDevices: number;
  /** How far a status counter may be ahead of the expected one. */
  readonly maxStatusGap: number;
  /** With more statuses waiting for their module, reading pauses. */
  readonly maxWaitingStatuses: number;
  /**
   * Limit of the bytes of statuses: with more waiting, reading pauses; with more ahead of a gap, or
   * in the connect sequence, the session fails.
   */
  readonly maxWaitingBytes: number;
  /** With more commands waiting to be published, their module is told to keep them. */
  readonly maxWaitingCommands: number;
  /** Limit of the bytes of waiting commands, and of those without a response. */
  readonly maxWaitingCommandBytes: number;
  /** Maximum number of commands without a response. */
  readonly maxUnansweredCommands: number;
}

/** Statuses of one car that modules have at a time; the rest wait in order. */
export const FORWARD_WINDOW = 64;

/**
 * Silence after a gateway was told to connect again: a second message would meet its new connect
 * sequence and fail it [TELL-ONCE].
 */
export const SILENCE_MS = 5000;

/** A gateway waits so long for a StatusResponse, then it drops the link [GATEWAY-TIMES]. */
export const GATEWAY_ANSWER_MS = 30_000;

/** How long a Connect is held; its gateway gives up after 5 s [CONNECT-HOLD]. */
export const HOLD_CONNECT_MS = 4500;
