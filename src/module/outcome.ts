// What became of a module call, in words: the C return codes end in module/host.

/**
 * The outcome of one module call (protocol section 3).
 *
 * The first five are what the library returned; `unknown_code` is any other number it returned.
 * `unsupported` means that the module does not know the device's type, so the call was not made.
 * `host_lost` means that the module host died or was killed before it answered.
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
] as const;

/** See {@linkcode CALL_OUTCOMES}. */
export type CallOutcome = typeof CALL_OUTCOMES[number];
