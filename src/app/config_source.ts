// Configuration that is pulled, as a part of the program; nothing of it is loaded while it is off.
import { type ConfigSource, type ConfigSourceConfig, readBootstrap } from "../config/mod.ts";
import type { CountedCar, RemoteConfig } from "../config_source/mod.ts";
import type { Log } from "../log/mod.ts";
import type { Part } from "./lifetime.ts";

/** What a program starts with, and what its reloads read. */
export interface BegunConfig<L> {
  readonly source: ConfigSource;
  readonly loaded: L;
  /** Absent: the configuration is the local file. */
  readonly remote: RemoteConfig<L> | undefined;
}

interface Loaded {
  readonly config: { readonly configSource?: ConfigSourceConfig };
}

/**
 * Loads the configuration: the local file, or what it says where to pull from.
 *
 * @param isFollowed whether the section `config_source` counts
 * @throws {ConfigError} when there is none that can be used
 */
export async function beginConfig<L extends Loaded>(
  file: ConfigSource,
  isFollowed: boolean,
  load: (source: ConfigSource) => Promise<L>,
): Promise<BegunConfig<L>> {
  const { section, source: local } = isFollowed
    ? await readBootstrap(file)
    : { section: undefined, source: file };
  if (section === undefined) return { source: local, loaded: await load(local), remote: undefined };
  const { RemoteConfig } = await import("../config_source/mod.ts");
  const remote = new RemoteConfig<L>({ settings: section, local, load });
  const loaded = withSection(await remote.begin(), section);
  return { source: remote.source, loaded, remote };
}

/** What was pulled does not say from where: the section stays what it was at the start. */
export function withSection<L extends Loaded>(
  loaded: L,
  configSource: ConfigSourceConfig | undefined,
): L {
  if (configSource === undefined || loaded.config.configSource !== undefined) return loaded;
  return { ...loaded, config: { ...loaded.config, configSource } };
}

/** The result of a reload. */
interface Report {
  readonly applied: boolean;
  readonly problems: readonly string[];
}

/** What {@linkcode remotePart} needs of a server or gateway. */
export interface Followed<R extends Report> {
  readonly log: Log;
  /** Changes to what {@linkcode RemoteConfig.source} reads. Never rejects. */
  readonly reload: () => Promise<R>;
  /** The cars that a reload has touched. */
  readonly touched: (report: R) => readonly string[];
  readonly cars: () => readonly CountedCar[];
}

/** A part that starts after what it changes, and what reloads for operators. */
export function remotePart<L, R extends Report>(
  remote: RemoteConfig<L>,
  { log, reload, touched, cars }: Followed<R>,
): Part & { readonly reload: () => Promise<R> } {
  let last: R | undefined;
  const apply = async () => {
    const report = await reload();
    last = report;
    return { ...report, touched: touched(report) };
  };
  return {
    name: "remote configuration",
    async start() {
      remote.logTo(log);
      await remote.start({ apply, cars });
    },
    stop: () => remote.stop(),
    async reload() {
      last = undefined;
      await remote.poll();
      return last ?? await reload();
    },
  };
}
