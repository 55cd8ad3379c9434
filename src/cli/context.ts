// What the entry and the commands know of each other.
import type { Command } from "commander";
import type { Output } from "./output.ts";

/** What every command gets from the entry. */
export interface ProgramContext {
  readonly output: Output;
  /** Aborted when the program is asked to stop. */
  readonly stop: AbortSignal;
  /** Where defects go that nobody caught; a command that logs puts its log here. */
  onDefect: (text: string) => void;
}

/** Adds arguments, options and the action to a command; `done` takes the exit status. */
export type Configure = (
  command: Command,
  context: ProgramContext,
  done: (status: number) => void,
) => void | Promise<void>;
