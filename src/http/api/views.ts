// Turns the server's data into the API's.
import type { CarSnapshot } from "../../car/mod.ts";
import type { ServerConfig } from "../../config/mod.ts";
import {
  deviceAdvice,
  type FleetWatch,
  type Health,
  HEALTH_STATES,
  healthOf,
  type HealthState,
  type Position,
  QUIET,
  type SeenCommand,
  type SeenStatus,
  type Span,
  SPANS,
} from "../../observe/mod.ts";
import type { ServerSnapshot } from "../../server/mod.ts";
import { CommandResponseType, DeviceState } from "../../protocol/mod.ts";
import type { StateName } from "../../session/mod.ts";
import type { Pauses } from "../../state/mod.ts";
import type { Clock } from "../../time/mod.ts";
import { VERSION } from "../../version.ts";
import type {
  CarDetail,
  CarIncident,
  CarList,
  CarSummary,
  CommandView,
  DeviceView,
  Fleet,
  HistoryView,
  ModuleView,
  PositionView,
  StatusView,
  TrackView,
} from "./schemas.ts";
import { payloadView } from "./payload_view.ts";

/** Incidents that the page of a car shows. */
const MAX_INCIDENTS = 10;

/** The data for views. */
export interface ViewSource {
  readonly fleet: {
    readonly config: ServerConfig;
    snapshot(): ServerSnapshot;
  };
  readonly watch: FleetWatch;
  readonly pauses: Pick<Pauses, "get" | "areKept">;
  readonly clock: Clock;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** The whole fleet. */
export function fleetView(source: ViewSource): Fleet {
  const { fleet, clock, startedAt } = source;
  const { company, cluster, map: { tiles, attribution } } = fleet.config;
  const modules = modulesByCar(fleet.config);
  const cars = fleet.snapshot().cars
    .map((car) => summary(car, modules.get(car.car) ?? [], source));
  return {
    company,
    instance: cluster?.instance ?? null,
    version: VERSION,
    at: Math.floor(clock.now()),
    startedAt,
    health: countsByHealth(cars.map(({ health }) => health)),
    openIncidents: source.watch.incidents.list({ state: "open" }),
    map: { tiles, attribution },
    cars,
  };
}

/** What is asked of the list of cars. */
export interface CarQuery {
  readonly state?: readonly StateName[] | undefined;
  readonly health?: readonly HealthState[] | undefined;
  /** A part of the name, in any case. */
  readonly q?: string | undefined;
  /** @default {all} */
  readonly limit?: number | undefined;
  /** The car before the page. */
  readonly after?: string | undefined;
}

/** A page of the cars that pass; undefined when `after` is none of the cars. */
export function carList(
  source: ViewSource,
  { state, health, q, limit = Infinity, after }: CarQuery,
): CarList | undefined {
  const { cars, ...fleet } = fleetView(source);
  const start = after === undefined ? 0 : cars.findIndex(({ car }) => car === after) + 1;
  if (start === 0 && after !== undefined) return undefined;
  // Names of cars have no capitals.
  const words = q?.toLowerCase() ?? "";
  const passes = (car: CarSummary) =>
    (state?.includes(car.state) ?? true) && (health?.includes(car.health.state) ?? true) &&
    car.car.includes(words);
  const rest = cars.slice(start).filter(passes);
  const page = rest.slice(0, limit);
  return {
    ...fleet,
    cars: page,
    total: cars.slice(0, start).filter(passes).length + rest.length,
    next: page.length < rest.length ? page.at(-1)?.car ?? null : null,
  };
}

/** The rows of some cars; those that are not configured are left out. */
export function carSummaries(source: ViewSource, names: ReadonlySet<string>): CarSummary[] {
  const { fleet } = source;
  const modules = modulesByCar(fleet.config);
  return fleet.snapshot().cars
    .filter(({ car }) => names.has(car))
    .map((car) => summary(car, modules.get(car.car) ?? [], source));
}

/** Everything about one car; undefined when it is not configured. */
export function carDetail(source: ViewSource, name: string): CarDetail | undefined {
  const { fleet, watch } = source;
  const server = fleet.snapshot();
  const car = server.cars.find((one) => one.car === name);
  const config = fleet.config.cars.find((one) => one.name === name);
  if (car === undefined || config === undefined) return undefined;
  const record = watch.record(name);
  const lastStatusOf = (id: string) => {
    const status = record.devices.lastStatusOf(id);
    return status && statusView(status);
  };
  return {
    ...summary(car, config.modules.map(({ id }) => id), source),
    devices: record.devices.list().map(([id, { device, why, ...seen }]): DeviceView => ({
      id,
      module: device.module,
      type: device.deviceType,
      role: device.deviceRole,
      name: device.deviceName,
      connected: seen.connectedSince !== null,
      ...seen,
      lastStatus: lastStatusOf(id),
      problem: why === null ? null : deviceAdvice(device.module, why),
    })),
    moduleContexts: config.modules.map(({ id, libPath }) => moduleView(server, name, id, libPath)),
    lastMessageAgeMs: watch.lastMessageAgeMs(name),
    incidents: watch.incidents.list({ car: name, limit: MAX_INCIDENTS }),
    statuses: record.statuses.newestFirst().map(statusView),
    commands: record.commands.newestFirst().map(commandView),
    events: record.events.newestFirst(),
    queues: car.queues,
    counts: car.statistics,
    history: record.history.oldestFirst(),
  };
}

/** The history of a car or of the fleet; undefined when the car is not configured. */
export function historyView(
  { watch, fleet, clock }: ViewSource,
  span: Span,
  car?: string,
): HistoryView | undefined {
  if (car !== undefined && !fleet.config.cars.some(({ name }) => name === car)) return undefined;
  const now = clock.now();
  const series = car === undefined ? watch.history.fleet : watch.history.of(car);
  const points = (series?.points(span, now) ?? []).map(({ level, ...point }) => ({
    ...point,
    health: car === undefined ? null : healthOf(level),
    troubled: car === undefined ? level : null,
  }));
  return { span, stepMs: SPANS[span].stepMs, at: Math.floor(now), points };
}

/** Where cars have been lately; those without a position are left out. */
export function trackViews({ watch, fleet }: ViewSource): TrackView[] {
  return fleet.config.cars.flatMap(({ name: car }) => {
    const { positions } = watch.record(car);
    if (positions.last === null) return [];
    const points = [...positions.track(), positions.last];
    return [{ car, points: points.map((it) => [rounded(it.latitude), rounded(it.longitude)]) }];
  });
}

/** A position as exact as a map can show it. */
export function positionView({ latitude, longitude, at, device }: Position): PositionView {
  return { latitude: rounded(latitude), longitude: rounded(longitude), at, device };
}

/** To a tenth of a meter. */
function rounded(degrees: number): number {
  return Math.round(degrees * 1e6) / 1e6;
}

/** How many cars are in each state of health. */
function countsByHealth(all: readonly Health[]): Fleet["health"] {
  const counts = Object.fromEntries(HEALTH_STATES.map((state) => [state, 0])) as Fleet["health"];
  for (const { state } of all) counts[state]++;
  return counts;
}

function summary(
  car: CarSnapshot,
  modules: readonly number[],
  { watch, pauses }: ViewSource,
): CarSummary {
  const pause = pauses.get(car.car);
  const { health: { lastMessageAt }, positions } = watch.record(car.car);
  const incident = watch.incidents.lastOf(car.car);
  return {
    car: car.car,
    state: car.state,
    since: car.since,
    health: watch.healthOf(car.car),
    lastMessageAt: lastMessageAt === null ? null : Math.floor(lastMessageAt),
    position: positions.last === null ? null : positionView(positions.last),
    paused: car.paused,
    pause: pause === undefined ? null : { ...pause, kept: pauses.areKept },
    brokerConnected: car.brokerConnected,
    sessionId: car.sessionId,
    connectedDevices: car.devices.length,
    modules,
    rates: watch.lastSecond.cars.get(car.car) ?? QUIET,
    lastIncident: incident === undefined ? null : carIncident(incident),
  };
}

function carIncident({ id, code, beganAt, endedAt, text }: CarIncident): CarIncident {
  return { id, code, beganAt, endedAt, text };
}

function modulesByCar(config: ServerConfig): ReadonlyMap<string, readonly number[]> {
  return new Map(config.cars.map(({ name, modules }) => [name, modules.map(({ id }) => id)]));
}

function moduleView(
  { hosts }: ServerSnapshot,
  car: string,
  module: number,
  libPath: string,
): ModuleView {
  for (const { id, facts } of hosts) {
    const context = facts?.contexts.find((one) => one.car === car && one.module === module);
    if (facts && context) {
      const { openCalls } = context;
      return { module, libPath, host: id, hostPid: facts.pid, openCalls };
    }
  }
  return { module, libPath, host: null, hostPid: null, openCalls: 0 };
}

function statusView(status: SeenStatus): StatusView {
  const { at, device, counter, data, errorMessage, responseMs } = status;
  return {
    at,
    device,
    state: nameOf(DeviceState, status.state),
    counter,
    data: payloadView(data),
    errorMessage: errorMessage.bytes === 0 ? null : payloadView(errorMessage),
    responseMs,
  };
}

function commandView({ data, response, ...command }: SeenCommand): CommandView {
  const answer = response === null ? null : nameOf(CommandResponseType, response);
  return { ...command, data: payloadView(data), response: answer };
}

function nameOf<K extends string>(numbers: Readonly<Record<K, number>>, value: number) {
  for (const name in numbers) if (numbers[name] === value) return name;
  return "UNKNOWN";
}
