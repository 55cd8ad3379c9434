// The part of the module interface that sessions know: outcomes of calls, why a device is
// disconnected, and commands [MODULE-FUNCTIONS].
import type { Device } from "./messages.ts";

/**
 * The outcome of one module call [MODULE-CODES].
 *
 * The first five are what the library returned; `unknown_code` is any other number it returned.
 * `unsupported` means that the module does not know the device's type, so the call was not made.
 * `host_lost` means that the module host died or was killed before it answered; `withdrawn` that the
 * call was taken back before it began.
 */
export const CALL_OUTCOMES = [
  "ok",
  "not_ok",
  "reserved",
  "context_incorrect",
  "timeout_occurred",
  "unknown_code",
  "unsupported",
  "host_lost",
  "withdrawn",
] as const;

/** Whether the module was called and has returned. */
export function wasMade(outcome: CallOutcome): boolean {
  return outcome !== "host_lost" && outcome !== "withdrawn";
}

/** See {@linkcode CALL_OUTCOMES}. */
export type CallOutcome = typeof CALL_OUTCOMES[number];

/** Why a device is disconnected, as modules are told [MODULE-FUNCTIONS]. */
export const DisconnectType = { ANNOUNCED: 0, TIMEOUT: 1, ERROR: 2 } as const;
/** See {@linkcode DisconnectType}. */
export type DisconnectType = typeof DisconnectType[keyof typeof DisconnectType];

/** A command of a module. */
export interface ModuleCommand {
  /** As the module named it; its own module number may differ from the context's. */
  readonly device: Device;
  readonly data: Uint8Array;
}
