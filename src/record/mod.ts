// The flight recorder, and replaying what it wrote.
export { type Difference, shownValue } from "./difference.ts";
export { Recorder } from "./recorder.ts";
export { replay, type ReplayedCar, type ReplayedTurn } from "./replay.ts";
