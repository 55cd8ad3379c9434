// `check --against`: what a reload would change, in cars. Changes nothing.
import {
  compareConfigs,
  type CompareOptions,
  type ConfigDifference,
  ConfigError,
  differenceLines,
  isSame,
  loadConfig,
  masked,
  namesText,
  type Overrides,
  parseEffective,
  problemText,
  reconnects,
  type ServerConfig,
  unseenKeys,
} from "../config/mod.ts";
import { fetchConfig, RunningServerError } from "../http/mod.ts";

/** What a configuration is compared with. */
export interface Against {
  /** Another configuration file, or the HTTP address of a running server. */
  readonly target: string;
  /** The server's API key; not needed for a file. */
  readonly apiKey?: string | undefined;
}

/**
 * Lists what a server that runs `against` would change on a reload with `config`, one line each.
 *
 * @throws {ConfigError} when the other configuration cannot be used.
 * @throws {RunningServerError} when the server does not give its configuration.
 */
export async function compareAgainst(
  config: ServerConfig,
  against: Against,
  overrides: Overrides = {},
): Promise<string[]> {
  const options = { embeddedBroker: overrides.embeddedBroker !== undefined };
  if (!isAddress(against.target)) {
    const { config: running } = await loadConfig(against.target, overrides);
    return describe(running, config, options);
  }
  const document = await fetchConfig(against.target, against.apiKey);
  const running = parseEffective(document, against.target);
  const wanted = masked(config);
  const unseen = unseenKeys(running, wanted);
  return [
    ...describe(running, wanted, options),
    ...(unseen.length > 0
      ? [
        `Not comparable, as servers mask what may be secret: ${namesText(unseen)}`,
      ]
      : []),
  ];
}

function isAddress(target: string): boolean {
  return /^https?:\/\//i.test(target);
}

/** Why a comparison failed, one line each; undefined for an unexpected error. */
export function againstProblems(error: unknown): string[] | undefined {
  if (error instanceof ConfigError) {
    return error.problems.map((problem) => problemText(error.source, problem));
  }
  return error instanceof RunningServerError ? [error.message] : undefined;
}

function describe(from: ServerConfig, to: ServerConfig, options: CompareOptions): string[] {
  const difference = compareConfigs(from, to, options);
  return [...differenceLines(difference), summary(difference)];
}

function summary(difference: ConfigDifference): string {
  const { added, removed, changed, same } = difference;
  const keep = reconnects(difference) ? 0 : same.length;
  const cars = keep === 1 ? "1 car keeps its session" : `${keep} cars keep their sessions`;
  if (isSame(difference)) return `A reload would change nothing: ${cars}`;
  const counts = `${added.length} added, ${removed.length} removed, ${changed.length} changed`;
  return `A reload would do this to cars: ${counts}; ${cars}`;
}
