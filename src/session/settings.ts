// Settings of a session: names, timeouts and limits.
import type { Limits } from "../config/mod.ts";
import type { CommandPolicy } from "./command_policy.ts";

/** The limits that sessions keep; the table of keys says what each bounds. */
type SessionLimits = Omit<
  Limits,
  "maxMessageBytes" | "maxMessagesPerSecond" | "maxHostMemoryBytes"
>;

/** Settings of one car's sessions. Durations are in milliseconds. */
export interface SessionSettings extends SessionLimits {
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
  /** Of the modules that have one; absent: none has. */
  readonly commandPolicies?: readonly CommandPolicy[];
}

/** Statuses of one car that modules have at a time; the rest wait in order. */
export const FORWARD_WINDOW = 64;

/**
 * Silence after a gateway was told to connect again: a second message would meet its new connect
 * sequence and fail it [TELL-ONCE].
 */
export const SILENCE_MS = 5000;

/** How long a gateway waits for a StatusResponse before it drops the link [GATEWAY-TIMES]. */
export const GATEWAY_ANSWER_MS = 30_000;

/** How long a Connect is held; its gateway gives up after 5 s [CONNECT-HOLD]. */
export const HOLD_CONNECT_MS = 4500;
