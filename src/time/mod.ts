// Clocks, deadlines, backoff, and fair shares of the event loop.
export { Alarm } from "./alarm.ts";
export { backoff, pauseMs } from "./backoff.ts";
export { type Clock, every, sleep, systemClock, type TimerHandle, wallTime } from "./clock.ts";
export { Coalesced } from "./coalesced.ts";
export { deadline, firstOf, within } from "./deadline.ts";
export { RateLimit } from "./rate_limit.ts";
export { ReadShare } from "./read_share.ts";
export { Semaphore } from "./semaphore.ts";
