// The driver of a car's session: owns its timer, its transport and its module contexts.
export { Car, type CarSnapshot } from "./car.ts";
export { type CarEvent, eventsOf, responseName, sessionIdOf } from "./events.ts";
export type { Turn, TurnSubscriber } from "./turn.ts";
