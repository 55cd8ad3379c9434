// @ts-check
// The condition of a car in a word or a line, and which cars need attention.
import { formatSpan } from "./format.js";

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/** @typedef {import("../../api/schemas.ts").CauseView} CauseView */
/** @typedef {import("../../api/schemas.ts").IncidentView} IncidentView */
/**
 * @typedef {"modules" | "broker" | "degraded" | "connecting" | "waiting" | "paused" | "stopped" | "running"} Condition
 */

/** What a car does, the worst first. */
export const CONDITIONS = /** @type {const} */ ({
  modules: { word: "No modules", rank: 0 },
  broker: { word: "No broker", rank: 1 },
  degraded: { word: "Degraded", rank: 2 },
  connecting: { word: "Connecting", rank: 4 },
  waiting: { word: "Waiting", rank: 5 },
  paused: { word: "Paused", rank: 6 },
  stopped: { word: "Stopped", rank: 7 },
  running: { word: "Running", rank: 8 },
});

/** A car that waits because something went wrong. */
const LOST_RANK = 3;

/** An incident that is over is news for this long, in milliseconds. */
const NEWS_MS = 5 * 60_000;

/**
 * @param {CarSummary} car
 * @returns {Condition}
 */
export function conditionOf({ state, health, sessionId }) {
  if (state === "STOPPED") return "stopped";
  switch (health.state) {
    case "down":
      return health.causes.some(({ code }) => code === "broker_away") ? "broker" : "modules";
    case "degraded":
      return "degraded";
    case "paused":
      return "paused";
    case "healthy":
      return "running";
    case "waiting":
      return sessionId === null ? "waiting" : "connecting";
  }
}

/**
 * Whether an incident goes on, or was over only just now.
 *
 * @param {Pick<IncidentView, "endedAt">} incident
 * @param {number} now
 */
export function isNews({ endedAt }, now) {
  return endedAt === null || now - endedAt < NEWS_MS;
}

/**
 * Whether something goes wrong with a car, or did lately.
 *
 * @param {CarSummary} car
 * @param {number} now
 */
export function hasIncident({ lastIncident }, now) {
  return lastIncident !== null && isNews(lastIncident, now);
}

/**
 * Cars are listed by it: the smaller, the sooner somebody should look.
 *
 * @param {CarSummary} car
 */
export function rankOf(car) {
  const condition = conditionOf(car);
  const waits = condition === "waiting" || condition === "connecting";
  return waits && car.health.causes.length > 0 ? LOST_RANK : CONDITIONS[condition].rank;
}

/**
 * A cause in one line, such as `Module 7 away: init returned NULL, 3 attempts failed, next in 8 s`.
 *
 * @param {CauseView} cause
 * @param {number} now
 */
export function causeText({ text, attempts, nextAttemptAt }, now) {
  if (attempts === null || attempts === 0) return text;
  const failed = `${attempts} ${attempts === 1 ? "attempt" : "attempts"} failed`;
  const next = nextAttemptAt === null || nextAttemptAt <= now
    ? "trying now"
    : `next in ${formatSpan(nextAttemptAt - now)}`;
  return `${text}, ${failed}, ${next}`;
}

/**
 * What a car suffers from, and if nothing, what its last incident was.
 *
 * @param {CarSummary} car
 * @param {number} now
 */
export function troubleText({ health, lastIncident }, now) {
  if (health.causes.length > 0) {
    return health.causes.map((cause) => causeText(cause, now)).join("; ");
  }
  return lastIncident === null ? "" : incidentText(lastIncident, now);
}

/**
 * An incident in one line, such as `Gateway silent: no message (30 s), over after 42 s`.
 *
 * @param {Pick<IncidentView, "text" | "beganAt" | "endedAt"> & Partial<IncidentView>} incident
 * @param {number} now
 */
export function incidentText(incident, now) {
  const { text, beganAt, endedAt, times = 1, carCount = 1, acknowledged = null } = incident;
  // Each car counts once at least.
  const often = times > carCount ? `, ${times} times` : "";
  const lasted = endedAt === null
    ? `, for ${formatSpan(now - beganAt)}`
    : `, over after ${formatSpan(endedAt - beganAt)}`;
  const note = acknowledged?.note ? `: ${acknowledged.note}` : "";
  const taken = acknowledged === null ? "" : ` (${acknowledged.name}${note})`;
  return text + often + lasted + taken;
}
