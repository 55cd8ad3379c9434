// The state and the counts of a client.

/** Whether a client can be used. */
export type ClientState =
  | { readonly kind: "connected" }
  /** The connection is lost; `cause` says how. With `"once"` the next status tries a new one. */
  | { readonly kind: "disconnected"; readonly cause: unknown }
  /** For good; `cause` is undefined when the client was closed. */
  | { readonly kind: "closed"; readonly cause?: unknown };

/** Counts since the client was made. */
export interface ClientStatistics {
  /** Statuses that were answered. */
  readonly statuses: number;
  /** Statuses that a newer one replaced before they were sent. */
  readonly replacedStatuses: number;
  /** Unsolicited commands. */
  readonly commands: number;
  /** Of these, how many made room for newer ones before they were read. */
  readonly droppedCommands: number;
  /** Links after the first. */
  readonly reconnects: number;
  /** From sending the last status to its answer, in milliseconds. */
  readonly lastAnswerMs: number | null;
}
