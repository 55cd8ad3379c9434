// @ts-check
// Times and figures as text. A figure and its unit are never parted by the end of a line.

// Formats of the locale take a phone tens of milliseconds to make, so only rare texts use them.
const dateFormat = once(() => new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }));
const countFormat = once(() => new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 }));

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * The time of day, and the date too unless it was less than half a day ago.
 *
 * @param {number} at
 * @param {number} now
 */
export function formatTime(at, now) {
  const time = formatClock(at);
  return Math.abs(now - at) < DAY / 2 ? time : `${dateFormat().format(at)}, ${time}`;
}

/**
 * The time of day: `14:02:11`.
 *
 * @param {number} at
 */
export function formatClock(at) {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, "0")).join(":");
}

/**
 * How long something lasts, coarse enough to seldom change: `< 1 min`, `5 min`, `3 h`, `2 d`.
 *
 * @param {number} ms
 */
export function formatAge(ms) {
  if (ms < MINUTE) return "<\u00a01\u00a0min";
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)}\u00a0min`;
  if (ms < 2 * DAY) return `${Math.floor(ms / HOUR)}\u00a0h`;
  return `${Math.floor(ms / DAY)}\u00a0d`;
}

/**
 * A response time with about two digits: `0.42 ms`, `7.3 ms`, `180 ms`, `2.4 s`; a dash for null.
 *
 * @param {number | null} ms
 */
export function formatMs(ms) {
  if (ms === null) return "\u2013";
  if (ms < 1) return `${ms.toFixed(2)}\u00a0ms`;
  if (ms < 10) return `${ms.toFixed(1)}\u00a0ms`;
  if (ms < SECOND) return `${Math.round(ms)}\u00a0ms`;
  return `${(ms / SECOND).toFixed(1)}\u00a0s`;
}

/** @param {number} count */
export function formatCount(count) {
  return Math.abs(count) < 999.5 ? count.toFixed(0) : countFormat().format(count);
}

/**
 * A number with its noun.
 *
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 */
export function counted(count, one, many = `${one}s`) {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/**
 * For how long nothing was heard; `now` while it is heard, so that it seldom changes.
 *
 * @param {number} ms
 */
export function formatSilence(ms) {
  return ms < 10 * SECOND ? "now" : formatSpan(ms);
}

/**
 * A span of time as exact as somebody who waits wants it: `8 s`, `5 min`, `3 h`, `2 d`.
 *
 * @param {number} ms
 */
export function formatSpan(ms) {
  return ms < MINUTE ? `${Math.round(ms / SECOND)}\u00a0s` : formatAge(ms);
}

/**
 * @template T
 * @param {() => T} make
 * @returns {() => T}
 */
function once(make) {
  /** @type {T | undefined} */
  let made;
  return () => made ??= make();
}
