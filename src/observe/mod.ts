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
export { FAMILIES, type Family, type Histogram, type Scrape } from "./metric_families.ts";
export { Metrics, PREFIX } from "./metrics.ts";
