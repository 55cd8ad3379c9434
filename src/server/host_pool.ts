// The module hosts of the server: started when contexts need them, stopped when their last one has
// gone, replaced when they died.
import { maskSecrets, secretValues } from "../text/mod.ts";
import type { ContextListener, ContextSpec, ModuleContext } from "../module/mod.ts";
import type { Log } from "../log/mod.ts";
import { placeContexts } from "./placement.ts";

/** A module host as the pool needs it; `ModuleHost` is one. */
export interface Host {
  createContext(spec: ContextSpec, listener: ContextListener): Promise<ModuleContext>;
  /** Contexts it could still take; those it could not destroy keep their threads. */
  readonly freePlaces: number;
  /** Ends the process in order, within a bound. Idempotent, never rejects. */
  stop(): Promise<void>;
  /** The host as plain data. */
  snapshot(): unknown;
}

/** What a host tells the pool. */
export interface HostEvents {
  /** A line a library printed. */
  onOutput(line: string, stream: "stdout" | "stderr"): void;
  /** The process is gone, whether it was stopped, killed or crashed. */
  onExit(reason: string): void;
}

/** Starts a host process. */
export type StartHost = (events: HostEvents) => Promise<Host>;

/** What a pool is made of. */
export interface HostPoolOptions {
  readonly startHost: StartHost;
  readonly log: Log;
  /** Contexts a host takes at most. */
  readonly contextsPerHost: number;
}

/** Room for one context, reserved; given back with {@linkcode Place.release}. */
export interface Place {
  /** Makes the context there. Rejects with what the host says is wrong. */
  open(spec: ContextSpec, listener: ContextListener): Promise<ModuleContext>;
  /** Gives the room back; the last one to leave stops the host. Idempotent. */
  release(): void;
}

/**
 * Contexts whose libraries are tried for the first time: until that is over they share hosts with
 * each other only, so that a library that crashes takes nobody along who was served before.
 */
export interface Apart {
  over: boolean;
}

/**
 * What a car's modules have to do with recent crashes: nothing; maybe something, since their host
 * crashed again and again; or a crash pointed at them.
 */
export type Standing = "trusted" | "doubted" | "suspect";

/** With whom a car may share hosts. */
export interface Company {
  /**
   * Asked anew whenever somebody looks for a place, so that hosts are shared again as soon as their
   * cars have been well. @default {trusted}
   */
  readonly standing?: () => Standing;
  /** @default {everybody} */
  readonly apart?: Apart | undefined;
}

/** A host and who lives there, as plain data. */
export interface HostPlacement {
  readonly id: number;
  /** Cars with contexts on this host, and how many each has. */
  readonly cars: Readonly<Record<string, number>>;
  readonly host: unknown;
}

/**
 * Hosts that one suspect each has for itself; a host costs memory, and all modules may be bad at
 * once. Further suspects share hosts with each other.
 */
const MAX_ALONE = 32;

/**
 * Doubted cars that share a host. Hosts in which nobody knows who crashed are divided before each
 * car gets its own: most of those cars have done nothing.
 */
const MAX_DOUBTED = 4;

const TRUSTED = (): Standing => "trusted";

/** A place that is taken. */
interface Tenant {
  readonly car: string;
  readonly standing: () => Standing;
}

interface PooledHost {
  readonly id: number;
  readonly starting: Promise<Host>;
  /** One for every place that is taken. */
  readonly tenants: Tenant[];
  /** What libraries there were given and must not be shown, whatever they print. */
  secrets: readonly string[];
  /** How many of them the host does not know of yet. */
  unopened: number;
  /** Started for a suspect that was to have it for itself. */
  readonly alone: boolean;
  readonly apart: Apart | undefined;
  host: Host | null;
  dead: boolean;
  /** It ends, or will, because nobody needs it any more. */
  stopAsked: boolean;
}

/** Starts, fills, empties and stops module hosts. */
export class HostPool {
  readonly #options: HostPoolOptions;
  readonly #hosts = new Map<number, PooledHost>();
  readonly #stopping = new Set<Promise<void>>();
  #nextId = 1;
  #lost = 0;

  constructor(options: HostPoolOptions) {
    this.#options = options;
  }

