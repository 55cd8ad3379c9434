// One server of a cluster: what owns cars, what serves them, and what operators see of it.
import type { Car, Turn, TurnSubscriber } from "../car/mod.ts";
import type { Log } from "../log/mod.ts";
import type { Server } from "../server/mod.ts";
import { type Clock, firstOf } from "../time/mod.ts";
import type { CarTransport, CarTransportOptions } from "../transport/mod.ts";
import type { Adoption, CarCluster, CarClusterListener } from "./car_cluster.ts";
import { CHECKPOINT_FORMAT } from "./checkpoint.ts";
import { ClusterInstance } from "./instance.ts";
import { noTakeovers, ServedCars, type TakeoverCounts } from "./served_cars.ts";
import { CLUSTER_SETTINGS, type Hold, type Member } from "./state.ts";
import { type ClusterStore, MemberExistsError } from "./store.ts";

export interface RunningClusterOptions {
  /** This instance, as the others are to know it. */
  readonly member: Omit<Member, "checkpointFormat" | "draining">;
  readonly store: ClusterStore;
  readonly makeConversations: (listener: CarClusterListener) => CarCluster;
  readonly log: Log;
  readonly clock: Clock;
  /** A car is served here from now on. */
  readonly onAdopted?: (car: Car, adoption: Adoption) => void;
}

/** A car of the fleet, wherever it is. */
export interface ClusterCar {
  readonly car: string;
  /** `null`: nobody serves it. */
  readonly owner: string | null;
  readonly epoch: number | null;
  /** To whom it is on its way; `null`: it stays. */
  readonly to: string | null;
  /** Where an operator wants it; `null`: where the hash says. */
  readonly pinnedTo: string | null;
  /** What this instance has to do with it; `null`: nothing. */
  readonly here: Hold["kind"] | null;
}

/** What an instance knows of its cluster. */
export interface ClusterSnapshot {
  readonly self: Member;
  /** Whether it has its lease and the store answers. */
  readonly joined: boolean;
  /** Why the store cannot be used; `null`: it can. */
  readonly trouble: string | null;
  readonly draining: boolean;
  /** Live instances, in the order of their ids. */
  readonly members: readonly Member[];
  readonly cars: readonly ClusterCar[];
  /** Cars that are served here, or being taken. */
  readonly owned: number;
  readonly takeovers: TakeoverCounts;
}

/** Gets the turns of all cars of its server. */
export class RunningCluster implements TurnSubscriber {
  readonly #options: RunningClusterOptions;
  readonly #conversations: CarCluster;
  readonly #instance: ClusterInstance;
  #served: ServedCars | undefined;
  #stopped = false;
  #joining: Promise<void> = Promise.resolve();
  readonly #away = Promise.withResolvers<void>();

  constructor(options: RunningClusterOptions) {
    this.#options = options;
    const { member, store, log, clock } = options;
    this.#conversations = options.makeConversations({
      proveOwnership: (car, epoch) => this.#instance.owns(car, epoch),
      onReadopted: (car, adoption) => this.#served?.readopted(car, adoption),
    });
    this.#instance = new ClusterInstance({
      settings: { self: member.id, ...CLUSTER_SETTINGS },
      member: { ...member, checkpointFormat: CHECKPOINT_FORMAT, draining: false },
      store,
      keeper: {
        serve: (car, taking) => this.#served?.serve(car, taking),
        drain: (car) => this.#served?.drain(car) ?? Promise.resolve(false),
        abandon: (car, reason) => this.#served?.abandon(car, reason),
      },
      onStoreLost: () => this.#away.resolve(),
      log,
      clock,
    });
  }

  /** Makes the transport of a car; see {@linkcode CarCluster.createTransport}. */
  createTransport(options: CarTransportOptions): CarTransport {
    return this.#conversations.createTransport(options);
  }

  onTurn(turn: Turn): void {
    this.#conversations.onTurn(turn);
    this.#served?.onTurn(turn);
  }

  /**
   * Joins with the cars of a server that has started. A store that does not answer is waited for in
   * the background, and everything else goes on.
   *
   * @throws {MemberExistsError} when a live instance has the same id.
   */
  async start(server: Pick<Server, "add" | "remove" | "car" | "configured">): Promise<void> {
    const { log, onAdopted, member: { id } } = this.#options;
    this.#served = new ServedCars({
      server,
      conversations: this.#conversations,
      log,
      onLost: (car, epoch) => this.#instance.notServed(car, epoch),
      onUnsettled: (car, unsettled) => this.#instance.setUnsettled(car, unsettled),
      ...(onAdopted && { onAdopted }),
    });
    const cars = server.configured.cars.map(({ name }) => name);
    const joining = this.#instance.start(cars);
    // One that fails at once refuses the start, and its store has nothing to stop.
    const joined = joining.then(() => true);
    const inTime = await firstOf(joined, this.#away.promise.then(() => false));
    if (!inTime) this.#joining = this.#joinOn(cars, joining);
    const { length } = cars;
    log.info(() => `Serving ${length} ${length === 1 ? "car" : "cars"} with others, as "${id}"`);
  }

  /** The configuration has other cars. */
  configure(cars: readonly string[]): void {
    this.#instance.configure(cars);
  }

  /** See {@linkcode ClusterInstance.drain}. */
  async drain(draining: boolean): Promise<void> {
    this.#options.log.info(() =>
      draining ? "Draining: other instances take all cars" : "Draining no more"
    );
    await this.#instance.drain(draining);
  }

  /** See {@linkcode ClusterInstance.move}. */
  move(car: string, to: string | null): Promise<void> {
    return this.#instance.move(car, to);
  }

  /**
   * Leaves: hands over what others take within `limitMs` milliseconds, and closes the sessions of the
   * rest for whoever takes them later. Never rejects.
   */
  async stop(limitMs: number): Promise<void> {
    this.#stopped = true;
    await this.#instance.stop(limitMs);
    await this.#served?.left();
    await this.#joining;
  }

  snapshot(): ClusterSnapshot {
    const { state, trouble, member } = this.#instance;
    return {
      self: member,
      joined: state.joined,
      trouble,
      draining: state.draining,
      members: state.members.toSorted((one, other) => one.id < other.id ? -1 : 1),
      cars: state.cars.map(({ car, ownership, pinnedTo, hold }) => ({
        car,
        owner: ownership?.owner ?? null,
        epoch: ownership?.epoch ?? null,
        to: ownership?.to ?? (hold?.kind === "draining" ? hold.to : null),
        pinnedTo,
        here: hold?.kind ?? null,
      })),
      owned: this.#served?.size ?? 0,
      takeovers: this.#served?.counts ?? noTakeovers(),
    };
  }

  /** Another instance with this id may end some day: the store's attempts take several seconds. */
  async #joinOn(cars: readonly string[], joining: Promise<void>): Promise<void> {
    for (let attempt = joining;; attempt = this.#instance.start(cars)) {
      try {
        return await attempt;
      } catch (error) {
        if (this.#stopped || !(error instanceof MemberExistsError)) return;
        this.#options.log.error(error.message);
      }
    }
  }
}
