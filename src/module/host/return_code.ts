// The one gate from a C return code to an outcome [MODULE-CODES].
import { CALL_OUTCOMES, type CallOutcome } from "../../protocol/mod.ts";

/** What a module's return code means. */
export function outcomeOf(code: number): CallOutcome {
  switch (code) {
    case 0:
      return "ok";
    case -1:
      return "not_ok";
    case -10:
      return "reserved";
    case -11:
      return "context_incorrect";
    case -12:
      return "timeout_occurred";
    default:
      return "unknown_code";
  }
}

/** An outcome as the argument of a frame. */
export function outcomeIndex(outcome: CallOutcome): number {
  return CALL_OUTCOMES.indexOf(outcome);
}
