// What the module handler is told with every input: clocks and limits.

/** Clocks and limits of the module handler. */
export interface HandlerSettings {
  /** Numbers of the modules that are served. */
  readonly modules: readonly number[];
  /** A device whose status does not go out otherwise is reported so often, in milliseconds. */
  readonly reportMs: number;
  /** A device that has said nothing for so many of these reports is dead. */
  readonly deadAfter: number;
  /** Commands that wait for one device; the oldest makes room. */
  readonly maxCommands: number;
  /** What waits for a module for the sake of one device; its oldest status makes room. */
  readonly maxJobs: number;
  /** The same, in bytes. */
  readonly maxJobBytes: number;
}

/** The protocol's clocks [HANDLER-REPORT] [HANDLER-DEAD] [HANDLER-COMMAND-QUEUE]. */
export const HANDLER_SETTINGS: Omit<HandlerSettings, "modules"> = {
  reportMs: 15_000,
  deadAfter: 2,
  maxCommands: 3,
  maxJobs: 16,
  maxJobBytes: 4 * 1024 * 1024,
};
