// Starts a module host's process and waits until it is connected.
import { VERSION } from "../version.ts";
import { Endpoint } from "./endpoint.ts";
import { ModuleHostError } from "./errors.ts";
import { describeExit, HostProcess } from "./host_process.ts";
import type { Duplex } from "./link.ts";
import type { OutputStream } from "./output_lines.ts";

/** What is needed to start a host. */
export interface ConnectHostOptions {
  readonly moduleCallTimeoutMs?: number;
  readonly startTimeoutMs?: number;
  readonly onOutput?: (line: string, stream: OutputStream) => void;
}

/** How long one module call may execute unless something else is said, in milliseconds. */
export const DEFAULT_CALL_TIMEOUT_MS = 30_000;
const DEFAULT_START_TIMEOUT_MS = 10_000;

/**
 * Starts a process and lets it in. Where to go and what to show there, it learns from its standard
 * input: arguments and environment can be read by others.
 *
 * @throws {ModuleHostError} when the process ends or does not connect in time.
 */
export async function connectHost(
  options: ConnectHostOptions,
): Promise<{ process: HostProcess; connection: Duplex }> {
  const {
    moduleCallTimeoutMs = DEFAULT_CALL_TIMEOUT_MS,
    startTimeoutMs = DEFAULT_START_TIMEOUT_MS,
    onOutput = () => {},
  } = options;
  let endpoint: Endpoint | null = null;
  let process: HostProcess | null = null;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`it is not connected after ${startTimeoutMs} ms`));
  }, startTimeoutMs);
  try {
    endpoint = await Endpoint.open();
    process = new HostProcess(onOutput);
    const { address, token } = endpoint;
    const parentPid = Deno.pid;
    const ended = process.exited.then((exit): never => {
      throw new Error(`it ${describeExit(exit)}`);
    });
    const [connection] = await Promise.all([
      Promise.race([endpoint.accept(), ended, late.promise]),
      process.invite({ version: VERSION, address, token, parentPid, moduleCallTimeoutMs }),
    ]);
    return { process, connection };
  } catch (cause) {
    endpoint?.close();
    process?.kill();
    await process?.exited;
    const detail = cause instanceof Error ? cause.message : cause;
    throw new ModuleHostError(`Cannot start module host: ${detail}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}
