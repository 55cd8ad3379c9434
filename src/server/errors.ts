// What can keep a server from starting.

/** The server cannot start; nothing is left running. */
export class ServerStartError extends Error {
  override readonly name = "ServerStartError";
  /** Every reason, a sentence each. */
  readonly problems: readonly string[];

  constructor(causes: readonly Error[]) {
    const problems = [...new Set(causes.map(({ message }) => message))];
    super(`Cannot start: ${problems.join("; ")}`, { cause: causes[0] });
    this.problems = problems;
  }
}
