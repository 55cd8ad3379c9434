// The driver of the supervisor's core: feeds it inputs from hosts, cars and the clock, and carries
// out its effects: starts and stops module hosts, makes and destroys contexts, and attaches them to
// cars.
import type { ContextHostKind, ContextSpec } from "../module/mod.ts";
import type { Log } from "../log/mod.ts";
import { Alarm, type Clock, systemClock } from "../time/mod.ts";
import { Contexts, type OpenWatch, type SupervisedCar } from "./contexts.ts";
import { type HostFacts, Hosts, type StartHost } from "./hosts.ts";
import { carsOf } from "./supervision/quarantine.ts";
import { nextDeadline, step } from "./supervision/core.ts";
import type { SupervisorEffect, SupervisorInput } from "./supervision/effects.ts";
import { describeHost, hostOf } from "./supervision/places.ts";
import { type HostLoss, HostLosses } from "./host_losses.ts";
import {
  type MissingModules,
  missingModules,
  NOBODY,
  type SupervisorState,
} from "./supervision/state.ts";

export interface SupervisorOptions {
  readonly startHost: StartHost;
  readonly log: Log;
  /** Maximum number of contexts per host. */
  readonly contextsPerHost: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** See {@linkcode ServerSubscriber}. */
  readonly onHostLost?: (loss: HostLoss) => void;
}

/** A host and its cars, as plain data. */
export interface HostPlacement {
  readonly id: number;
  /** Cars with contexts on this host, and their number. */
  readonly cars: Readonly<Record<string, number>>;
  /** `null` while it starts. */
  readonly facts: HostFacts | null;
}

/** Contexts that are opened for the first time. */
interface FirstAttempt {
  readonly watch: OpenWatch;
  /** Contexts whose library is not loaded yet. */
  readonly unloaded: Set<number>;
  readonly opening: Promise<void>[];
}

/** Keeps the module contexts of cars alive. */
export class Supervisor {
  readonly #log: Log;
  readonly #contextsPerHost: number;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #hosts: Hosts;
  readonly #contexts: Contexts;
  readonly #losses: HostLosses;
  readonly #inputs: SupervisorInput[] = [];
  readonly #ids = new Map<SupervisedCar, number>();
  readonly #cars = new Map<number, SupervisedCar>();
  #state: SupervisorState = NOBODY;
  #nextCar = 1;
  /** The attempt whose contexts are being opened right now. */
  #first: FirstAttempt | null = null;
  #busy = false;

