// Observers of cars: history, rates, metrics.
export {
  type KeptPayload,
  QUIET,
  type SeenCommand,
  type SeenFailure,
  type SeenStatus,
} from "./car_record.ts";
export { type FleetListener, FleetWatch, type SecondOfFleet } from "./fleet_watch.ts";
export { MetricSource } from "./metric_source.ts";
export { Metrics } from "./metrics.ts";
