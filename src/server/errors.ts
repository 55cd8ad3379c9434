// Errors of starting a server and of changing its configuration.
import { loadErrorLines } from "../module/mod.ts";

/** The server cannot start; nothing is left running. */
export class ServerStartError extends Error {
  override readonly name = "ServerStartError";
  /** Every reason, a sentence each. */
  readonly problems: readonly string[];

  constructor(causes: readonly Error[]) {
    const problems = loadErrorLines(causes);
    super(`Cannot start: ${problems.join("; ")}`, { cause: causes[0] });
    this.problems = problems;
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
