// Devices come and go.
import { DeviceConnectResponseType as Type } from "../protocol/mod.ts";
import { ask, describe, drop, finish, isOk } from "./calls.ts";
import type { CallResult, Effect } from "./inputs.ts";
import { report } from "./statuses.ts";
import type { DeviceState, Environment, Job } from "./state.ts";

type Connect = Extract<Job, { readonly kind: "connect" }>;
type Disconnect = Extract<Job, { readonly kind: "disconnect" }>;

/** A device asks to be connected [HANDLER-CONNECT]. */
export function beginConnect(
  state: DeviceState,
  job: Connect,
  { settings }: Environment,
  effects: Effect[],
): DeviceState {
  const { device } = job;
  if (settings.modules.includes(device.module)) {
    const call = { name: "is_device_type_supported", type: device.deviceType } as const;
    return ask(state, job, call, effects);
  }
  return answer(state, job, Type.MODULE_NOT_SUPPORTED, effects);
}

/** The module says whether it supports the device's type. */
export function onConnectReturn(
  state: DeviceState,
  job: Connect,
  outcome: CallResult,
  effects: Effect[],
): DeviceState {
  // Devices take a refusal for final: without an answer, they try again.
  if ("failure" in outcome) {
    const detail = describe("is_device_type_supported", outcome);
    return drop(state, job, "module_failed", detail, effects);
  }
  return answer(state, job, isOk(outcome) ? Type.OK : Type.DEVICE_NOT_SUPPORTED, effects);
}

/** A device has gone: its last status is reported, and nothing of it stays [HANDLER-DISCONNECT]. */
export function disconnect(
  state: DeviceState,
  { device }: Disconnect,
  effects: Effect[],
): DeviceState {
  const { aggregate } = state;
  if (aggregate === null) return state;
  report(state, "disconnected", effects);
  for (const _ of aggregate.commands) {
    const detail = "the device has gone";
    effects.push({ type: "dropped", what: "command", device, reason: "device_gone", detail });
  }
  return { ...state, aggregate: null, forwards: null };
}

function answer(
  state: DeviceState,
  { device, request }: Connect,
  responseType: number,
  effects: Effect[],
): DeviceState {
  effects.push({ type: "answer_connect", device, request, responseType });
  return finish(state);
}
