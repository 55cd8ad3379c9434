// Problems of a configuration, collected to be reported all at once.

/** One finding: where, and what was expected and found. Both are one line, without secrets. */
export interface Problem {
  /** Such as `cars.car_1.specific_modules.7.lib_path`, `--ca` or the file itself; never empty. */
  readonly path: string;
  readonly message: string;
}

/** A configuration is unusable; {@linkcode ConfigError.problems} has every reason. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** What was read, for messages: a file's path. */
  readonly source: string;
  /** At least one. */
  readonly problems: readonly Problem[];
  /** What else is suspicious. */
  readonly warnings: readonly Problem[];

  constructor(
    source: string,
    problems: readonly Problem[],
    warnings: readonly Problem[],
    options?: ErrorOptions,
  ) {
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    const lines = problems.map((problem) => `\n  ${problem.path}: ${problem.message}`).join("");
    super(`Cannot use the configuration "${source}": ${count}${lines}`, options);
    this.source = source;
    this.problems = problems;
    this.warnings = warnings;
  }
}

/** A finding as one line, which begins with the file unless it is about an option. */
export function problemText(source: string, { path, message }: Problem): string {
  const isElsewhere = path === source || path.startsWith("--");
  return `${isElsewhere ? "" : `${source}: `}${path}: ${message}`;
}

/** Collects problems and warnings while a configuration is read. */
export class Faults {
  readonly #problems = new Map<string, Problem>();
  readonly #warnings: Problem[] = [];

  /** Adds a reason not to start. Only the first one at each path is kept, as it is the cause. */
  problem(path: string, message: string): void {
    if (!this.#problems.has(path)) this.#problems.set(path, { path, message });
  }

  /** Whether there is a problem at exactly this path. */
  hasProblem(path: string): boolean {
    return this.#problems.has(path);
  }

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
