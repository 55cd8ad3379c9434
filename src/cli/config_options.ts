// The arguments that name a configuration and change it [CLI-ARGUMENTS]; `start` and `check`
// share them, so that `check` judges exactly what `start` would run.
//
// Separate from the commands, so that help and usage errors load nothing else.
import { type Command, Option } from "commander";
import type { Overrides } from "../config/mod.ts";
import { nearestKey } from "../text/mod.ts";

/** What `--event-log` does. */
export const EVENT_LOG_SUMMARY = "write what happens to every car into this directory";

/** What `--config-source` does. */
export const CONFIG_SOURCE_SUMMARY = "off: use the file as it is, and pull nothing";

/** The configuration file when none is given. */
export const DEFAULT_CONFIG = "./config/config.json";

/** What the command line said. */
export interface ConfigOptions {
  /** The configuration file. */
  readonly config: string;
  readonly overrides: Overrides;
  /** Whether its section `config_source` counts. */
  readonly isFollowed: boolean;
}

interface ParsedOptions {
  readonly config?: string;
  readonly tls?: boolean;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly broker?: string | true;
  readonly eventLog?: string;
  readonly instance?: string;
  readonly configSource?: "off";
}

/** Adds the arguments and options to a command, which runs `action` with what they say. */
export function configureWithConfig(
  command: Command,
  action: (options: ConfigOptions) => Promise<void>,
): void {
  command
    .argument(
      "[config]",
      `configuration file, or - for standard input (default: ${DEFAULT_CONFIG})`,
    )
    .option("-c, --config <file>", "the same as an option")
    .option("--tls", "connect to the broker over TLS; requires --ca")
    .option("--no-tls", "connect without TLS, whatever files the configuration names")
    .option("--ca <file>", "additional CA certificates to trust for the broker, PEM")
    .option("--cert <file>", "client certificate for the broker, PEM; requires --key")
    .option("--key <file>", "private key of the client certificate, PEM; requires --cert")
    .option(
      "--broker [port]",
      "run an embedded broker, at the configured address or on another port",
    )
    .option("--event-log <dir>", EVENT_LOG_SUMMARY)
    .option("--instance <id>", "this server's id in its cluster, instead of the configured one")
    .addOption(
      new Option("--config-source <off>", CONFIG_SOURCE_SUMMARY).choices(["off"]),
    )
    .action((argument: string | undefined, parsed: ParsedOptions) => {
      const fail = (text: string) => command.error(`error: ${text}`);
      return action({
        config: configFile(argument, parsed, commandNames(command), fail),
        overrides: {
          ...tls(parsed),
          ...embeddedBroker(parsed, fail),
          ...eventLog(parsed, fail),
          ...(parsed.instance === undefined ? {} : { instance: parsed.instance }),
        },
        isFollowed: parsed.configSource !== "off",
      });
    });
}

type Fail = (text: string) => never;

/** Names of all commands, seen from any of them. */
function commandNames(command: Command): string[] {
  return (command.parent ?? command).commands.map((one) => one.name());
}

function configFile(
  argument: string | undefined,
  parsed: ParsedOptions,
  commands: readonly string[],
  fail: Fail,
): string {
  // What follows --broker is the configuration file unless it is a port.
  const { config, broker } = parsed;
  const behind = typeof broker === "string" && !isNumber(broker) ? broker : undefined;
  const files = [argument, config, behind].filter((file) => file !== undefined);
  if (files.length > 1) fail(`configuration file given twice: "${files.join('" and "')}"`);
  const [file = DEFAULT_CONFIG] = files;
  if (config === undefined && isMistypedCommand(file)) {
    fail(`neither a command nor a configuration file: "${file}"${suggestion(file, commands)}`);
  }
  return file;
}

/** Worded as commander words its suggestions for options. */
export function suggestion(word: string, known: readonly string[]): string {
  const nearest = nearestKey(word, known);
  return nearest === undefined ? "" : `\n(Did you mean ${nearest}?)`;
}

/** Whether the files exist and are readable is checked with the configuration. */
function tls({ tls, ca, cert, key }: ParsedOptions): Overrides {
  const files = { ca, cert, key };
  if (tls) return { tls: files };
  return { ...(tls === false ? { noTls: true } : {}), tlsFiles: files };
}

function embeddedBroker({ broker }: ParsedOptions, fail: Fail): Overrides {
  if (broker === undefined) return {};
  if (broker === true || !isNumber(broker)) return { embeddedBroker: {} };
  const port = Number(broker);
  if (port > 65535) fail(`--broker: expected a port up to 65535: found ${broker}`);
  return { embeddedBroker: { port } };
}

function eventLog({ eventLog }: ParsedOptions, fail: Fail): Overrides {
  if (eventLog === "") fail("--event-log: expected the path of a directory: found nothing");
  return eventLog === undefined ? {} : { eventLog };
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

/** Whether a word could be a command, and is not the name of a file. */
function isMistypedCommand(argument: string): boolean {
  if (!/^[a-z][a-z-]*$/.test(argument)) return false;
  try {
    Deno.statSync(argument);
    return false;
  } catch {
    return true;
  }
}
