// What can be wrong with a configuration, and how it is collected: everything at once.

/** One finding: where, and what was found and expected there. Both are one line, free of secrets. */
export interface Problem {
  /** Such as `cars.car_1.specific_modules.7.lib_path`, `--ca` or the file itself; never empty. */
  readonly path: string;
  readonly message: string;
}

/** A configuration cannot be used; every reason is in {@linkcode ConfigError.problems}. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** At least one. */
  readonly problems: readonly Problem[];
  /** What was suspicious beside it. */
  readonly warnings: readonly Problem[];

  /** @param source what was read, for people: a file's path. */
  constructor(
    source: string,
    problems: readonly Problem[],
    warnings: readonly Problem[],
    options?: ErrorOptions,
  ) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const lines = problems.map((problem) => `\n  ${problem.path}: ${problem.message}`).join("");
    super(`Cannot use the configuration "${source}": ${count}${lines}`, options);
    this.problems = problems;
    this.warnings = warnings;
  }
}

/** Collects what is found wrong or suspicious while a configuration is read. */
export class Faults {
  readonly #problems = new Map<string, Problem>();
  readonly #warnings: Problem[] = [];

  /** Notes what keeps the server from starting. The first one at a path stands, it is the cause. */
  problem(path: string, message: string): void {
    if (!this.#problems.has(path)) this.#problems.set(path, { path, message });
  }

  /** Says whether something is wrong at exactly this path. */
  hasProblem(path: string): boolean {
    return this.#problems.has(path);
  }

  /** Notes what is only suspicious. */
  warning(path: string, message: string): void {
    this.#warnings.push({ path, message });
  }

  get problems(): readonly Problem[] {
    return [...this.#problems.values()];
  }

  get warnings(): readonly Problem[] {
    return [...this.#warnings];
  }
}
