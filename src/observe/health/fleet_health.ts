// The health of all cars: brings together what turns, hosts and brokers tell, and keeps the
// incidents.
import type { BrokerTrouble } from "../../transport/mod.ts";
import type { HostLoss, MissingModules } from "../../server/mod.ts";
import type { PositionPaths } from "../positions.ts";
import type { CarHealth } from "./car_health.ts";
import { type Health, type Thresholds, type Trouble } from "./health.ts";
import { HostCrash } from "./host_crash.ts";
import type { Hit, IncidentChange } from "./incident.ts";
import { Incidents } from "./incidents.ts";
import { causeOf, groupOf, healthOf, type Surroundings } from "./wording.ts";

/** What was intended becomes an incident when it takes so long, in milliseconds. */
const PLANNED_MS = 10_000;
/** Crashes of hosts that are remembered. */
const MAX_CRASHES = 100;

/** Figures of causes that only grow are told again so often, in milliseconds. */
const RETELL_MS = 10_000;

/** What is asked of the server. */
export interface WatchedFleet {
  readonly config: {
    readonly health: Thresholds;
    readonly map: PositionPaths;
    readonly cars: readonly { readonly name: string }[];
  };
  car(name: string): { readonly brokerTrouble: BrokerTrouble | null } | undefined;
  /** What a car lacks; `null` when it has all its module contexts. */
  missingModules(car: string): MissingModules | null;
}

/** The health of all cars, and their incidents. */
export class FleetHealth {
  readonly incidents: Incidents;
  /** By host, the newest last. */
  readonly #crashes = new Map<number, HostCrash>();
  /** Which attempts and figures were told last, by car. */
  readonly #figures = new Map<string, string>();
  #fleet: WatchedFleet | null = null;

  /** @param tell Called with each change of an incident. */
  constructor(tell: (change: IncidentChange) => void) {
    this.incidents = new Incidents(tell);
  }

  /** The server has started. */
  start(fleet: WatchedFleet): void {
    this.#fleet = fleet;
  }

  /** A host was lost with some cars' modules. */
  hostLost(loss: HostLoss, health: (car: string) => CarHealth): void {
    let crash = this.#crashes.get(loss.host);
    if (crash === undefined) {
      this.#crashes.set(loss.host, crash = new HostCrash(loss));
      const [oldest = 0] = this.#crashes.keys();
      if (this.#crashes.size > MAX_CRASHES) this.#crashes.delete(oldest);
    } else crash.add(loss.contexts);
    for (const { car } of loss.contexts) health(car).crash = crash;
  }

  /** Whether what was told of a car's causes is out of date: attempts, shares, ages. */
  isOutdated(car: string, health: CarHealth, now: number): boolean {
    const { state } = health;
    if (state !== "down" && state !== "degraded") {
      this.#figures.delete(car);
      return false;
    }
    const { missing } = this.#around(car, health, now);
    const { attempts, nextAttemptAt } = missing ?? {};
    const figures = `${attempts} ${nextAttemptAt} ${Math.floor(now / RETELL_MS)}`;
    const before = this.#figures.get(car);
    this.#figures.set(car, figures);
    return before !== undefined && before !== figures;
  }

  /** A car is no longer served. */
  forget(car: string, now: number): void {
    this.#figures.delete(car);
    this.incidents.forget(car, now);
  }

  /** The health of one car, in words. */
  of(car: string, health: CarHealth, now: number): Health {
    return healthOf(car, health, this.#around(car, health, now));
  }

  /** Cars have changed, or a second has passed: their incidents begin, go on or end. */
  judge(cars: Iterable<readonly [string, CarHealth]>, now: number): void {
    for (const [car, health] of cars) {
      this.incidents.update(car, this.#hits(car, health, now), now);
      health.told();
    }
    this.incidents.settle(now, this.#fleet?.config.health.settleMs ?? 0);
    this.incidents.flush();
  }

  #hits(car: string, health: CarHealth, now: number): readonly Hit[] {
    if (health.isWell) return NONE;
    const around = this.#around(car, health, now);
    const hits: Hit[] = [];
    for (const trouble of health.troubles) {
      if (!isIncident(trouble, health, around)) continue;
      hits.push({
        cause: causeOf(car, trouble, health, around),
        group: groupOf(car, trouble, health, around),
        culprit: trouble.code === "modules_away" ? health.crash?.culprit ?? null : null,
        endedAt: trouble.endedAt,
        switchedOff: trouble.switchedOff,
        times: trouble.times,
      });
    }
    return hits.sort((one, other) => one.cause.since - other.cause.since);
  }

  #around(car: string, health: CarHealth, now: number): Surroundings {
    const fleet = this.#fleet;
    if (fleet === null || health.state !== "down") return { now, missing: null, broker: null };
    const broker = fleet.car(car)?.brokerTrouble ?? null;
    return { now, missing: fleet.missingModules(car), broker };
  }
}

const NONE: readonly Hit[] = [];

/** What is intended, or belongs to a start, is none unless it fails or takes long. */
function isIncident(
  { code, planned, since, endedAt }: Trouble,
  { crash }: CarHealth,
  { now, missing }: Surroundings,
): boolean {
  if (!planned) return true;
  if (code === "modules_away" && (crash !== null || (missing?.attempts ?? 0) > 0)) return true;
  return endedAt === null && now - since >= PLANNED_MS;
}
