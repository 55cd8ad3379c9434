// A module host of a Module Gateway: one module in a shared library.
import { MemoryTrimmer } from "../memory_trimmer.ts";
import { runHost } from "../run_host.ts";
import { GatewayServer } from "./gateway_server.ts";
import { NativeGatewayLibrary } from "./native_library.ts";

/** Runs a host of a gateway; see {@linkcode runHost}. */
export function runGatewayHost(): Promise<number> {
  return runHost(async (connection, libc) => {
    const { load } = NativeGatewayLibrary;
    const memory = new MemoryTrimmer({ libc });
    const server = new GatewayServer(connection, { load, onLoad: () => memory.onChange() });
    server.start();
    await server.closed;
    memory.stop();
  });
}
