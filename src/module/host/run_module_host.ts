// A module host of the server: contexts of modules, in shared libraries unless it is told otherwise.
import { HostServer } from "./host_server.ts";
import { MemoryTrimmer } from "./memory_trimmer.ts";
import type { LoadModule } from "./module.ts";
import { NativeModule } from "./native_module.ts";
import { runHost } from "./run_host.ts";

/** What a host runs. */
export interface ModuleKind {
  /** Makes what loads its modules, each within a time in milliseconds. */
  readonly loader: (timeoutMs: number) => LoadModule;
  /** The permissions that modules need. */
  readonly keeps: readonly Deno.PermissionName[];
}

const NATIVE: ModuleKind = { loader: () => NativeModule.load, keeps: ["ffi"] };

/** Runs a host with contexts; see {@linkcode runHost}. */
export function runModuleHost({ loader, keeps }: ModuleKind = NATIVE): Promise<number> {
  return runHost(async (connection, libc, { moduleCallTimeoutMs }) => {
    const load = loader(moduleCallTimeoutMs);
    const memory = new MemoryTrimmer({ libc });
    const server = new HostServer(connection, { moduleCallTimeoutMs, load, memory });
    server.start();
    await server.closed;
  }, keeps);
}
