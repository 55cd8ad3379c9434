// @ts-check
// The condition of a car in a word or a line, and which cars need attention.

/** @typedef {import("../../api/schemas.ts").CarSummary} CarSummary */
/** @typedef {import("../../api/schemas.ts").FailureView} FailureView */
/**
 * @typedef {"modules" | "broker" | "connecting" | "waiting" | "paused" | "stopped" | "running"} Condition
 */

/** What a car does, the worst first. */
export const CONDITIONS = /** @type {const} */ ({
  modules: { word: "No modules", rank: 0 },
  broker: { word: "No broker", rank: 1 },
  connecting: { word: "Connecting", rank: 3 },
  waiting: { word: "Waiting", rank: 4 },
  paused: { word: "Paused", rank: 5 },
  stopped: { word: "Stopped", rank: 6 },
  running: { word: "Running", rank: 7 },
});

/** A car that failed and is not back. */
const FAILED_RANK = 2;

/** A failure is news for this long, in milliseconds. */
export const NEWS_MS = 5 * 60_000;

/**
 * @param {CarSummary} car
 * @returns {Condition}
 */
export function conditionOf(car) {
  if (car.state === "STOPPED") return "stopped";
  if (!car.brokerConnected || car.state === "UNINITIALIZED") return "broker";
  if (car.state === "ERROR") return "modules";
  if (car.paused) return "paused";
  if (car.state === "RUNNING") return "running";
  return car.sessionId === null ? "waiting" : "connecting";
}

/**
 * Whether the car's last failure is still news.
 *
 * @param {CarSummary} car
 * @param {number} now
 */
export function hasFailedLately(car, now) {
  return car.lastFailure !== null && now - car.lastFailure.at < NEWS_MS;
}

/**
 * Cars are listed by it: the smaller, the sooner somebody should look.
 *
 * @param {CarSummary} car
 * @param {number} now
 */
export function rankOf(car, now) {
  const condition = conditionOf(car);
  const waits = condition === "waiting" || condition === "connecting";
  return waits && hasFailedLately(car, now) ? FAILED_RANK : CONDITIONS[condition].rank;
}

/**
 * A failure in one line, such as `Gateway silent: no message (30 s), 3 times`.
 *
 * @param {FailureView} failure
 */
export function failureText(failure) {
  const detail = failure.detail === "" ? "" : `: ${failure.detail}`;
  const waited = failure.waitedMs > 0 ? ` (${Number((failure.waitedMs / 1000).toFixed(1))} s)` : "";
  const times = failure.times > 1 ? `, ${failure.times} times` : "";
  return failure.title + detail + waited + times;
}
