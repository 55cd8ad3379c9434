// What a module host and the worker that runs a script tell each other.
import type { Script } from "../../script/mod.ts";

/** To the worker; each is answered once, by number. */
export interface ToWorker {
  readonly id: number;
  readonly job: Job;
}

/** Loads the script; the first job. Done when the module's file has been run. */
export interface LoadJob {
  readonly script: Script;
  /** Methods that its class must have; `static` ones have that in front. */
  readonly methods: readonly string[];
}

/** What the worker does with the module's class, or one object of it. */
export type Job =
  | LoadJob
  /** Makes it, and calls its `init` if there is one. */
  | { readonly make: number; readonly argument?: unknown }
  /** Calls a method, which says yes or no, or makes data; `null` without such a method. */
  | {
    readonly of: number;
    readonly method: string;
    readonly args: readonly unknown[];
    readonly wants: "answer" | "data";
  }
  /** Calls a method of the class itself, which says yes or no. */
  | { readonly static: string; readonly args: readonly unknown[] }
  /** Waits for the next of its `commands`. */
  | { readonly next: number }
  /** Calls its `destroy`, if there is one, and forgets it. */
  | { readonly drop: number };

/** From the worker. The module's code runs there: nothing of it is to be relied on. */
export type FromWorker =
  | { readonly id: number; readonly value: unknown }
  /** It has thrown; text with the place. */
  | { readonly id: number; readonly error: string }
  /** The module cannot go on; what happened, in words that follow "module". */
  | { readonly failed: string };
