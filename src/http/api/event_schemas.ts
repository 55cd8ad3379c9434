// Schemas of server-sent events. Times (`at`, `heardAt`) are milliseconds since the epoch.
import * as z from "zod";
import { CommandsEvent } from "./commands.ts";
import { CarRates, CarSummary, Fleet, IncidentView, PositionView, time } from "./schemas.ts";

/** Everything at once: the first event, and again when the configuration has changed. */
export const FleetEvent = Fleet.extend({ type: z.literal("fleet") }).meta({ id: "FleetEvent" });
export type FleetEvent = z.infer<typeof FleetEvent>;

/** A row has changed in anything but its rates: state, pause, session, devices. */
export const CarEvent = z.object({
  type: z.literal("car"),
  at: time(),
  car: CarSummary,
}).meta({ id: "CarEvent" });
export type CarEvent = z.infer<typeof CarEvent>;

/** An incident has begun, hits more or fewer cars, is over, or was acknowledged. */
export const IncidentEvent = z.object({
  type: z.literal("incident"),
  at: time(),
  change: z.enum(["began", "changed", "ended", "acknowledged"]),
  incident: IncidentView,
}).meta({ id: "IncidentEvent" });
export type IncidentEvent = z.infer<typeof IncidentEvent>;

/** Counts of the last second; missing cars had neither statuses nor commands. */
export const RatesEvent = z.object({
  type: z.literal("rates"),
  at: time(),
  fleet: CarRates,
  cars: z.record(z.string(), CarRates).readonly(),
  heardAt: z.record(z.string(), time()).readonly()
    .describe("when gateways were last heard that were heard in that second"),
  positions: z.record(z.string(), PositionView).readonly()
    .describe("where cars are that told it in that second"),
}).meta({ id: "RatesEvent" });
export type RatesEvent = z.infer<typeof RatesEvent>;

/**
 * `GET /api/v1/events`: each has `event:` its type, `data:` this object as JSON, on one line, and
 * an `id:`. `rates` comes every second, so silence means that the connection is lost. A client that
 * comes back with the id in `Last-Event-ID` gets what it has missed if the server still has it, else
 * everything again with the event `fleet`. A client that reads too slowly is disconnected.
 */
export const ServerEvent = z.discriminatedUnion("type", [
  FleetEvent,
  CarEvent,
  IncidentEvent,
  RatesEvent,
  CommandsEvent,
]).meta({ id: "ServerEvent" });
export type ServerEvent = z.infer<typeof ServerEvent>;
