// A module host of the server: contexts of modules in shared libraries.
import { HostServer } from "./host_server.ts";
import { MemoryTrimmer } from "./memory_trimmer.ts";
import { NativeModule } from "./native_module.ts";
import { runHost } from "./run_host.ts";

/** Runs a host with contexts; see {@linkcode runHost}. */
export function runModuleHost(): Promise<number> {
  return runHost(async (connection, libc, { moduleCallTimeoutMs }) => {
    const load = NativeModule.load;
    const memory = new MemoryTrimmer({ libc });
    const server = new HostServer(connection, { moduleCallTimeoutMs, load, memory });
    server.start();
    await server.closed;
  });
}
