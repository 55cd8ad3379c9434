// Who caused the loss of a module host, and whom it took along.
import type { HostLoss, LostContext } from "../../server/mod.ts";

/** A module of a car. */
export interface Culprit {
  readonly car: string;
  readonly module: number;
}

/** The loss of one module host; what lost it may be learned a little later. */
export class HostCrash {
  readonly host: number;
  readonly #reason: string;
  readonly #signal: string | null;
  readonly #lost: LostContext[] = [];

  constructor({ host, reason, signal, contexts }: HostLoss) {
    this.host = host;
    this.#reason = reason;
    this.#signal = signal;
    this.add(contexts);
  }

  /** More contexts of the same host. */
  add(contexts: readonly LostContext[]): void {
    this.#lost.push(...contexts);
  }

  /** The module that is to blame; `null` when nobody is, or it may have been several. */
  get culprit(): Culprit | null {
    const [first, ...others] = this.#lost.filter(({ blame }) => blame === "likely");
    if (first !== undefined) {
      const isSame = ({ car, module }: Culprit) => car === first.car && module === first.module;
      return others.every(isSame) ? first : null;
    }
    const [only, ...more] = this.#lost;
    return only?.blame === "possible" && more.length === 0 ? only : null;
  }

  /** Equal for crashes with the same cause. */
  get group(): string {
    const { culprit } = this;
    return culprit === null ? `host ${this.host}` : `crash ${culprit.car} ${culprit.module}`;
  }

  /** The module of a car that is to blame, if it is one of its own. */
  moduleOf(car: string): number | null {
    const { culprit } = this;
    return culprit?.car === car ? culprit.module : null;
  }

  /** What happened to a car. */
  textFor(car: string): string {
    const { culprit } = this;
    if (culprit === null) {
      const suspects = new Set(
        this.#lost.filter(({ blame }) => blame === "likely").map((one) => one.car),
      );
      const several = suspects.size > 1 ? `; it was calling modules of ${list(suspects)}` : "";
      return `Lost with module host ${this.host}: ${this.#reason}${several}`;
    }
    return culprit.car === car
      ? `Module ${culprit.module} ${this.#how}`
      : `Lost with ${culprit.car}, whose module ${culprit.module} ${this.#how}`;
  }

  get #how(): string {
    return this.#signal === null
      ? `took its module host down: ${this.#reason}`
      : `crashed with ${this.#signal}`;
  }
}

/** At most three names. */
function list(names: ReadonlySet<string>): string {
  const more = names.size > 3 ? ` and ${names.size - 3} more` : "";
  return [...names].slice(0, 3).join(", ") + more;
}
