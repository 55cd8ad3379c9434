// What the entry and the commands know of each other.
import type { Command } from "commander";
import type { Output } from "../text/mod.ts";

/** What every command gets from the entry. */
export interface ProgramContext {
  readonly output: Output;
  /** Aborted when the program is asked to stop. */
  readonly stop: AbortSignal;
  /**
   * Calls `reload` whenever the program is asked to read its configuration anew; until it is taken
   * back with what this returns, the program is not ended by being asked so.
   */
  readonly onReload: (reload: () => void) => () => void;
  /** Where defects go that nobody caught; a command that logs puts its log here. */
  onDefect: (text: string) => void;
}

/** Adds arguments, options and the action to a command; `done` takes the exit status. */
export type Configure = (
  command: Command,
  context: ProgramContext,
  done: (status: number) => void,
) => void | Promise<void>;
