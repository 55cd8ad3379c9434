// What a module host says of itself, as far as operators want to know it.
import type { ModuleHostSnapshot } from "../module/mod.ts";
import type { HostPlacement } from "./host_pool.ts";

/** The parts of a host's snapshot that are shown. */
export type HostFacts = Pick<ModuleHostSnapshot, "pid" | "residentBytes" | "contexts">;

/** A host that runs; `null` while it starts. The pool does not look into what its hosts say. */
export function hostFacts({ host }: HostPlacement): HostFacts | null {
  return host as HostFacts | null;
}
