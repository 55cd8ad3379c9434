// What survives a restart as a part of the program; nothing of it is loaded where nothing needs it.
import type { ServerConfig } from "../config/mod.ts";
import type { Log } from "../log/mod.ts";
import type { Pauses, StateDirectory } from "../state/mod.ts";
import type { Part } from "./lifetime.ts";

/** The state directory, if there is one, and what is read before any car is served. */
export interface State extends Part {
  readonly pauses: Pauses;
  readonly stateDirectory: StateDirectory | undefined;
}

/** Makes it where operators can pause cars, or could in a run before. */
export async function stateOf(
  { http, stateDir }: Pick<ServerConfig, "http" | "stateDir">,
  log: Log,
): Promise<State | undefined> {
  if (http === undefined && stateDir === undefined) return undefined;
  const { Pauses, StateDirectory } = await import("../state/mod.ts");
  const stateDirectory = stateDir === undefined
    ? undefined
    : new StateDirectory({ path: stateDir, log });
  const pauses = new Pauses(stateDirectory, log);
  return {
    name: "the state directory",
    pauses,
    stateDirectory,
    async start() {
      await stateDirectory?.open();
      await pauses.load();
    },
    async stop() {
      await stateDirectory?.stop();
    },
  };
}

/** A state directory without pauses: of a program that has none. */
export async function stateDirectoryOf(
  path: string | undefined,
  log: Log,
): Promise<Part & { readonly stateDirectory: StateDirectory } | undefined> {
  if (path === undefined) return undefined;
  const { StateDirectory } = await import("../state/mod.ts");
  const stateDirectory = new StateDirectory({ path, log });
  return {
    name: "the state directory",
    stateDirectory,
    start: () => stateDirectory.open(),
    stop: () => stateDirectory.stop(),
  };
}
