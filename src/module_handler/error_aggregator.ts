// What a device reported while the cloud could not be told, folded by its module into one error
// message [ERROR-AGGREGATE]: a pure transition function for one device and one endpoint.
import type { GatewayCall } from "../module/mod.ts";
import type { Device } from "../protocol/mod.ts";
import { dataOf, noteFailure } from "./calls.ts";
import type { CallResult, Effect } from "./inputs.ts";

/** Limits of the statuses that wait to be folded. */
export interface ErrorLimits {
  /** The oldest makes room. */
  readonly maxStatuses: number;
  /** The same, in bytes. */
  readonly maxBytes: number;
  /** A larger error message is not taken, in bytes: servers discard messages that are too large. */
  readonly maxMessageBytes: number;
}

export const ERROR_LIMITS: ErrorLimits = {
  maxStatuses: 100,
  maxBytes: 4 * 1024 * 1024,
  maxMessageBytes: 256 * 1024,
};

/** The errors of one device. */
export interface ErrorState {
  readonly device: Device;
  /** null: nothing was folded since the cloud was told. */
  readonly message: Uint8Array | null;
  /** The number of the call its module has not answered. */
  readonly call: number | null;
  readonly nextCall: number;
  /** Statuses to be folded, oldest first. */
  readonly waiting: readonly Uint8Array[];
  readonly waitingBytes: number;
}

/** Everything that can happen to the errors of a device. */
export type ErrorInput =
  /** A status could not be sent. */
  | { readonly type: "add"; readonly data: Uint8Array }
  | { readonly type: "returned"; readonly id: number; readonly outcome: CallResult }
  /** The cloud has the message. */
  | { readonly type: "empty" };

export type ErrorEffect =
  | Extract<Effect, { readonly type: "call" | "call_failed" | "dropped" }>
  /** The error message changed. */
  | { readonly type: "error_message"; readonly device: Device; readonly message: Uint8Array };

export interface ErrorStep {
  readonly state: ErrorState;
  /** To be carried out in this order. */
  readonly effects: readonly ErrorEffect[];
}

/** A device without errors. */
export function createErrors(device: Device): ErrorState {
  return { device, message: null, call: null, nextCall: 1, waiting: [], waitingBytes: 0 };
}

/** Whether the message has everything in it. */
export function isSettled({ call, waiting }: ErrorState): boolean {
  return call === null && waiting.length === 0;
}

/** Takes one input; every input is allowed in every state. Never throws. */
export function stepErrors(
  state: ErrorState,
  input: ErrorInput,
  { settings }: { readonly settings: ErrorLimits },
): ErrorStep {
  const effects: ErrorEffect[] = [];
  return { state: foldNext(transition(state, input, settings, effects), effects), effects };
}

function transition(
  state: ErrorState,
  input: ErrorInput,
  limits: ErrorLimits,
  effects: ErrorEffect[],
): ErrorState {
  switch (input.type) {
    case "add":
      return add(state, input.data, limits, effects);
    case "empty":
      return { ...state, message: null };
    case "returned": {
      if (state.call !== input.id) return state;
      const { device } = state;
      const message = dataOf(input.outcome);
      const name = "aggregate_error";
      if (message === null) {
        effects.push(noteFailure(device, name, input.outcome));
        return { ...state, call: null };
      }
      if (message.length > limits.maxMessageBytes) {
        const detail = `${name}() returned ${message.length} bytes: ` +
          `at most ${limits.maxMessageBytes} are taken`;
        effects.push({ type: "call_failed", device, name, detail });
        return { ...state, call: null };
      }
      effects.push({ type: "error_message", device, message });
      return { ...state, call: null, message };
    }
  }
}

function add(
  state: ErrorState,
  data: Uint8Array,
  { maxStatuses, maxBytes }: ErrorLimits,
  effects: ErrorEffect[],
): ErrorState {
  const waiting = [...state.waiting, data];
  let waitingBytes = state.waitingBytes + data.length;
  while (waiting.length > maxStatuses || waitingBytes > maxBytes) {
    const oldest = waiting.shift();
    if (oldest === undefined) break;
    waitingBytes -= oldest.length;
    const { device } = state;
    const detail = `more than ${maxStatuses} statuses or ${maxBytes} bytes wait for ` +
      `aggregate_error(): the oldest made room`;
    effects.push({ type: "dropped", what: "error", device, reason: "queue_full", detail });
  }
  return { ...state, waiting, waitingBytes };
}

function foldNext(state: ErrorState, effects: ErrorEffect[]): ErrorState {
  const [status, ...waiting] = state.waiting;
  if (state.call !== null || status === undefined) return state;
  const { device: { module, deviceType: type }, message, nextCall: id } = state;
  const call: GatewayCall = { name: "aggregate_error", type, message, status };
  effects.push({ type: "call", id, module, call });
  return {
    ...state,
    call: id,
    nextCall: id + 1,
    waiting,
    waitingBytes: state.waitingBytes - status.length,
  };
}
