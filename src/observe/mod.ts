// Observers of cars: history, rates, health, incidents, metrics.
export { type KeptPayload, QUIET, type SeenCommand, type SeenStatus } from "./car_record.ts";
export { type FleetListener, FleetWatch, type SecondOfFleet } from "./fleet_watch.ts";
export { MetricSource } from "./metric_source.ts";
export { FAMILIES } from "./metric_families.ts";
export type { Family, Histogram, Scrape, WebhookCounts } from "./metric_family.ts";
export { Metrics, PREFIX } from "./metrics.ts";
export { GATEWAY_FAMILIES, GATEWAY_PREFIX, type GatewayScrape } from "./gateway_families.ts";
export { LoopLag } from "./loop_lag.ts";
export { deviceAdvice } from "./health/advice.ts";
export {
  type Cause,
  CAUSE_CODES,
  type Health,
  HEALTH_STATES,
  healthOf,
  type HealthState,
} from "./health/health.ts";
export type {
  Incident,
  IncidentChange,
  IncidentFilter,
  IncidentListener,
} from "./health/incident.ts";
export { INCIDENTS_DOCUMENT } from "./health/kept_incidents.ts";
export type { Position } from "./positions.ts";
export type { WatchedFleet } from "./health/fleet_health.ts";
export { IncidentLog } from "./health/incident_log.ts";
export { type EventQuery, type ListedEvent, MAX_EVENTS } from "./history/event_list.ts";
export { HISTORY_DOCUMENT } from "./history/history.ts";
export { type Point, type Span, SPAN_NAMES, SPANS } from "./history/series.ts";
