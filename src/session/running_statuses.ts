// Statuses of normal communication: forwarded and answered in counter order [STATUS-ORDER].
import {
  type CallOutcome,
  type Device,
  deviceKey,
  DeviceState,
  sameDevice,
  type Status,
  withoutPriority,
} from "../protocol/mod.ts";
import { gatewayTime, withAnswered } from "./backpressure.ts";
import { onDeviceLeft, onDeviceResult, refusal } from "./device_connection.ts";
import type { NotForwarded, StepContext } from "./effects.ts";
import { ignore } from "./ignore_message.ts";
import { hasDevice, withoutDevice } from "./known_devices.ts";
import { dequeue, type Queue } from "./queue.ts";
import { endSession } from "./session_end.ts";
import { FORWARD_WINDOW } from "./settings.ts";
import type { Running, Waiting } from "./state.ts";
import { forward } from "./status_forward.ts";
import { type BegunStatus, statusBytes, takeStatus } from "./status_order.ts";

type Next = Running | Waiting;

/** Limit of device and reason pairs noted in one session: a gateway may make up devices. */
const MAX_NOTED = 1000;

/** A status of this session. */
export function onStatus(session: Running, status: Status, context: StepContext): Next {
  const { statuses } = session;
  const { maxStatusGap, maxWaitingBytes } = context.settings;
  const limits = { maxGap: maxStatusGap, maxBytes: maxWaitingBytes };
  const heardAt = gatewayTime(session, context.now);
  const taken = takeStatus(statuses, status, limits, heardAt);
  switch (taken.result) {
    case "handled_before":
      return ignore({ ...session, heardAt }, "counter_handled", status, context);
    case "too_far": {
      const detail = `Status counter ${status.messageCounter} is ${taken.distance} ahead of ` +
        `${statuses.expected}, at most ${maxStatusGap} are allowed`;
      return endSession(session, { reason: "status_gap", detail }, context);
    }
    case "too_much": {
      const detail = `Statuses of ${taken.bytes} bytes came ahead of counter ` +
        `${statuses.expected}, at most ${maxWaitingBytes} are kept`;
      return endSession(session, { reason: "status_gap", detail }, context);
    }
    case "taken":
      if (taken.restarted) {
        const { expected } = statuses;
        const counter = status.messageCounter;
        context.effects.push({
          type: "note",
          note: { code: "counter_restarted", expected, counter },
        });
      }
      return pump({ ...session, heardAt, statuses: taken.order }, context);
  }
}

/** Begins waiting statuses in order, as far as earlier ones allow. */
export function pump(session: Running, context: StepContext): Next {
  if (session.resuming.length > 0) return session;
  let next = session;
  while (true) {
    const { begun, waiting } = next.statuses;
    const last = begun.at(-1);
    // Whether a device connects decides how later statuses are handled.
    if (last !== undefined && (last.stage === "connecting" || last.leaving)) break;
    if (begun.length >= FORWARD_WINDOW) break;
    const taken = dequeue(waiting);
    if (taken === null) break;
    next = begin(next, taken[0], taken[1], context);
    if (next.statuses.begun[0]?.stage === "done") {
      const answered = answer(next, context);
      if (answered.kind !== "running") return answered;
      next = answered;
    }
  }
  return next;
}

/** Begins to handle the next status, by its state [STATUS-STATES]; `waiting` are those behind it. */
function begin(
  session: Running,
  status: Status,
  waiting: Queue<Status>,
  context: StepContext,
): Running {
  const { device, deviceState } = status;
  const connected = hasDevice(session.devices, device);
  switch (deviceState) {
    case DeviceState.CONNECTING:
      if (connected) break;
      if (!context.settings.modules.includes(device.module)) {
        return passOver(session, status, waiting, "unknown_module", context);
      }
      // No other device is coming: this one waits for its turn behind it.
      if (session.devices.length >= context.settings.maxDevices) {
        return passOver(session, status, waiting, "too_many_devices", context);
      }
      context.effects.push({
        type: "connect_device",
        epoch: session.base.epoch,
        device: withoutPriority(device),
      });
      return withBegun(session, { status, stage: "connecting", leaving: false }, waiting);
    case DeviceState.RUNNING:
    case DeviceState.DISCONNECT:
      if (connected) break;
      return passOver(
        session,
        status,
        waiting,
        context.settings.modules.includes(device.module)
          ? "device_not_connected"
          : "unknown_module",
        context,
      );
    default:
      return passOver(session, status, waiting, "unknown_state", context);
  }
  context.effects.push(forward(session.base.epoch, status));
  const leaving = deviceState === DeviceState.DISCONNECT;
  return withBegun(session, { status, stage: "forwarding", leaving }, waiting);
}