  constructor(options: SupervisorOptions) {
    const { startHost, log, contextsPerHost, clock = systemClock, onHostLost } = options;
    this.#log = log;
    this.#contextsPerHost = contextsPerHost;
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => this.#take({ type: "tick" }));
    this.#hosts = new Hosts(startHost);
    this.#losses = new HostLosses((loss) => this.#shield("a subscriber", () => onHostLost?.(loss)));
    this.#contexts = new Contexts({
      create: (host, spec, listener) => this.#hosts.createContext(host, spec, listener),
      take: (input) => this.#take(input),
      losses: this.#losses,
    });
  }

  /**
   * Opens the contexts of a car for the first time, and keeps them alive. Resolves when each has
   * been tried; never rejects.
   *
   * @param unproven whether other cars are served already, so that these contexts are on probation
   */
  add(
    car: SupervisedCar,
    specs: readonly ContextSpec[],
    watch: OpenWatch = {},
    unproven = false,
  ): Promise<void> {
    const id = this.#nextCar++;
    this.#ids.set(car, id);
    this.#cars.set(id, car);
    return this.#openFirst({ type: "add", car: id, name: car.name, specs, unproven }, watch);
  }

  /**
   * Opens what `specs` have and the car does not, beside the contexts that serve it. Resolves when
   * each has been tried; never rejects.
   */
  prepare(
    car: SupervisedCar,
    specs: readonly ContextSpec[],
    watch: OpenWatch = {},
  ): Promise<void> {
    const id = this.#ids.get(car);
    if (id === undefined) return Promise.resolve();
    return this.#openFirst({ type: "prepare", car: id, specs }, watch);
  }

  /**
   * What was prepared serves the car from now on, with those contexts that stay. The car has given
   * up all contexts before. Resolves when those that go have been destroyed; never rejects.
   */
  takeOver(car: SupervisedCar): Promise<void> {
    return this.#part(car, "take_over");
  }

  /** Discards what was prepared. Resolves as {@linkcode takeOver} does. */
  giveUp(car: SupervisedCar): Promise<void> {
    return this.#part(car, "give_up");
  }

  /** Whether the car has a session: its contexts may move while it has none. */
  onSession(car: SupervisedCar, active: boolean): void {
    const id = this.#ids.get(car);
    if (id !== undefined) this.#take({ type: "session", car: id, active });
  }

  /** Removes a car. Resolves when its contexts have been destroyed; never rejects. */
  remove(car: SupervisedCar): Promise<void> {
    const parting = this.#part(car, "remove");
    this.#cars.delete(this.#ids.get(car) ?? 0);
    this.#ids.delete(car);
    return parting;
  }

  /** Stops all hosts, and waits for those that are stopping already. Never rejects. */
  async stop(): Promise<void> {
    this.#take({ type: "stop" });
    await this.#hosts.stopped();
  }

  /** The number of lost hosts: crashed, killed, or never started. */
  get hostsLost(): number {
    return this.#state.hostsLost;
  }

  /** What a car lacks; `null` when it has all its contexts. */
  missingModules(car: string): MissingModules | null {
    return missingModules(this.#state, car);
  }

  /** All hosts with their contexts. */
  snapshot(): HostPlacement[] {
    return this.#state.hosts.filter(({ dead }) => !dead).map(({ id, tenants }) => {
      const cars: Record<string, number> = {};
      for (const { name } of tenants) cars[name] = (cars[name] ?? 0) + 1;
      return { id, cars, facts: this.#hosts.snapshot(id) };
    });
  }

  async #openFirst(input: SupervisorInput, watch: OpenWatch): Promise<void> {
    const first: FirstAttempt = { watch, unloaded: new Set(), opening: [] };
    this.#first = first;
    this.#take(input);
    this.#first = null;
    if (first.unloaded.size === 0) watch.onLoaded?.();
    await Promise.all(first.opening);
  }

  async #part(car: SupervisedCar, type: "take_over" | "give_up" | "remove"): Promise<void> {
    const id = this.#ids.get(car);
    if (id === undefined) return;
    this.#take({ type, car: id });
    await this.#contexts.left(id);
  }

  /** Takes an input, and those that arrive while its effects are carried out, one after the other. */
  #take(input: SupervisorInput): void {
    this.#inputs.push(input);
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
      for (const effect of this.#step(next)) {
        this.#shield(effect.type, () => this.#perform(effect));
      }
    }
    this.#busy = false;
    this.#alarm.set(nextDeadline(this.#state, this.#contextsPerHost) ?? Infinity);
  }

  /** After a defect, the state stays as it was. */
  #step(input: SupervisorInput): readonly SupervisorEffect[] {
    let wanted: readonly SupervisorEffect[] = [];
    this.#shield(`supervisor on ${input.type}`, () => {
      const { state, effects } = step(this.#state, input, {
        now: this.#clock.now(),
        contextsPerHost: this.#contextsPerHost,
        random: Math.random(),
      });
      this.#state = state;
      wanted = effects;
    });
    return wanted;
  }

  #shield(where: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#log.critical(() => `Defect in ${where}: ${(error as Error).stack}`);
    }
  }

  #perform(effect: SupervisorEffect): void {
    switch (effect.type) {
      case "start_host":
        return this.#startHost(effect.host, effect.kind);
      case "stop_host":
        return this.#hosts.stop(effect.host);
      case "open":
        return this.#open(effect);
      case "destroy":
        return this.#contexts.destroy(effect);
      case "release":
        return this.#cars.get(effect.car)?.releaseModules(effect.detail);
      case "attach": {
        const car = this.#cars.get(effect.car);
        return car && this.#contexts.attach(effect.context, car);
      }
      case "ready":
        return this.#cars.get(effect.car)?.modulesReady();
      case "log": {
        const { level, car, module, text } = effect;
        const log = car === null ? this.#log : this.#log.forCar(car);
        return log[level](text, module === null ? {} : { module });
      }
    }
  }

  #startHost(host: number, kind: ContextHostKind): void {
    this.#hosts.start(host, kind, {
      onOutput: (line, stream) => this.#onOutput(host, `[module ${stream}]`, line),
      onBlocked: (count) => this.#take({ type: "blocked", host, count }),
      onExit: (reason, signal = null) => {
        this.#take({ type: "host_gone", host, reason });
        this.#losses.gone(host, reason, signal);
      },
    });
  }

  #open(effect: SupervisorEffect & { type: "open" }): void {
    const first = this.#first;
    if (first === null) return void this.#contexts.open(effect);
    const { context } = effect;
    const { watch, unloaded, opening } = first;
    unloaded.add(context);
    const onLoaded = () => {
      if (unloaded.delete(context) && unloaded.size === 0) watch.onLoaded?.();
    };
    opening.push(this.#contexts.open(effect, { ...watch, onLoaded }).then(onLoaded));
  }

  #onOutput(id: number, tag: string, line: string): void {
    const host = hostOf(this.#state, id) ?? { id, tenants: [] };
    const [only, ...others] = carsOf(host.tenants);
    if (only !== undefined && others.length === 0) {
      this.#log.forCar(only).info(() => `${tag} ${line}`);
    } else {
      this.#log.info(() => `${tag} ${describeHost(host)}: ${line}`);
    }
  }
}
