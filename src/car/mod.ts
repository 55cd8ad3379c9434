// The driver of a car's session: owns its timer, its transport and its module contexts.
export { Car, type CarObserver, type CarSnapshot } from "./car.ts";
export { noteLine } from "./notes.ts";