function withBegun(session: Running, begun: BegunStatus, waiting: Queue<Status>): Running {
  const { statuses } = session;
  return { ...session, statuses: { ...statuses, waiting, begun: [...statuses.begun, begun] } };
}

/** Answers a status that is not forwarded, in its turn, and notes it once. */
function passOver(
  session: Running,
  status: Status,
  waiting: Queue<Status>,
  why: NotForwarded,
  context: StepContext,
): Running {
  const next = withBegun(session, { status, stage: "done", leaving: false }, waiting);
  return noteNotForwarded(next, status.device, why, context);
}

function noteNotForwarded(
  session: Running,
  device: Device,
  why: NotForwarded,
  context: StepContext,
): Running {
  const key = `${why} ${deviceKey(device)}`;
  const first = !session.noted.includes(key) && session.noted.length < MAX_NOTED;
  context.effects.push({ type: "note", note: { code: "not_forwarded", why, device, first } });
  return first ? { ...session, noted: [...session.noted, key] } : session;
}

/** Answers all statuses that have been handled, in counter order. */
function answer(session: Running, context: StepContext): Next {
  const { sessionId, statuses } = session;
  let next = session;
  let answered = 0;
  let { bytes } = statuses;
  for (const { status, stage, leaving } of statuses.begun) {
    if (stage !== "done") break;
    answered++;
    bytes -= statusBytes(status);
    context.effects.push({
      type: "publish",
      message: { kind: "status_response", sessionId, messageCounter: status.messageCounter },
      answers: status,
    });
    if (leaving) next = onDeviceLeft(next, status.device, context);
  }
  if (answered === 0) return next;
  next = { ...next, statuses: { ...statuses, begun: statuses.begun.slice(answered), bytes } };
  next = withAnswered(next, statuses.begun, answered, context.now);
  return next.devices.length > 0 ? next : allGone(next, context);
}

/** `forward_status` has returned, with any code. */
export function onForwarded(
  session: Running,
  counter: number,
  context: StepContext,
): Next {
  const { begun } = session.statuses;
  const index = begun.findIndex((one) =>
    one.stage === "forwarding" && one.status.messageCounter === counter
  );
  if (index < 0) return session;
  return finish(session, index, "done", context);
}

/** `device_connected` has returned for a device that connected in normal communication. */
export function onDeviceResultRunning(
  session: Running,
  device: Device,
  outcome: CallOutcome,
  context: StepContext,
): Next {
  if (hasDevice(session.resuming, device)) return onResumed(session, device, outcome, context);
  const { begun } = session.statuses;
  const index = begun.findIndex(({ stage, status }) =>
    stage === "connecting" && sameDevice(status.device, device)
  );
  const one = begun[index];
  if (one === undefined) return session;
  const known = onDeviceResult(session, device, outcome, context);
  if (outcome !== "ok") {
    const noted = noteNotForwarded(known, one.status.device, refusal(outcome), context);
    return finish(noted, index, "done", context);
  }
  context.effects.push(forward(known.base.epoch, one.status));
  return finish(known, index, "forwarding", context);
}

/** A device of a session that was taken over is connected here as well, or its module refuses it now. */
function onResumed(
  session: Running,
  device: Device,
  outcome: CallOutcome,
  context: StepContext,
): Next {
  const resuming = withoutDevice(session.resuming, device);
  let next: Running = { ...session, resuming };
  if (outcome !== "ok") {
    const devices = withoutDevice(session.devices, device);
    next = onDeviceResult({ ...next, devices }, device, outcome, context);
  }
  if (resuming.length > 0) return next;
  return next.devices.length > 0 ? pump(next, context) : allGone(next, context);
}

function finish(
  session: Running,
  index: number,
  stage: BegunStatus["stage"],
  context: StepContext,
): Next {
  const { statuses } = session;
  const one = statuses.begun[index];
  if (one === undefined) return session;
  const begun = statuses.begun.with(index, { ...one, stage });
  const next = { ...session, statuses: { ...statuses, begun } };
  const answered = index === 0 ? answer(next, context) : next;
  return answered.kind === "running" ? pump(answered, context) : answered;
}

/** Ends the session when its last device has left. */
export function allGone(session: Running, context: StepContext): Waiting {
  const detail = "The last connected device has left";
  return endSession(session, { reason: "all_devices_gone", detail }, context);
}
