// `device`: a device at a gateway; lines are statuses, and the gateway's commands become lines.
import { Buffer } from "node:buffer";
import { createReadStream } from "node:fs";
import process from "node:process";
import { createInterface, type Interface } from "node:readline";
import { Option } from "commander";
import {
  type ConnectOptions,
  InternalClient,
  InternalClientError,
  type InternalClientErrorCode,
} from "../internal_client/mod.ts";
import {
  describeFileError,
  MAX_PEM_BYTES,
  MAX_SECRET_BYTES,
  type Output,
  secretOf,
} from "../text/mod.ts";
import { OptionReader, type RawOptions } from "./option_reader.ts";
import type { Configure } from "./program_context.ts";

const USAGE_STATUS = 2;

/** Exit status for each error of the library; 1 is everything else. */
const STATUS_OF: Readonly<Record<InternalClientErrorCode, number>> = {
  connection_refused: 3,
  timeout: 4,
  protocol_error: 5,
  already_connected: 6,
  module_not_supported: 7,
  device_not_supported: 8,
  higher_priority_already_connected: 9,
  not_authorized: 10,
  no_command: 1,
  closed: 1,
};

const INT32 = { min: 0, max: 0x7fff_ffff, integer: true };
const UINT32 = { min: 0, max: 0xffff_ffff, integer: true };

/** Adds what `device` takes. */
export const configureDevice: Configure = (command, { output, stop }, done) => {
  command
    .option("--host <host>", "name or address of the gateway", "127.0.0.1")
    .option("--port <n>", "its port", "8888")
    .requiredOption("--module <n>", "number of the device's module")
    .requiredOption("--type <n>", "type of the device")
    .requiredOption("--role <text>", "role of the device")
    .option("--name <text>", "name of the device (default: its role)")
    .option("--priority <n>", "0 is the highest", "0")
    .option("--tls", "connect over TLS")
    .option("--ca <file>", "trust these CA certificates instead, PEM; turns TLS on")
    .option("--token <text>", "what the gateway expects of the device; others can see it in ps")
    .option("--token-file <file>", "file with that token")
    .option("--timeout <ms>", "how long an answer may take, a new connection included", "2000")
    .addOption(
      new Option("--reconnect <how>", "how often a lost connection is made again")
        .choices(["once", "forever"]).default("once"),
    )
    .option("--heartbeat <ms>", "send the last status again after this long")
    .option("--file <file>", "take statuses from the lines of a file")
    .option("--hex", "statuses and commands are hexadecimal")
    .addHelpText(
      "after",
      "\nExit status: 3 connection refused, 4 timeout, 5 protocol error, 6 already connected," +
        "\n7 module not supported, 8 device not supported, 9 higher priority already connected,\n10 not authorized.",
    )
    .action(async (raw: RawOptions) => done(await runDevice(raw, output, stop)));
};

/** @returns the exit status */
async function runDevice(raw: RawOptions, output: Output, stop: AbortSignal): Promise<number> {
  const reader = new OptionReader(raw);
  const role = reader.text("role") ?? "";
  const options: ConnectOptions = {
    host: reader.text("host") ?? "",
    port: reader.number("port", { min: 1, max: 65_535, integer: true }) ?? 0,
    module: reader.number("module", INT32) ?? 0,
    type: reader.number("type", UINT32) ?? 0,
    role,
    name: reader.text("name") ?? role,
    priority: reader.number("priority", UINT32) ?? 0,
    reconnect: reader.text("reconnect") === "forever" ? "forever" : "once",
    signal: stop,
    ...await tlsOf(reader),
    ...await tokenOf(reader),
  };
  const timeoutMs = reader.number("timeout", { min: 1, max: 3_600_000 }) ?? 1;
  const heartbeatMs = reader.number("heartbeat", { min: 1, max: 30_000 });
  if (reader.problems.length > 0) {
    for (const problem of reader.problems) output.err(`error: ${problem}`, "failed");
    return USAGE_STATUS;
  }
  const file = reader.text("file");
  try {
    // A file that cannot be read should not cost the gateway a connection.
    const source = await openLines(file);
    stop.addEventListener("abort", () => source.close());
    // Lines that arrive before iteration begins are lost.
    const lines = source[Symbol.asyncIterator]();
    await using client = await InternalClient.connect(
      options.reconnect === "once" ? { ...options, timeoutMs } : options,
    );
    return await converse(client, lines, { output, stop, timeoutMs, heartbeatMs, hex: raw["hex"] });
  } catch (error) {
    if (stop.aborted) return 0;
    if (error instanceof InternalClientError || error instanceof RangeError) {
      output.err(`error: ${error.message}`, "failed");
      return error instanceof InternalClientError ? STATUS_OF[error.code] : USAGE_STATUS;
    }
    const what = error instanceof PrintError
      ? "print a command"
      : `read statuses from "${file ?? "(standard input)"}"`;
    const { cause = error } = error as Error;
    output.err(`error: Cannot ${what}: ${describeFileError(cause)}`, "failed");
    return 1;
  }
}

async function tlsOf(reader: OptionReader): Promise<Pick<ConnectOptions, "tls">> {
  const ca = await reader.fileText("ca", MAX_PEM_BYTES);
  if (ca !== undefined) return { tls: { ca } };
  return reader.flag("tls") ? { tls: true } : {};
}

async function tokenOf(reader: OptionReader): Promise<Pick<ConnectOptions, "token">> {
  const file = await reader.fileText("tokenFile", MAX_SECRET_BYTES);
  if (file !== undefined) reader.refuse(["token"], "--token-file");
  const token = file === undefined ? reader.text("token") : secretOf(file);
  return token === undefined ? {} : { token };
}

async function openLines(file: string | undefined): Promise<Interface> {
  if (file === undefined) return createInterface({ input: process.stdin });
  const input = createReadStream(file);
  await new Promise((resolve, reject) => input.once("open", resolve).once("error", reject));
  return createInterface({ input });
}

interface Conversation {
  readonly output: Output;
  readonly stop: AbortSignal;
  readonly timeoutMs: number;
  readonly heartbeatMs: number | undefined;
  readonly hex: unknown;
}

/** Standard output takes no more lines. */
class PrintError extends Error {}

/** Sends each line, and prints what comes back, until the lines end. */
async function converse(
  client: InternalClient,
  lines: AsyncIterableIterator<string>,
  { output, stop, timeoutMs, heartbeatMs, hex }: Conversation,
): Promise<number> {
  const show = (command: Uint8Array) => {
    try {
      output.out(
        hex === true ? Buffer.from(command).toString("hex") : new TextDecoder().decode(command),
      );
    } catch (cause) {
      throw new PrintError("Cannot print a command", { cause });
    }
  };
  client.addEventListener("command", (event) => show((event as CustomEvent<Uint8Array>).detail));
  let last: Uint8Array | undefined;
  let number = 0;
  for await (const line of lines) {
    number++;
    const status = hex === true ? bytesOfHex(line) : new TextEncoder().encode(line);
    if (status === null) {
      output.err(
        `error: Line ${number}: Expected hexadecimal digits in pairs: found "${line}"`,
        "failed",
      );
      return USAGE_STATUS;
    }
    show(await client.sendStatus(status, { timeoutMs, signal: stop }));
    if (last === undefined && heartbeatMs !== undefined) {
      client.heartbeat(() => last ?? status, heartbeatMs);
    }
    last = status;
  }
  return 0;
}

function bytesOfHex(line: string): Uint8Array | null {
  const text = line.replaceAll(/\s/g, "");
  if (text.length % 2 !== 0 || /[^0-9a-f]/i.test(text)) return null;
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
