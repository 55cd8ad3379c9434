// Statuses strictly in counter order, each once [STATUS-ORDER]: early ones wait, late ones are
// ignored. Pure bookkeeping; the rules of the session are in running.ts.
import { counterDistance, DeviceState, nextCounter, type Status } from "../protocol/mod.ts";
import { emptyQueue, enqueue, type Queue } from "./queue.ts";

/** A status that is being handled; answered in this order. */
export interface BegunStatus {
  readonly status: Status;
  /**
   * `connecting`: `device_connected` was called; `forwarding`: the module has it; `done`: to be answered.
   */
  readonly stage: "connecting" | "forwarding" | "done";
  /** Whether the device disconnects after the answer. */
  readonly leaving: boolean;
}

/** The order of one session's statuses. Immutable. */
export interface StatusOrder {
  /** The expected counter. */
  readonly expected: number;
  /** Whether no status of normal communication has been accepted yet. */
  readonly fresh: boolean;
  /** Counters from `expected` on that the connect sequence handled. */
  readonly handled: readonly number[];
  /** Statuses ahead of a gap, by counter. */
  readonly early: readonly Status[];
  /** Since when `expected` is known to be missing; `null`: there is no gap. */
  readonly gapSince: number | null;
  /** In order, not begun yet. */
  readonly waiting: Queue<Status>;
  /** In order, begun, not answered yet. */
  readonly begun: readonly BegunStatus[];
  /** Bytes of `waiting` and `begun` together. */
  readonly bytes: number;
}

/** How far ahead of a gap statuses may be, and how many bytes they may have together. */
export interface GapLimits {
  readonly maxGap: number;
  readonly maxBytes: number;
}

/** Bytes of memory that a waiting status takes; strings count by characters. */
export function statusBytes({ statusData, errorMessage, sessionId, device }: Status): number {
  const { deviceRole, deviceName } = device;
  return statusData.length + errorMessage.length + sessionId.length + deviceRole.length +
    deviceName.length;
}

/** Bytes of statuses together. */
export function totalBytes(statuses: Iterable<Status>): number {
  let total = 0;
  for (const status of statuses) total += statusBytes(status);
  return total;
}

/** The order after a connect sequence that handled these counters (at least one). */
export function orderAfterConnect(handled: readonly number[], now: number): StatusOrder {
  let expected = lowest(handled);
  while (handled.includes(expected)) expected = nextCounter(expected);
  const rest = handled.filter((counter) => counterDistance(counter, expected) > 0);
  return {
    expected,
    fresh: true,
    handled: rest,
    early: [],
    gapSince: rest.length > 0 ? now : null,
    waiting: emptyQueue(),
    begun: [],
    bytes: 0,
  };
}

/** The counter that comes before all others, wrapping at 2^32. */
function lowest(counters: readonly number[]): number {
  let result: number | undefined;
  for (const counter of counters) {
    if (result === undefined || counterDistance(counter, result) < 0) result = counter;
  }
  if (result === undefined) throw new RangeError("Cannot order statuses: no counter was handled");
  return result;
}

export type Taken =
  /** It is the expected one, a new early one, or (`restarted`) the gateway counts from it again. */
  | { readonly result: "taken"; readonly order: StatusOrder; readonly restarted: boolean }
  /** It was handled or kept before. */
  | { readonly result: "handled_before" }
  /** It is further ahead than allowed. */
  | { readonly result: "too_far"; readonly distance: number }
  /** With it, too many bytes would be ahead of the gap. */
  | { readonly result: "too_much"; readonly bytes: number };

/** Takes a status that arrived at `now` (ms). */
export function takeStatus(
  order: StatusOrder,
  status: Status,
  { maxGap, maxBytes }: GapLimits,
  now: number,
): Taken {
  const distance = counterDistance(status.messageCounter, order.expected);
  if (distance === 0) {
    return { result: "taken", order: advance(order, status, now), restarted: false };
  }
  if (distance < 0) {
    // The one case in which a low counter is not an old one [CONNECT-COUNTER].
    if (!order.fresh || status.deviceState === DeviceState.CONNECTING) {
      return { result: "handled_before" };
    }
    const restarted = {
      ...order,
      expected: status.messageCounter,
      handled: [],
      gapSince: null,
    };
    return { result: "taken", order: advance(restarted, status, now), restarted: true };
  }
  if (distance > maxGap) return { result: "too_far", distance };
  if (order.handled.includes(status.messageCounter) || earlyAt(order, status.messageCounter)) {
    return { result: "handled_before" };
  }
  const bytes = totalBytes(order.early) + statusBytes(status);
  if (bytes > maxBytes) return { result: "too_much", bytes };
  return {
    result: "taken",
    order: {
      ...order,
      fresh: false,
      early: [...order.early, status],
      gapSince: order.gapSince ?? now,
    },
    restarted: false,
  };
}

function earlyAt({ early }: StatusOrder, counter: number): Status | undefined {
  return early.find(({ messageCounter }) => messageCounter === counter);
}

/** Queues the expected status, and all early ones that now follow without a gap. */
function advance(order: StatusOrder, status: Status, now: number): StatusOrder {
  let expected = nextCounter(order.expected);
  let waiting = enqueue(order.waiting, status);
  let bytes = order.bytes + statusBytes(status);
  if (order.early.length === 0 && order.handled.length === 0) {
    return { ...order, fresh: false, expected, waiting, bytes, gapSince: null };
  }
  while (true) {
    const next = earlyAt(order, expected);
    if (next !== undefined) {
      waiting = enqueue(waiting, next);
      bytes += statusBytes(next);
    } else if (!order.handled.includes(expected)) {
      break;
    }
    expected = nextCounter(expected);
  }
  const isAhead = (counter: number) => counterDistance(counter, expected) > 0;
  const early = order.early.filter(({ messageCounter }) => isAhead(messageCounter));
  const handled = order.handled.filter(isAhead);
  // Now another counter is missing, which has the full time to arrive.
  const gapSince = early.length > 0 || handled.length > 0 ? now : null;
  return { ...order, fresh: false, expected, waiting, bytes, early, handled, gapSince };
}
