// A store within one process: for a demonstration where there is no etcd, and for tests.
import { Alarm, type Clock } from "../time/mod.ts";
import type { Member, Ownership } from "./state.ts";
import { type ClusterStore, MemberExistsError, type StoreListener } from "./store.ts";

/** What the instances of one process share. */
export class MemoryCluster {
  readonly members = new Map<string, Member>();
  readonly owners = new Map<string, Ownership>();
  readonly pins = new Map<string, string>();
  readonly #listeners = new Map<string, StoreListener>();
  #revision = 0;

  /** The next epoch. */
  nextEpoch(): number {
    return ++this.#revision;
  }

  enter(member: Member, listener: StoreListener): void {
    if (this.members.has(member.id)) throw new MemberExistsError(member.id);
    this.#listeners.set(member.id, listener);
    listener.onJoined({
      members: [...this.members.values(), member],
      owners: Object.fromEntries(this.owners),
      pins: Object.fromEntries(this.pins),
    });
    this.describe(member);
  }

  describe(member: Member): void {
    this.members.set(member.id, member);
    this.#tell((listener) => listener.onMembers([...this.members.values()]));
  }

  /** An instance leaves, or its lease has run out. */
  leave(id: string): void {
    this.#listeners.delete(id);
    if (!this.members.delete(id)) return;
    this.#tell((listener) => listener.onMembers([...this.members.values()]));
    for (const [car, { owner }] of [...this.owners]) if (owner === id) this.own(car, null);
  }

  own(car: string, ownership: Ownership | null): void {
    if (ownership === null) this.owners.delete(car);
    else this.owners.set(car, ownership);
    this.#tell((listener) => listener.onOwner(car, ownership));
  }

  pin(car: string, to: string | null): void {
    if (to === null) this.pins.delete(car);
    else this.pins.set(car, to);
    this.#tell((listener) => listener.onPin(car, to));
  }

  #tell(call: (listener: StoreListener) => void): void {
    for (const listener of [...this.#listeners.values()]) queueMicrotask(() => call(listener));
  }
}

/** {@linkcode ClusterStore} in memory; its lease lasts as long as the event loop turns. */
export class MemoryStore implements ClusterStore {
  readonly #cluster: MemoryCluster;
  readonly #leaseMs: number;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #member: Member | undefined;
  #listener: StoreListener | undefined;
  #heldUntil = 0;

  constructor(cluster: MemoryCluster, leaseMs: number, clock: Clock) {
    this.#cluster = cluster;
    this.#leaseMs = leaseMs;
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => this.#renew());
  }

  start(member: Member, listener: StoreListener): Promise<void> {
    this.#member = member;
    this.#listener = listener;
    try {
      this.#cluster.enter(member, listener);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#hold();
    return Promise.resolve();
  }

  describe(member: Member): Promise<void> {
    this.#member = member;
    this.#cluster.describe(member);
    return Promise.resolve();
  }

  claim(car: string, expected: Ownership | null): Promise<boolean> {
    const { owners } = this.#cluster;
    const found = owners.get(car) ?? null;
    const as = (ownership: Ownership | null) =>
      ownership && `${ownership.owner} ${ownership.epoch} ${ownership.to}`;
    if (as(found) !== as(expected)) return Promise.resolve(false);
    const owner = this.#member?.id ?? "";
    this.#cluster.own(car, { owner, epoch: this.#cluster.nextEpoch(), to: null });
    return Promise.resolve(true);
  }

  offer(car: string, epoch: number, to: string): Promise<boolean> {
    const found = this.#own(car, epoch);
    if (found !== undefined) this.#cluster.own(car, { ...found, to });
    return Promise.resolve(found !== undefined);
  }

  release(car: string, epoch: number): Promise<void> {
    if (this.#own(car, epoch) !== undefined) this.#cluster.own(car, null);
    return Promise.resolve();
  }

  ownerOf(car: string): Promise<Ownership | null> {
    return Promise.resolve(this.#cluster.owners.get(car) ?? null);
  }

  pin(car: string, to: string | null): Promise<void> {
    this.#cluster.pin(car, to);
    return Promise.resolve();
  }

  stop(): Promise<void> {
    this.#alarm.set(Infinity);
    if (this.#member !== undefined) this.#cluster.leave(this.#member.id);
    this.#member = undefined;
    return Promise.resolve();
  }

  #own(car: string, epoch: number): Ownership | undefined {
    const found = this.#cluster.owners.get(car);
    return found?.owner === this.#member?.id && found?.epoch === epoch ? found : undefined;
  }

  #hold(): void {
    this.#heldUntil = this.#clock.now() + this.#leaseMs;
    this.#alarm.set(this.#clock.now() + this.#leaseMs / 4);
  }

  /** An event loop that stood still has lost its lease before it knows. */
  #renew(): void {
    const member = this.#member;
    if (member === undefined || this.#listener === undefined) return;
    if (this.#clock.now() >= this.#heldUntil) {
      this.#cluster.leave(member.id);
      this.#listener.onLeaseLost("the event loop stood still for longer than the lease");
      this.#cluster.enter(member, this.#listener);
    }
    this.#hold();
  }
}
