// The interface between the entry point and the commands.
import type { Command } from "commander";
import type { Output } from "../text/mod.ts";

/** What every command gets from the entry point. */
export interface ProgramContext {
  readonly output: Output;
  /** Aborted when the program is asked to stop. */
  readonly stop: AbortSignal;
  /**
   * Calls `reload` on each SIGHUP, until the returned function is called. Without a registered callback, SIGHUP ends the program.
   */
  readonly onReload: (reload: () => void) => () => void;
  /** Where uncaught errors are reported; a command that logs sets its log here. */
  onDefect: (text: string) => void;
}

/** Adds arguments, options and the action to a command; `done` takes the exit status. */
export type Configure = (
  command: Command,
  context: ProgramContext,
  done: (status: number) => void,
) => void | Promise<void>;
