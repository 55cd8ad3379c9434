// Timers of normal communication [SESSION-TIMEOUT] [STATUS-MISSING] [COMMAND-TIMEOUT].
import { deviceKey } from "../protocol/mod.ts";
import type { Environment, StepContext } from "./effects.ts";
import { endSession, type SessionEnd } from "./session_end.ts";
import { gatewayTime, whenGatewayTime } from "./backpressure.ts";
import { GATEWAY_ANSWER_MS, type SessionSettings } from "./settings.ts";
import type { Running, Waiting } from "./state.ts";

/** The next deadline, in milliseconds. */
export function runningDeadline(session: Running, settings: SessionSettings): number {
  const { reading, sent, statuses: { gapSince } } = session;
  if (reading.pausedSince !== null) {
    return reading.watched === null ? Infinity : reading.watched.since + moduleMs(settings);
  }
  const oldest = sent[0];
  const at = Math.min(
    session.heardAt + settings.sessionMs,
    gapSince === null ? Infinity : gapSince + settings.responseMs,
    oldest === undefined ? Infinity : oldest.sentAt + settings.responseMs,
  );
  return whenGatewayTime(session, at);
}

/** The first timer has expired. */
export function onRunningTimeout(session: Running, context: StepContext): Waiting {
  return endSession(session, whatIsOver(session, context), context);
}

/** By then the gateway has dropped the link, which goes unnoticed as it is not read. */
function moduleMs({ sessionMs }: SessionSettings): number {
  return Math.max(GATEWAY_ANSWER_MS, sessionMs);
}

function whatIsOver(session: Running, { now, settings }: Environment): SessionEnd {
  const { heardAt, statuses, sent, reading } = session;
  const { waiting, begun, early, handled, gapSince, expected } = statuses;
  const { responseMs, sessionMs } = settings;
  if (reading.pausedSince !== null && reading.watched !== null) {
    const { counter, since } = reading.watched;
    const slow = begun.find(({ stage }) => stage !== "done")?.status.device.module ?? "";
    const detail = `Module ${slow} is too slow: status ${counter} is not answered, ` +
      `${waiting.size + begun.length} statuses wait and reading is paused`;
    return { reason: "module_slow", detail, waitedMs: now - since };
  }
  const time = gatewayTime(session, now);
  const oldest = sent[0];
  if (oldest !== undefined && time >= oldest.sentAt + responseMs) {
    const detail = `Response to command ${oldest.counter} for ${deviceKey(oldest.command.device)}`;
    return { reason: "command_unanswered", detail, waitedMs: time - oldest.sentAt };
  }
  if (gapSince !== null && time >= gapSince + responseMs) {
    const detail = `Status with counter ${expected}, ${
      early.length + handled.length
    } came after it`;
    return { reason: "status_gap", detail, waitedMs: time - gapSince };
  }
  const detail = `Any message of the gateway within ${sessionMs} ms`;
  return { reason: "session_timeout", detail, waitedMs: time - heardAt };
}
