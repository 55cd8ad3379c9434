// A module host of a Module Gateway: one module in a shared library.
import { MemoryTrimmer } from "../memory_trimmer.ts";
import { runHost } from "../run_host.ts";
import type { LoadGatewayLibrary } from "./gateway_library.ts";
import { GatewayServer } from "./gateway_server.ts";
import { NativeGatewayLibrary } from "./native_library.ts";

/** What a host runs. */
export interface GatewayModuleKind {
  /** Makes what loads its module, within a time in milliseconds. */
  readonly loader: (timeoutMs: number) => LoadGatewayLibrary;
  /** The permissions that the module needs. */
  readonly keeps: readonly Deno.PermissionName[];
}

const NATIVE: GatewayModuleKind = { loader: () => NativeGatewayLibrary.load, keeps: ["ffi"] };

/** Runs a host of a gateway; see {@linkcode runHost}. */
export function runGatewayHost({ loader, keeps }: GatewayModuleKind = NATIVE): Promise<number> {
  return runHost(async (connection, libc, { moduleCallTimeoutMs }) => {
    const load = loader(moduleCallTimeoutMs);
    const memory = new MemoryTrimmer({ libc });
    const server = new GatewayServer(connection, { load, onLoad: () => memory.onChange() });
    server.start();
    await server.closed;
    memory.stop();
  }, keeps);
}
