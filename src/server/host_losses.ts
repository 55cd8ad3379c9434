// The losses of module hosts, for those who look on: who was there, and who may have caused it.
import type { TurnSubscriber } from "../car/mod.ts";
import type { Blame } from "../module/mod.ts";

/** A context that was lost with its host. */
export interface LostContext {
  readonly car: string;
  readonly module: number;
  readonly blame: Blame;
}

/** A module host that crashed, was killed, or never started. */
export interface HostLoss {
  readonly host: number;
  readonly reason: string;
  /** The signal that ended it by itself, such as `SIGSEGV`. */
  readonly signal: string | null;
  readonly contexts: readonly LostContext[];
}

/** Looks on: gets the turns of all cars, and the losses of hosts. */
export interface ServerSubscriber extends TurnSubscriber {
  /**
   * A host was lost; each car has been told. Called again for the same host when a context that was
   * being made turns out to be lost as well.
   */
  onHostLost?(loss: HostLoss): void;
}

/** Hosts that are remembered after their end: contexts that were being made fail a moment later. */
const MAX_GONE = 32;

/** Collects what hosts lose until they are gone. */
export class HostLosses {
  readonly #tell: (loss: HostLoss) => void;
  /** By host. */
  readonly #lost = new Map<number, LostContext[]>();
  readonly #gone = new Map<number, Pick<HostLoss, "reason" | "signal">>();

  constructor(tell: (loss: HostLoss) => void) {
    this.#tell = tell;
  }

  /** A context was lost, or could not be made; its host is about to be gone, or is. */
  lost(host: number, context: LostContext): void {
    const gone = this.#gone.get(host);
    if (gone !== undefined) return this.#tell({ host, ...gone, contexts: [context] });
    const known = this.#lost.get(host);
    if (known === undefined) this.#lost.set(host, [context]);
    else known.push(context);
  }

  /** The process has ended. */
  gone(host: number, reason: string, signal: string | null): void {
    const contexts = this.#lost.get(host);
    this.#lost.delete(host);
    for (const oldest of this.#gone.keys()) {
      if (this.#gone.size < MAX_GONE) break;
      this.#gone.delete(oldest);
    }
    this.#gone.set(host, { reason, signal });
    if (contexts !== undefined) this.#tell({ host, reason, signal, contexts });
  }
}
