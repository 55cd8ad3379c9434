// Clocks, deadlines, backoff, pauseMs, and fair shares of the event loop.
export { Alarm } from "./alarm.ts";
export { backoff, pauseMs } from "./backoff.ts";
export { type Clock, systemClock, type TimerHandle } from "./clock.ts";
export { type Entrant, Gate } from "./gate.ts";
export { ReadShare } from "./read_share.ts";
export { within } from "./within.ts";
