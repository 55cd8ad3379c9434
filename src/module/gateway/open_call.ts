// A call of a gateway that has not returned, wherever it is.
import {
  GATEWAY_OK,
  GATEWAY_OUTCOMES,
  type GatewayCall,
  type GatewayReturn,
} from "../gateway_call.ts";
import type { CallCounter } from "../statistics.ts";
import { buffersOf } from "../wire/gateway_frames.ts";

/** A call without an answer. */
export interface OpenCall {
  readonly call: GatewayCall;
  /** Its cost in the limits; see {@linkcode bytesOf}. */
  readonly bytes: number;
  readonly counter: CallCounter;
  readonly queuedAt: number;
  readonly resolve: (returned: GatewayReturn) => void;
  readonly reject: (error: Error) => void;
  /** It was in a host that crashed, with others: it is made alone, so that a second crash is its own. */
  isSuspect: boolean;
}

const CALL_BYTES = 200;

/** The approximate memory of a call, in bytes: its data, and a fixed overhead. */
export function bytesOf(call: GatewayCall): number {
  return buffersOf(call).reduce((sum, bytes) => sum + (bytes?.length ?? 0), CALL_BYTES);
}

const UNKNOWN = GATEWAY_OUTCOMES.indexOf("unknown_code");
const INDEX_OF_CODE = new Map([
  [GATEWAY_OK, GATEWAY_OUTCOMES.indexOf("ok")],
  [-1, GATEWAY_OUTCOMES.indexOf("not_ok")],
  [-10, GATEWAY_OUTCOMES.indexOf("reserved")],
  [-11, GATEWAY_OUTCOMES.indexOf("condition_not_met")],
]);

/** The index of what statistics call a code. */
export function outcomeIndexOf(code: number): number {
  return INDEX_OF_CODE.get(code) ?? UNKNOWN;
}

/** The index of the outcome of a call that no host has answered. */
export const HOST_LOST = GATEWAY_OUTCOMES.indexOf("host_lost");
