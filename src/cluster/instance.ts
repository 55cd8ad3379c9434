// The driver of a cluster's instance: feeds its core from the store and the clock, and has the cars
// served that it owns.
import type { Log } from "../log/mod.ts";
import { Alarm, type Clock } from "../time/mod.ts";
import type { Taking } from "./car_cluster.ts";
import type { Effect, Input, StopReason } from "./inputs.ts";
import {
  type ClusterSettings,
  type ClusterState,
  createCluster,
  entryOf,
  type Member,
  type Ownership,
} from "./state.ts";
import { nextDeadline, step } from "./step.ts";
import type { ClusterStore, StoreListener } from "./store.ts";

/** Who serves the cars that this instance owns. None of these may throw. */
export interface CarKeeper {
  /** Takes the car's conversation over, and goes on with it. */
  serve(car: string, taking: Taking): void;
  /**
   * Closes the car's session; resolves with whether it was closed exactly, with its last checkpoint
   * at the broker.
   */
  drain(car: string): Promise<boolean>;
  /** Stops to serve the car at once, without a checkpoint. */
  abandon(car: string, reason: StopReason): void;
}

export interface ClusterInstanceOptions {
  readonly settings: ClusterSettings;
  readonly member: Member;
  readonly store: ClusterStore;
  readonly keeper: CarKeeper;
  /** The store does not answer. */
  readonly onStoreLost?: () => void;
  readonly log: Log;
  readonly clock: Clock;
}

/** One server of a cluster. */
export class ClusterInstance {
  readonly #options: ClusterInstanceOptions;
  readonly #alarm: Alarm;
  readonly #inputs: Input[] = [];
  #state: ClusterState = createCluster();
  #member: Member;
  /** What the store has, about cars of other configurations too. */
  readonly #owners = new Map<string, Ownership>();
  readonly #pins = new Map<string, string>();
  #members: readonly Member[] = [];
  #busy = false;
  #trouble: string | null = null;
  #emptied: (() => void) | null = null;
  #stopped = false;
  #alarmDue = false;

  constructor(options: ClusterInstanceOptions) {
    this.#options = options;
    this.#member = options.member;
    this.#alarm = new Alarm(options.clock, () => this.#take({ type: "tick" }));
  }

  get state(): ClusterState {
    return this.#state;
  }

  /** As the others know it. */
  get member(): Member {
    return this.#member;
  }

  /** Why the store cannot be used; `null`: it can. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /**
   * Joins the cluster for these cars.
   *
   * @throws {MemberExistsError} when a live instance has the same id.
   */
  async start(cars: readonly string[]): Promise<void> {
    this.#take({ type: "configured", cars });
    await this.#options.store.start(this.#member, this.#listener);
  }

