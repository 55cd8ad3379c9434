// Metrics and traces for OpenTelemetry. Loaded only when it is on: the packages take 0.3 s.
export { Telemetry, type TelemetryOptions } from "./telemetry.ts";