  /**
   * Reserves places for `count` contexts of `car`, together as far as they fit.
   *
   * As long as it is suspect, nobody who is trusted is taken along: it gets hosts of its own, or
   * shares with its like when too many have that. Doubted cars share with a few of their like.
   */
  reserve(car: string, count: number, { standing = TRUSTED, apart }: Company = {}): Place[] {
    const { contextsPerHost } = this.#options;
    const now = standing();
    const alone = now === "suspect" &&
      this.#countAlone() + Math.ceil(count / contextsPerHost) <= MAX_ALONE;
    const spaces = [...this.#hosts.values()]
      .filter((host) => !alone && isOpenTo(host, now) && mayShare(host.apart, apart))
      .map(({ id, tenants, unopened, host }) => {
        const free = contextsPerHost - tenants.length;
        // Contexts it could not destroy have left the pool, but not the host.
        return { id, free: host === null ? free : Math.min(free, host.freePlaces - unopened) };
      });
    const places: Place[] = [];
    for (const share of placeContexts(count, spaces, contextsPerHost)) {
      const known = share.host === null ? undefined : this.#hosts.get(share.host);
      const host = known ?? this.#add(alone, apart);
      for (let i = 0; i < share.count; i++) places.push(this.#take(host, { car, standing }));
    }
    return places;
  }

  /** Hosts that are gone though nobody stopped them: crashed, killed, or never started. */
  get lost(): number {
    return this.#lost;
  }

  /** Which host has whose contexts. */
  snapshot(): HostPlacement[] {
    return [...this.#hosts.values()].map(({ id, tenants, host }) => {
      const cars: Record<string, number> = {};
      for (const { car } of tenants) cars[car] = (cars[car] ?? 0) + 1;
      return { id, cars, host: host?.snapshot() ?? null };
    });
  }

  /** Stops every host, and waits for those that were stopping already. Never rejects. */
  async stop(): Promise<void> {
    for (const host of [...this.#hosts.values()]) this.#retire(host);
    await Promise.all(this.#stopping);
  }

  #countAlone(): number {
    let count = 0;
    for (const host of this.#hosts.values()) if (host.alone && hasSuspect(host)) count++;
    return count;
  }

  #add(alone: boolean, apart: Apart | undefined): PooledHost {
    const id = this.#nextId++;
    const starting = this.#start({
      onOutput: (line, stream) => this.#onOutput(pooled, line, stream),
      onExit: (reason) => this.#onExit(pooled, reason),
    });
    const pooled: PooledHost = {
      id,
      starting,
      tenants: [],
      secrets: [],
      unopened: 0,
      alone,
      apart,
      host: null,
      dead: false,
      stopAsked: false,
    };
    starting.then(
      (host) => pooled.host = host,
      // Whoever opens a place there gets the reason; here it only must not be taken again.
      () => this.#onExit(pooled, "it could not be started"),
    );
    this.#hosts.set(id, pooled);
    return pooled;
  }

  /** Also what is thrown at once is a host that could not be started, and no more than that. */
  async #start(events: HostEvents): Promise<Host> {
    return await this.#options.startHost(events);
  }

  #take(host: PooledHost, tenant: Tenant): Place {
    host.tenants.push(tenant);
    host.unopened++;
    let opened = false;
    let taken = true;
    const open = () => {
      if (!opened) host.unopened--;
      opened = true;
    };
    return {
      open: async (spec, listener) => {
        const started = await host.starting;
        open();
        host.secrets = [...new Set([...host.secrets, ...secretValues(spec.parameters)])];
        return started.createContext(spec, listener);
      },
      release: () => {
        if (!taken) return;
        taken = false;
        open();
        host.tenants.splice(host.tenants.indexOf(tenant), 1);
        if (host.tenants.length === 0) this.#retire(host);
      },
    };
  }

  #retire(host: PooledHost): void {
    if (!this.#hosts.delete(host.id)) return;
    host.dead = true;
    const stopping = host.starting.then((started) => {
      host.stopAsked = true;
      return started.stop();
    }).catch(() => {});
    const tracked = stopping.then(() => void this.#stopping.delete(tracked));
    this.#stopping.add(tracked);
  }

  #onExit(host: PooledHost, reason: string): void {
    // Contexts hear of it first: their places may be free by now, and the host retired for that.
    if (!host.stopAsked) this.#lost++;
    if (host.dead) return;
    host.dead = true;
    this.#options.log.error(() => `${this.#describe(host.id)} is gone: ${reason}`);
    this.#hosts.delete(host.id);
  }

  #onOutput({ id, secrets }: PooledHost, line: string, stream: "stdout" | "stderr"): void {
    const cars = this.#carsOf(id);
    const [only] = cars;
    const { log } = this.#options;
    const text = () => maskSecrets(line, secrets);
    if (cars.length === 1 && only !== undefined) {
      log.forCar(only).info(() => `[module ${stream}] ${text()}`);
    } else {
      log.info(() => `[module ${stream}] ${this.#describe(id)}: ${text()}`);
    }
  }

  #carsOf(id: number): string[] {
    return carsOf(this.#hosts.get(id)?.tenants ?? []);
  }

  /** The host for people: its number and the cars that have contexts there. */
  #describe(id: number): string {
    const cars = this.#carsOf(id);
    if (cars.length === 0) return `Module host ${id}`;
    const more = cars.length > 3 ? ` and ${cars.length - 3} more` : "";
    return `Module host ${id} (${cars.slice(0, 3).join(", ")}${more})`;
  }
}

function isTrusted({ standing }: Tenant): boolean {
  return standing() === "trusted";
}

function hasSuspect({ tenants }: PooledHost): boolean {
  return tenants.some(({ standing }) => standing() === "suspect");
}

/** Who is trusted lives with the trusted only, the others with others only. */
function isOpenTo({ dead, alone, tenants }: PooledHost, standing: Standing): boolean {
  if (dead) return false;
  if (standing === "trusted") return tenants.every(isTrusted);
  if (alone || tenants.some(isTrusted)) return false;
  return standing === "suspect" || carsOf(tenants).length < MAX_DOUBTED;
}

function carsOf(tenants: readonly Tenant[]): string[] {
  return [...new Set(tenants.map(({ car }) => car))];
}

function mayShare(one: Apart | undefined, other: Apart | undefined): boolean {
  const inForce = (apart: Apart | undefined) => apart === undefined || apart.over ? null : apart;
  return inForce(one) === inForce(other);
}