  /** The configuration has other cars. */
  configure(cars: readonly string[]): void {
    this.#take({ type: "configured", cars });
    // What the store has about new ones is known here, not to the core.
    if (!this.#state.joined) return;
    this.#take({
      type: "joined",
      members: this.#members,
      owners: Object.fromEntries(this.#owners),
      pins: Object.fromEntries(this.#pins),
    });
  }

  /** The conversation of a car that this instance was to serve with this epoch is not to be had. */
  notServed(car: string, epoch: number): void {
    this.#take({ type: "not_served", car, epoch });
  }

  /**
   * Whether this instance owns the car with this epoch, and does not hand it over, as the store knows
   * it now.
   *
   * @throws {StoreError} when the store does not answer.
   */
  async owns(car: string, epoch: number): Promise<boolean> {
    const { store, settings: { self } } = this.#options;
    const found = await store.ownerOf(car);
    return found?.owner === self && found.epoch === epoch && found.to === null;
  }

  /** A car's connect sequence has begun or ended: meanwhile it does not move for balance. */
  setUnsettled(car: string, unsettled: boolean): void {
    this.#take({ type: "unsettled", car, unsettled });
  }

  /**
   * Hands everything over, and takes nothing until told otherwise. That holds also when the store
   * does not answer: the others learn of it when it does.
   *
   * @throws {StoreError} when the store does not answer.
   */
  async drain(draining: boolean): Promise<void> {
    this.#member = { ...this.#member, draining };
    try {
      await this.#options.store.describe(this.#member);
    } finally {
      this.#take({ type: "drain", draining });
    }
  }

  /** Wants a car served by an instance; `null`: by the one that the hash names. */
  move(car: string, to: string | null): Promise<void> {
    return this.#options.store.pin(car, to);
  }

  /**
   * Leaves: hands over what others take within `limitMs` milliseconds, then lets the rest go.
   * Never rejects.
   */
  async stop(limitMs: number): Promise<void> {
    const { store, clock, log } = this.#options;
    const handedOver = new Promise<void>((resolve) => this.#emptied = resolve);
    const timer = clock.set(() => this.#emptied?.(), limitMs);
    try {
      await this.drain(true);
      this.#noticeEmptied();
      await handedOver;
    } catch (error) {
      log.warning(`Cannot hand cars over: ${error instanceof Error ? error.message : error}`);
    }
    clock.clear(timer);
    // What nobody took: whoever takes it later goes on from its last checkpoint.
    const left = this.#state.cars.filter(({ hold }) =>
      hold?.kind === "serving" || hold?.kind === "draining"
    );
    await Promise.all(left.map(({ car }) => this.#options.keeper.drain(car)));
    this.#stopped = true;
    this.#alarm.set(Infinity);
    await store.stop();
  }

  readonly #listener: StoreListener = {
    onJoined: (contents) => {
      this.#members = contents.members;
      replace(this.#owners, contents.owners);
      replace(this.#pins, contents.pins);
      if (this.#trouble !== null) this.#options.log.info("The cluster's store answers again");
      this.#trouble = null;
      this.#take({ type: "joined", ...contents });
    },
    onMembers: (members) => {
      this.#members = members;
      this.#take({ type: "members", members });
    },
    onOwner: (car, ownership) => {
      if (ownership === null) this.#owners.delete(car);
      else this.#owners.set(car, ownership);
      this.#take({ type: "owner", car, ownership });
      // A claim that was answered after the car had gone from the configuration.
      const { self } = this.#options.settings;
      if (ownership?.owner === self && entryOf(this.#state, car) === undefined) {
        this.#ask(this.#options.store.release(car, ownership.epoch));
      }
    },
    onPin: (car, to) => {
      if (to === null) this.#pins.delete(car);
      else this.#pins.set(car, to);
      this.#take({ type: "pin", car, to });
    },
    onStoreLost: (reason) => {
      if (this.#trouble === null) {
        this.#options.log.warning(`The cluster's store is away: no car changes hands: ${reason}`);
      }
      this.#trouble = reason;
      this.#options.onStoreLost?.();
      this.#take({ type: "store_lost" });
    },
    onLeaseLost: (reason) => {
      this.#options.log.error(`The lease in the cluster's store is lost: ${reason}`);
      this.#trouble = reason;
      this.#take({ type: "lease_lost" });
    },
  };

  #take(input: Input): void {
    if (this.#stopped) return;
    this.#inputs.push(input);
    if (this.#busy) return;
    this.#busy = true;
    const { settings, clock } = this.#options;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      const result = step(this.#state, next, { now: clock.now(), settings });
      this.#state = result.state;
      for (const effect of result.effects) this.#carryOut(effect);
    }
    this.#busy = false;
    this.#noticeEmptied();
    this.#setAlarm();
  }

  /** Once for all that one turn of the event loop brings: it looks at every car. */
  #setAlarm(): void {
    if (this.#alarmDue) return;
    this.#alarmDue = true;
    queueMicrotask(() => {
      this.#alarmDue = false;
      if (this.#stopped) return;
      const { settings, clock } = this.#options;
      this.#alarm.set(nextDeadline(this.#state, { now: clock.now(), settings }) ?? Infinity);
    });
  }

  #carryOut(effect: Effect): void {
    const { store, keeper } = this.#options;
    switch (effect.type) {
      case "claim":
        return this.#ask(
          store.claim(effect.car, effect.expected).then((taken) => {
            if (!taken) this.#take({ type: "claim_refused", car: effect.car });
          }),
        );
      case "serve":
        return keeper.serve(effect.car, effect);
      case "drain_car":
        return this.#ask(
          keeper.drain(effect.car).then((exact) =>
            this.#take({ type: "drained", car: effect.car, exact })
          ),
        );
      case "offer":
        return this.#ask(store.offer(effect.car, effect.epoch, effect.to));
      case "release":
        return this.#ask(store.release(effect.car, effect.epoch));
      case "abandon":
        return keeper.abandon(effect.car, effect.reason);
    }
  }

  /** What the store does not answer is asked again by the core, when its time has come. */
  #ask(asking: Promise<unknown>): void {
    asking.catch((error) => {
      this.#options.log.debug(() => `Cluster: ${error instanceof Error ? error.message : error}`);
    });
  }

  #noticeEmptied(): void {
    if (this.#emptied === null || !this.#state.draining) return;
    const alone = !this.#state.members.some(({ id, draining }) =>
      id !== this.#member.id && !draining
    );
    if (alone || this.#state.cars.every(({ hold }) => hold === null)) this.#emptied();
  }
}

function replace<V>(map: Map<string, V>, values: Readonly<Record<string, V>>): void {
  map.clear();
  for (const [key, value] of Object.entries(values)) map.set(key, value);
}
