// Instances of a cluster around a store, in virtual time: what each core asks for takes a while, and
// what the store tells arrives in order, later.
import {
  CLUSTER_SETTINGS,
  type ClusterSettings,
  type ClusterState,
  createCluster,
  type Effect,
  type Input,
  type Member,
  nextDeadline,
  type Ownership,
  step,
} from "../../src/cluster/mod.ts";

/** How long a lease lives that nobody renews, in milliseconds. */
const LEASE_MS = 3_000;
/** The store answers and tells within so many milliseconds. */
const LATENCY_MS = 20;

export interface Instance {
  readonly id: string;
  readonly capacity: number;
  readonly settings: ClusterSettings;
  state: ClusterState;
  /** Cars served here, with their epochs. */
  readonly serving: Map<string, number>;
  /** Killed, or frozen until `wakes`. */
  down: boolean;
  /** Cut off from the store. */
  cutOff: boolean;
  renewedAt: number;
  toldAt: number;
}

interface Due {
  readonly at: number;
  readonly order: number;
  readonly act: () => void;
}

/** A cluster with its store; every move is by the seed. */
export class World {
  readonly cars: readonly string[];
  readonly instances = new Map<string, Instance>();
  readonly owners = new Map<string, Ownership>();
  readonly pins = new Map<string, string>();
  readonly epochs = new Map<string, number>();
  readonly members = new Map<string, Member>();
  readonly #random: () => number;
  readonly #due: Due[] = [];
  #order = 0;
  now = 0;
  /** Sessions that were closed exactly and went on elsewhere, and those that were abandoned. */
  handedOver = 0;
  abandoned = 0;
  /** Rules that were broken. */
  readonly faults: string[] = [];

  constructor(cars: number, random: () => number) {
    this.cars = Array.from({ length: cars }, (_, index) => `car${index}`);
    this.#random = random;
  }

  start(id: string, capacity = 1): Instance {
    const instance: Instance = {
      id,
      capacity,
      settings: { self: id, ...CLUSTER_SETTINGS },
      state: createCluster(),
      serving: new Map(),
      down: false,
      cutOff: false,
      renewedAt: this.now,
      toldAt: 0,
    };
    this.instances.set(id, instance);
    this.members.set(id, memberOf(instance));
    this.#feed(instance, { type: "configured", cars: this.cars });
    this.#join(instance);
    this.#tellMembers();
    this.#renew(instance);
    return instance;
  }

  /** Takes the process away without a word. */
  kill(id: string): void {
    const instance = this.instances.get(id);
    if (instance !== undefined) instance.down = true;
    instance?.serving.clear();
    this.instances.delete(id);
  }

  drain(id: string): void {
    const instance = this.instances.get(id);
    const member = this.members.get(id);
    if (instance === undefined || member === undefined) return;
    this.members.set(id, { ...member, draining: true });
    this.#tellMembers();
    this.#feed(instance, { type: "drain", draining: true });
  }

  /** The conversation of a car turns out not to be had. */
  lose(id: string, car: string): void {
    const instance = this.instances.get(id);
    const epoch = instance?.serving.get(car);
    if (instance === undefined || epoch === undefined) return;
    instance.serving.delete(car);
    this.#feed(instance, { type: "not_served", car, epoch });
  }

  pin(car: string, to: string): void {
    this.pins.set(car, to);
    for (const instance of this.instances.values()) {
      this.#tell(instance, { type: "pin", car, to });
    }
  }

