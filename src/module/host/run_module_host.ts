// A module host of the server: contexts of modules in shared libraries.
import { HostServer } from "./host_server.ts";
import { MemoryTrimmer } from "./memory_trimmer.ts";
import type { LoadModule } from "./module.ts";
import { NativeModule } from "./native_module.ts";
import { runHost } from "./run_host.ts";

/**
 * Runs a host with contexts; see {@linkcode runHost}.
 *
 * @param loader loads modules, within a time in milliseconds
 * @param keeps the permissions that modules need
 */
export function runModuleHost(
  loader: (timeoutMs: number) => LoadModule = () => NativeModule.load,
  keeps?: readonly Deno.PermissionName[],
): Promise<number> {
  return runHost(async (connection, libc, { moduleCallTimeoutMs }) => {
    const load = loader(moduleCallTimeoutMs);
    const memory = new MemoryTrimmer({ libc });
    const server = new HostServer(connection, { moduleCallTimeoutMs, load, memory });
    server.start();
    await server.closed;
  }, keeps);
}
