// How cars change hands between servers: what a server asks of the conversations with its cars.
import type { Car, TurnSubscriber } from "../car/mod.ts";
import type { CarTransport, CarTransportOptions } from "../transport/mod.ts";
import type { ReconnectReason } from "./takeover.ts";

/** What the store says about a car that is to be served here. */
export interface Taking {
  /** Of this owner; greater than that of every owner before. */
  readonly epoch: number;
  /** Of an owner that is known to have written a checkpoint; 0: none is known. */
  readonly minEpoch: number;
  /** Whether the owner before has handed the car over, and was not lost. */
  readonly planned: boolean;
}

/** Why the gateway had to connect again when its car changed hands. */
export type ConnectAgainReason =
  | ReconnectReason
  /** The car had no module contexts in time. */
  | "modules_missing";

/** How a car was adopted; `tookMs` is the time from the call until the session went on. */
export type Adoption =
  /** The session goes on where the owner before left it. */
  | { readonly kind: "exact"; readonly tookMs: number }
  /** The gateway is told to connect again, unless it has no session. */
  | {
    readonly kind: "connect_again";
    readonly reason: ConnectAgainReason;
    /** Human-readable. */
    readonly detail: string;
    readonly tookMs: number;
  }
  /**
   * The car is not served here: an owner with a later epoch has it, ownership could not be proved, or
   * it was released or abandoned meanwhile.
   */
  | { readonly kind: "lost"; readonly detail: string };

/** How a car was released. */
export type Release =
  /** All that had begun has ended, and the last checkpoint and its acknowledgments are at the broker. */
  | { readonly kind: "exact" }
  /**
   * Whoever takes the car goes on from the last checkpoint that the broker has, which is exact
   * for the gateway; modules may see a status again.
   */
  | { readonly kind: "unfinished"; readonly detail: string };

/** The environment of a {@linkcode CarCluster}. */
export interface CarClusterListener {
  /**
   * Whether this instance still owns the car with this epoch, as the store says now. Asked after each
   * loss of the connection, before the car connects again; asked once more later when it rejects.
   */
  proveOwnership(car: string, epoch: number): Promise<boolean>;
  /**
   * The car was adopted once more after its connection was lost, or was lost for good. Not called for what
   * {@linkcode CarCluster.adopt} returns.
   */
  onReadopted(car: string, adoption: Adoption): void;
}

/**
 * The conversations of all cars with their gateways. Gets the turns of all cars.
 *
 * A car is made with a transport from here and started as usual; it connects when it is adopted. Its
 * module contexts may be made before or after that; the session goes on when they are there
 * (`Car.modulesReady`). They have to be destroyed after `release` and `abandon`, as their modules
 * are not told of devices that have left.
 */
export interface CarCluster extends TurnSubscriber {
  /** Makes the transport of a car. */
  createTransport(options: CarTransportOptions): CarTransport;
  /** Takes the car's conversation over from whoever had it. Never rejects. */
  adopt(car: Car, taking: Taking): Promise<Adoption>;
  /**
   * Lets what has begun end (bounded), writes the last checkpoint and leaves the broker; the gateway is
   * not told. Never rejects.
   */
  release(car: Car): Promise<Release>;
  /** Leaves the broker at once, without a checkpoint. Never rejects. */
  abandon(car: Car): Promise<void>;
}