  /** Passes `ms` milliseconds. */
  run(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      this.#due.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.#due[0];
      if (next === undefined || next.at > until) break;
      this.#due.shift();
      this.now = Math.max(this.now, next.at);
      next.act();
      this.#check();
    }
    this.now = until;
  }

  /** How many cars each instance serves. */
  counts(): Record<string, number> {
    return Object.fromEntries(
      [...this.instances.values()].map(({ id, serving }) => [id, serving.size]),
    );
  }

  /** Cars that exactly one instance serves. */
  get served(): number {
    return this.cars.filter((car) =>
      [...this.instances.values()].filter(({ serving }) => serving.has(car)).length === 1
    ).length;
  }

  #later(ms: number, act: () => void): void {
    this.#due.push({ at: this.now + ms, order: this.#order++, act });
  }

  #latency(): number {
    return 1 + Math.floor(this.#random() * LATENCY_MS);
  }

  #feed(instance: Instance, input: Input): void {
    if (instance.down) return;
    const environment = { now: this.now, settings: instance.settings };
    const { state, effects } = step(instance.state, input, environment);
    instance.state = state;
    for (const effect of effects) this.#carryOut(instance, effect);
    const deadline = nextDeadline(state, environment);
    if (deadline === null) return;
    const at = Math.max(deadline, this.now + 1);
    this.#later(at - this.now, () => {
      if (instance.state === state) this.#feed(instance, { type: "tick" });
    });
  }

  #carryOut(instance: Instance, effect: Effect): void {
    const { id, serving } = instance;
    switch (effect.type) {
      case "claim":
        return this.#ask(instance, () => {
          const { car, expected } = effect;
          const found = this.owners.get(car) ?? null;
          if (JSON.stringify(found) !== JSON.stringify(expected)) {
            return this.#tell(instance, { type: "claim_refused", car });
          }
          const epoch = (this.epochs.get(car) ?? 0) + 1;
          this.epochs.set(car, epoch);
          this.#own(car, { owner: id, epoch, to: null });
        });
      case "serve":
        serving.set(effect.car, effect.epoch);
        return;
      case "drain_car":
        return this.#later(this.#latency(), () => {
          if (serving.delete(effect.car)) {
            this.#feed(instance, { type: "drained", car: effect.car, exact: true });
          }
        });
      case "offer":
        return this.#ask(instance, () => {
          const { car, epoch, to } = effect;
          const found = this.owners.get(car);
          if (found?.owner !== id || found.epoch !== epoch) return;
          this.handedOver++;
          this.#own(car, { owner: id, epoch, to });
        });
      case "release":
        return this.#ask(instance, () => {
          const found = this.owners.get(effect.car);
          if (found?.owner === id && found.epoch === effect.epoch) this.#own(effect.car, null);
        });
      case "abandon":
        this.abandoned++;
        serving.delete(effect.car);
    }
  }

  /** A transaction of the store. */
  #ask(instance: Instance, act: () => void): void {
    this.#later(this.#latency(), () => {
      if (!instance.down && !instance.cutOff && this.members.has(instance.id)) act();
    });
  }

  #own(car: string, ownership: Ownership | null): void {
    if (ownership === null) this.owners.delete(car);
    else this.owners.set(car, ownership);
    for (const instance of this.instances.values()) {
      this.#tell(instance, { type: "owner", car, ownership });
    }
  }

  #tellMembers(): void {
    const members = [...this.members.values()];
    for (const instance of this.instances.values()) {
      this.#tell(instance, { type: "members", members });
    }
  }

  /** What the store tells arrives in the order in which it happened. */
  #tell(instance: Instance, input: Input): void {
    if (instance.cutOff) return;
    const at = Math.max(this.now + this.#latency(), instance.toldAt);
    instance.toldAt = at;
    this.#later(at - this.now, () => {
      if (!instance.cutOff) this.#feed(instance, input);
    });
  }

  #join(instance: Instance): void {
    this.#tell(instance, {
      type: "joined",
      members: [...this.members.values()],
      owners: Object.fromEntries(this.owners),
      pins: Object.fromEntries(this.pins),
    });
  }

  /** The lease is renewed as long as the instance lives and reaches the store. */
  #renew(instance: Instance): void {
    const { id } = instance;
    if (!instance.down && !instance.cutOff) instance.renewedAt = this.now;
    const age = this.now - instance.renewedAt;
    // The owner stops before the store lets go: its clock starts earlier.
    if (age >= LEASE_MS - 500 && instance.state.joined) {
      this.#feed(instance, { type: "lease_lost" });
    }
    if (age >= LEASE_MS) {
      if (this.members.delete(id)) this.#tellMembers();
      for (const [car, { owner }] of [...this.owners]) if (owner === id) this.#own(car, null);
      if (instance.down) return;
    }
    this.#later(100, () => this.#renew(instance));
  }

  /** Comes back after it was cut off. */
  reconnect(id: string): void {
    const instance = this.instances.get(id);
    if (instance === undefined || !instance.cutOff) return;
    instance.cutOff = false;
    instance.renewedAt = this.now;
    if (!this.members.has(id)) {
      this.members.set(id, memberOf(instance));
      this.#tellMembers();
    }
    this.#join(instance);
  }

  #check(): void {
    for (const car of this.cars) {
      const servers = [...this.instances.values()].filter(({ serving }) => serving.has(car));
      if (servers.length > 1) {
        this.faults.push(
          `${this.now}: ${car} is served by ${servers.map(({ id }) => id).join(", ")}`,
        );
      }
    }
  }
}

/** An instance as it describes itself, also when it comes back after its lease has run out. */
function memberOf({ id, capacity, state: { draining } }: Instance): Member {
  return { id, version: "1", checkpointFormat: 1, capacity, labels: {}, url: null, draining };
}
