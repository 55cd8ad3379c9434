// Starts a module host's process and waits until it is connected.
import { deadline, firstOf, systemClock } from "../../time/mod.ts";
import { VERSION } from "../../version.ts";
import { Endpoint } from "../wire/endpoint.ts";
import { ModuleHostError } from "../errors.ts";
import { describeExit, type HostKind, HostProcess } from "./host_process.ts";
import type { Duplex } from "../wire/frame_channel.ts";
import type { OutputStream } from "./output_lines.ts";

export interface ConnectHostOptions {
  /** @default {"server"} */
  readonly kind?: HostKind;
  readonly moduleCallTimeoutMs?: number;
  readonly startTimeoutMs?: number;
  readonly onOutput?: (line: string, stream: OutputStream) => void;
  /** The process has all that it needs to connect. */
  readonly onInvited?: () => void;
}

/** Default deadline for a module call, in milliseconds. */
export const DEFAULT_CALL_TIMEOUT_MS = 30_000;
const DEFAULT_START_TIMEOUT_MS = 10_000;

/** Messages of V8 when it cannot start or go on. */
const V8_FAILURE = /^# (Fatal .*)$/;
/** Advice when V8 cannot reserve its addresses. */
const ADDRESS_SPACE_ADVICE = "V8 reserves up to 70 GB of addresses for each process, and uses " +
  "little of them: lift their limit (ulimit -v, LimitAS= of a service)";

/** A host's process and the connection to it. */
export interface ConnectedHost {
  readonly process: HostProcess;
  readonly connection: Duplex;
}

/**
 * A host of shared libraries whose process starts before anybody can use it: that takes as long as
 * loading a server.
 */
export class EarlyHost {
  /** Resolves when the process gets on by itself, even while this one is busy. Never rejects. */
  readonly begun: Promise<void>;
  readonly #connected: Promise<ConnectedHost>;
  #taken = false;
  /** What it prints before it is taken, such as why V8 cannot start. */
  readonly #printed: [line: string, stream: OutputStream][] = [];
  #onOutput: ConnectHostOptions["onOutput"] = (...line) => void this.#printed.push(line);

  /** Starts the process. */
  constructor(
    options: Pick<ConnectHostOptions, "moduleCallTimeoutMs" | "startTimeoutMs"> = {},
  ) {
    const { promise: invited, resolve: onInvited } = Promise.withResolvers<void>();
    const onOutput = (line: string, stream: OutputStream) => this.#onOutput?.(line, stream);
    this.#connected = connectHost({ ...options, onOutput, onInvited });
    this.begun = firstOf(invited, this.#connected.then(() => {}, () => {}));
  }

  /** Gives it away, once, to who wants such a host; rejects as {@linkcode connectHost} does. */
  take(
    { kind = "server", onOutput }: Pick<ConnectHostOptions, "kind" | "onOutput">,
  ): Promise<ConnectedHost> | undefined {
    if (this.#taken || kind !== "server") return undefined;
    this.#taken = true;
    for (const line of this.#printed) onOutput?.(...line);
    this.#onOutput = onOutput;
    return this.#connected;
  }

  /** Ends it unless it was taken. Never rejects. */
  async discard(): Promise<void> {
    if (this.#taken) return;
    this.#taken = true;
    try {
      const { process, connection } = await this.#connected;
      connection.close();
      process.kill();
      await process.exited;
    } catch {
      // It has not started.
    }
  }
}

/**
 * Starts a process and accepts its connection. It gets the address and its token on standard input,
 * as others can read arguments and environment.
 *
 * @throws {ModuleHostError} when the process ends or does not connect in time.
 */
export async function connectHost(options: ConnectHostOptions): Promise<ConnectedHost> {
  const {
    moduleCallTimeoutMs = DEFAULT_CALL_TIMEOUT_MS,
    startTimeoutMs = DEFAULT_START_TIMEOUT_MS,
    onOutput = () => {},
    onInvited = () => {},
  } = options;
  let endpoint: Endpoint | null = null;
  let process: HostProcess | null = null;
  const late = () => new Error(`it is not connected after ${startTimeoutMs} ms`);
  try {
    endpoint = Endpoint.open();
    let failure: string | undefined;
    process = new HostProcess((line, stream) => {
      failure ??= V8_FAILURE.exec(line)?.[1];
      onOutput(line, stream);
    }, options.kind);
    const { address, token } = endpoint;
    const parentPid = Deno.pid;
    const ended = process.exited.then((exit): never => {
      throw new Error(`it ${describeExit(exit)}${describeFailure(failure)}`);
    });
    const connecting = Promise.all([
      firstOf(endpoint.accept(), ended),
      process.invite({ version: VERSION, address, token, parentPid, moduleCallTimeoutMs })
        .then(onInvited),
    ]);
    const [connection] = await deadline(connecting, startTimeoutMs, systemClock, late);
    return { process, connection };
  } catch (cause) {
    endpoint?.close();
    process?.kill();
    await process?.exited;
    const detail = cause instanceof Error ? cause.message : cause;
    throw new ModuleHostError(`Cannot start module host: ${detail}`, { cause });
  }
}

/** V8's message with advice; empty when there is none. */
function describeFailure(failure: string | undefined): string {
  if (failure === undefined) return "";
  return `: ${failure}${/reservation/.test(failure) ? ` ${ADDRESS_SPACE_ADVICE}` : ""}`;
}
