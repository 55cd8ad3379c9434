// Errors of starting a server and of changing its configuration.

/** The server cannot start; nothing is left running. */
export class ServerStartError extends Error {
  override readonly name = "ServerStartError";
  /** Every reason, a sentence each. */
  readonly problems: readonly string[];
  /** Every reason as it was thrown. */
  readonly causes: readonly Error[];

  constructor(causes: readonly Error[]) {
    const problems = [...new Set(causes.map(({ message }) => message))];
    super(`Cannot start: ${problems.join("; ")}`, { cause: causes[0] });
    this.problems = problems;
    this.causes = causes;
  }
}

/** The server refused the new configuration; nothing has changed. */
export class ChangeRefusedError extends Error {
  override readonly name = "ChangeRefusedError";
  /** Every reason, a sentence each. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(`Cannot change the configuration: ${problems.join("; ")}`, options);
    this.problems = problems;
  }
}
