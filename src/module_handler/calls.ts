// Calls of modules, and what came of them.
import { GATEWAY_OK, type GatewayCall } from "../module/mod.ts";
import type { Device } from "../protocol/mod.ts";
import type { CallResult, DropReason, Effect } from "./inputs.ts";
import type { ActiveJob, DeviceState, Job, Stage } from "./state.ts";

/** The job goes on when its module has answered. */
export function ask(
  state: DeviceState,
  job: Job,
  call: GatewayCall & { readonly name: Stage },
  effects: Effect[],
  reports: ActiveJob["reports"] = null,
): DeviceState {
  const id = state.nextCall;
  effects.push({ type: "call", id, module: job.device.module, call });
  return {
    ...state,
    active: { job, stage: call.name, call: id, reports },
    nextCall: id + 1,
  };
}

/** The job is over. */
export function finish(state: DeviceState): DeviceState {
  return { ...state, active: null };
}

/** The job is over, and nothing came of it. */
export function drop(
  state: DeviceState,
  { kind, device }: Exclude<Job, { readonly kind: "disconnect" }>,
  reason: DropReason,
  detail: string,
  effects: Effect[],
): DeviceState {
  effects.push({ type: "dropped", what: kind, device, reason, detail });
  return finish(state);
}

/** What the module made; null when it did not say OK. */
export function dataOf(outcome: CallResult): Uint8Array | null {
  return "failure" in outcome || outcome.code !== GATEWAY_OK ? null : outcome.data;
}

/** Whether the module said OK. */
export function isOk(outcome: CallResult): boolean {
  return !("failure" in outcome) && outcome.code === GATEWAY_OK;
}

/** What a call came to, for people. */
export function describe(name: Stage | "aggregate_error", outcome: CallResult): string {
  return "failure" in outcome
    ? `${name}() failed: ${outcome.failure}`
    : `${name}() returned ${outcome.code}`;
}

/** Says that a call did not succeed; what was there stays. */
export function noteFailure(
  device: Device,
  name: Stage | "aggregate_error",
  outcome: CallResult,
): Extract<Effect, { readonly type: "call_failed" }> {
  return { type: "call_failed", device, name, detail: describe(name, outcome) };
}

/** Notes whether devices of this type are sent commands at once; a failure says nothing. */
export function withForwards(
  state: DeviceState,
  device: Device,
  outcome: CallResult,
  effects: Effect[],
): DeviceState {
  if (!("failure" in outcome)) return { ...state, forwards: isOk(outcome) };
  effects.push(noteFailure(device, "forward_command_on_receive", outcome));
  return state;
}
