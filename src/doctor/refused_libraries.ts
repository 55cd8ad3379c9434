// Libraries that would keep a server or a gateway from starting, or from taking a new configuration.
import type { ServerConfig } from "../config/mod.ts";
import {
  type ContextSpec,
  type GatewayModuleSpec,
  ModuleLoadError,
  tryGatewayModule,
} from "../module/mod.ts";
import { contextSpecs } from "../server/mod.ts";
import { Semaphore } from "../time/mod.ts";
import { type LoadPlan, planLoad } from "./loader/mod.ts";

/** Libraries of a gateway that are tried at the same time. */
const MAX_TRIALS = 8;

/**
 * The libraries that the loader refuses, for every module of every car. Found without loading them:
 * one that is damaged may end the process that tries.
 *
 * @param plans those without a plan are not refused
 */
export function refusedLibraries(
  config: ServerConfig,
  plans: ReadonlyMap<string, LoadPlan>,
): ModuleLoadError[] {
  return config.cars.flatMap((car) => contextSpecs(config, car)).flatMap((spec) => {
    return refusals(spec, plans.get(spec.libPath)?.problems ?? []);
  });
}

/**
 * Finds libraries that a Module Gateway cannot use: those that the loader refuses, and those that,
 * loaded in a module host of their own, crash, hang, lack a function or are another module.
 *
 * @throws {ModuleHostError} when no module host can be started.
 */
export async function refusedGatewayLibraries(
  specs: readonly GatewayModuleSpec[],
): Promise<ModuleLoadError[]> {
  const semaphore = new Semaphore(MAX_TRIALS);
  const refused = await Promise.all(specs.map(async (spec) => {
    using _ = { [Symbol.dispose]: await semaphore.acquire() };
    if (spec.script === undefined) {
      const { problems } = await planLoad(spec.libPath);
      if (problems.length > 0) return refusals(spec, problems);
    }
    const error = await tryGatewayModule(spec);
    return error === null ? [] : [error];
  }));
  return refused.flat();
}

function refusals(
  spec: ContextSpec | GatewayModuleSpec,
  problems: LoadPlan["problems"],
): ModuleLoadError[] {
  return problems.map(({ message, advice }) =>
    new ModuleLoadError("library", spec, `${message}. ${advice}`)
  );
}
