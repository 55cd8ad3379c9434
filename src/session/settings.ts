// What a session is told once: its names, its clocks and its bounds.

/** Settings of one car's sessions. Durations are milliseconds. */
export interface SessionSettings {
  readonly company: string;
  readonly car: string;
  /** Numbers of the modules this car is configured with. */
  readonly modules: ReadonlySet<number>;
  /** Silence after which a session fails (`mqtt_timeout`). */
  readonly sessionMs: number;
  /** How long each awaited response may take (`timeout`). */
  readonly responseMs: number;
  /** Whether a command whose device names another module is sent all the same. */
  readonly sendInvalidCommand: boolean;
  /** Most devices in one Connect, and connected at a time. */
  readonly maxDevices: number;
  /** Furthest a status counter may be ahead of the expected one. */
  readonly maxStatusGap: number;
  /** Most statuses that wait in order for their module before reading pauses. */
  readonly maxWaitingStatuses: number;
  /**
   * Most bytes of statuses kept: with more in order, reading pauses; with more ahead of a gap, or in
   * the connect sequence, the session fails.
   */
  readonly maxWaitingBytes: number;
  /** Most commands that wait to be published before their module is asked to keep them. */
  readonly maxWaitingCommands: number;
  /** Most bytes of commands that wait, and of those without a response. */
  readonly maxWaitingCommandBytes: number;
  /** Most commands published without a response. */
  readonly maxUnansweredCommands: number;
}

/** Statuses of one car handed to modules at a time; the rest wait in order. */
export const FORWARD_WINDOW = 64;

/**
 * After a gateway was told to connect again it is told nothing for so long: a second message would
 * meet its new connect sequence, and fail it [TELL-ONCE].
 */
export const SILENCE_MS = 5000;

/** So long a gateway waits for the answer to a status; then it drops the link [GATEWAY-TIMES]. */
export const GATEWAY_ANSWER_MS = 30_000;

/** How long a Connect is kept while it cannot be taken up; its gateway gives up after 5 s [CONNECT-HOLD]. */
export const HOLD_CONNECT_MS = 4500;
