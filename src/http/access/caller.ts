// Who asks.
import type { Scope } from "../../config/mod.ts";

/** Whoever made a request that was let in. */
export interface Caller {
  /** The name of the key; {@linkcode ANONYMOUS} where none is required. */
  readonly name: string;
  readonly scope: Scope;
  /** The address the request came from. */
  readonly from: string;
  /** Aborted when the caller is let in no more: what is still sent to it must end. */
  readonly ended: AbortSignal;
}

/** Whoever asks where no key is required. */
export const ANONYMOUS = "anonymous";

const RANKS: Readonly<Record<Scope, number>> = { read: 0, operate: 1, admin: 2 };

/** Whether the caller's key has a scope, or one that includes it. */
export function hasScope({ scope }: Pick<Caller, "scope">, wanted: Scope): boolean {
  return RANKS[scope] >= RANKS[wanted];
}
