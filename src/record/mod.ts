// The event log: what happened to every car, on the disk; and replaying it.
export { type Difference, shownValue } from "./difference.ts";
export { Recorder } from "./recorder.ts";
export { replay, type ReplayedCar, type ReplayedTurn } from "./replay.ts";
