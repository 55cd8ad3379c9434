// Inputs and effects of the supervisor's core: plain data.
import type { Blame, ContextHostKind, ContextSpec } from "../../module/mod.ts";

/** Everything that can happen to contexts and hosts. */
export type SupervisorInput =
  /**
   * A car that has no contexts yet; they are opened.
   *
   * `unproven`: while other cars are served, so that its contexts are on probation.
   */
  | {
    readonly type: "add";
    readonly car: number;
    readonly name: string;
    readonly specs: readonly ContextSpec[];
    readonly unproven: boolean;
  }
  /** Opens what `specs` have and the car lacks, while its current contexts go on serving it. */
  | { readonly type: "prepare"; readonly car: number; readonly specs: readonly ContextSpec[] }
  /**
   * What was opened ahead serves the car from now on, with those contexts that both have alike. The
   * car has no session.
   */
  | { readonly type: "take_over"; readonly car: number }
  /** What was opened ahead is no longer wanted. */
  | { readonly type: "give_up"; readonly car: number }
  /** The car has a session, or no longer. */
  | { readonly type: "session"; readonly car: number; readonly active: boolean }
  /** Removes the car with all its contexts. */
  | { readonly type: "remove"; readonly car: number }
  /** An `open` effect has ended. */
  | ContextInput<"opened">
  | ContextInput<"failed"> & {
    readonly message: string;
    /** The cause alone, without car, module and path. */
    readonly detail: string;
    readonly blame: Blame;
  }
  /** The host of a context is gone. */
  | ContextInput<"lost"> & { readonly reason: string; readonly blame: Blame }
  /** A `destroy` effect has ended. */
  | ContextInput<"destroyed">
  /** The process has ended: stopped, killed or crashed; its contexts have been told. */
  | { readonly type: "host_gone"; readonly host: number; readonly reason: string }
  /** The number of unusable free places of the host. */
  | { readonly type: "blocked"; readonly host: number; readonly count: number }
  /** An attempt may be due. */
  | { readonly type: "tick" }
  /** Removes all cars and stops every host. */
  | { readonly type: "stop" };

/** Something about one context. */
export interface ContextInput<T extends string> {
  readonly type: T;
  /** The car for which it was opened. */
  readonly car: number;
  readonly context: number;
  readonly host: number;
}

/** What the supervisor asks its driver to do. */
export type SupervisorEffect =
  | { readonly type: "start_host"; readonly host: number; readonly kind: ContextHostKind }
  | { readonly type: "stop_host"; readonly host: number }
  /** Make a context; answered by `opened` or `failed`. Its commands wait until it is attached. */
  | ContextInput<"open"> & { readonly spec: ContextSpec }
  /** Answered by `destroyed`. */
  | ContextInput<"destroy">
  /** The car, which has no session, gives up all its contexts. */
  | { readonly type: "release"; readonly car: number; readonly detail: string }
  /** The car is served by a context, and gets its commands. */
  | { readonly type: "attach"; readonly car: number; readonly context: number }
  /** Every context of the car is attached: gateways may connect. */
  | { readonly type: "ready"; readonly car: number }
  | {
    readonly type: "log";
    readonly level: "info" | "error" | "critical";
    /** The car concerned; `null`: none in particular. */
    readonly car: string | null;
    readonly module: number | null;
    readonly text: string;
  };
