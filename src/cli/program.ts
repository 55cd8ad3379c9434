// The command line: which command was meant, with which options [CLI-ARGUMENTS].
//
// Each command has a file of its own, loaded only when the command is run.
//
// Exit status: 0 success, 1 the command failed (configuration, files, start), 2 the command line is
// invalid.
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { versionText } from "../version.ts";
import { configureWithConfig, suggestion } from "./config_options.ts";
import type { ConfigCommandOptions } from "./config.ts";
import type { KeyOptions } from "./key.ts";
import type { SCHEMAS } from "./schema.ts";
import type { LogCommandOptions } from "./log.ts";
import { moment } from "./moment.ts";
import type { Configure, ProgramContext } from "./program_context.ts";
import { consoleOutput, printText } from "../text/mod.ts";

const USAGE_STATUS = 2;

interface Entry {
  readonly name: string;
  readonly summary: string;
  /** The arguments after the program's name, and what they do. */
  readonly examples: readonly (readonly [args: string, meaning: string])[];
  readonly configure: Configure;
}

const configureStart: Configure = (command, context, done) => {
  configureWithConfig(command, async (options) => {
    const { startCommand } = await import("./start.ts");
    done(await startCommand(options, context));
  });
};

/** In the order of the help text. */
const COMMANDS: readonly Entry[] = [
  {
    name: "start",
    summary: "run the server; the default command",
    examples: [
      ["start config.json", "serve the cars of a configuration"],
      ["start config.json --broker 1884", "also run their broker, on another port"],
      ["start config.json --tls --ca ca.pem", "connect to the broker over TLS"],
    ],
    configure: configureStart,
  },
  {
    name: "check",
    summary: "report every problem of a configuration, or print its effective form",
    examples: [
      ["check config.json", "print its effective form, or every problem"],
      ["check config.json --tls --ca ca.pem", "the same, with the options of start"],
      ["check new.json --against config.json", "print what a reload would change, in cars"],
    ],
    configure: async (command, context, done) => {
      const { configureCheck } = await import("./check_options.ts");
      await configureCheck(command, context, done);
    },
  },
  {
    name: "doctor",
    summary: "test everything the server will need, and say what to fix",
    examples: [
      ["doctor config.json", "test broker, certificates, libraries, ..."],
      ["doctor config.json --init --publish", "also call init and publish, before going live"],
    ],
    configure: async (command, context, done) => {
      const { configureDoctor } = await import("./doctor_options.ts");
      await configureDoctor(command, context, done);
    },
  },
  {
    name: "health",
    summary: "ask a running server whether it is alive, for container health checks",
    examples: [
      ["health config.json", "ask the server of this configuration, exit 0 or 1"],
      ["health --url http://127.0.0.1:8080/healthz", "ask at an address"],
    ],
    configure: (command, { output }, done) =>
      void command
        .argument("[config]", "configuration whose http section says where it listens")
        .option("--url <url>", "ask this address instead")
        .action(async (config: string | undefined, { url }: { readonly url?: string }) => {
          const { runHealth } = await import("./health.ts");
          done(await runHealth({ config, url }, output));
        }),
  },
  {
    name: "drain",
    summary: "have a server hand all its cars over to the others of its cluster",
    examples: [
      ["drain http://127.0.0.1:8080 --api-key-file FILE", "before a stop, exit 0 or 1"],
    ],
    configure: (command, { output }, done) =>
      void command
        .argument("<url>", "address of the server's API")
        .option("--api-key-file <file>", "file with a key of the API, of scope admin")
        .option("--seconds <n>", "how long others have to take its cars", Number, 30)
        .action(async (url: string, options: { seconds: number; apiKeyFile?: string }) => {
          if (!(options.seconds >= 0 && options.seconds <= 3600)) {
            command.error("error: --seconds: expected a number from 0 to 3600");
          }
          const { runDrain } = await import("./drain.ts");
          done(await runDrain({ url, ...options }, output));
        }),
  },
  {
    name: "upgrade-check",
    summary: "say whether this version may join the cluster of a running server",
    examples: [
      ["upgrade-check http://127.0.0.1:8080 --api-key-file FILE", "ask any instance, exit 0 or 1"],
    ],
    configure: (command, { output }, done) =>
      void command
        .argument("<url>", "address of an instance's API")
        .option("--api-key-file <file>", "file with a key of the API")
        .action(async (url: string, options: { readonly apiKeyFile?: string }) => {
          const { runUpgradeCheck } = await import("./upgrade_check.ts");
          done(await runUpgradeCheck({ url, ...options }, output));
        }),
  },
  {
    name: "schema",
    summary: "print the JSON Schema of a configuration, or the API's description",
    examples: [
      ["schema > external-server.schema.json", "what editors complete configurations with"],
      ["schema gateway > module-gateway.schema.json", "the same for a Module Gateway"],
      ["schema openapi", "the REST routes, for programs that make clients"],
    ],
    configure: (command, { output }, done) =>
      void command.addArgument(
        new Argument(
          "[what]",
          "config, gateway: a JSON Schema; keys, gateway-keys, api: a page for humans; openapi",
        ).choices(["config", "keys", "gateway", "gateway-keys", "api", "openapi"])
          .default("config"),
      ).action(async (what: typeof SCHEMAS[number]) => {
        const { runSchema } = await import("./schema.ts");
        done(await runSchema(output, what));
      }),
  },
  {
    name: "key",
    summary: "make a key of the API or a device's token: print it once, and the entry of its hash",
    examples: [
      ["key new --name wall --scope read", "for a wall display"],
      ["key new --name desk --scope operate", "for staff who pause and restart cars"],
      ["key new --device 1000/0/button", "for a device, at a gateway that expects tokens"],
    ],
    configure: (command, { output }, done) =>
      void command
        .addArgument(new Argument("<action>", "new: make one").choices(["new"]))
        .option("--name <name>", "its name in the log, on the page and in the audit list")
        .addOption(
          new Option("--scope <scope>", "what it allows; each includes those before it")
            .choices(["read", "operate", "admin"]),
        )
        .option("--device <module/type/role>", "make the token of this device instead")
        .action(async (_action: "new", options: KeyOptions) => {
          const { runKeyNew } = await import("./key.ts");
          done(runKeyNew(options, output));
        }),
  },
  {
    name: "config",
    summary: "sign configurations that servers pull, and show what a source has",
    examples: [
      ["config keygen private.pem", "make a key pair: the private key, and what servers need"],
      ["config sign config.json --key private.pem --version 7 > signed.json", "sign it"],
      ["config verify signed.json --public-key ed25519:...", "check its signature"],
      ["config show-source local.json", "what a server with this file would find"],
    ],
    configure: (command, { output }, done) =>
      void command
        .addArgument(
          new Argument("<action>", "what to do")
            .choices(["keygen", "sign", "verify", "show-source"]),
        )
        .argument("<file>", "the private key to make, or the configuration")
        .option("--key <file>", "private key that signs, PEM")
        .option("--version <n>", "the version, larger than that of the one before", version)
        .option("--label <label...>", "cars with this label try it before all others")
        .option("--public-key <key>", "public key that the signature is checked with")
        .action(async (action: ConfigCommandOptions["action"], file: string, options: object) => {
          const { runConfig } = await import("./config.ts");
          done(await runConfig({ action, file, ...options }, output));
        }),
  },
  {
    name: "replay",
    summary: "step an event log through today's session, and report what differs",
    examples: [
      ["replay events", "report the first difference of each car, exit 0 or 1"],
      ["replay events --car car_1 --print", "print what happened to a car"],
    ],
    configure: (command, { output }, done) =>
      void command
        .argument("<dir>", "directory of an event log")
        .option("--car <name>", "only this car")
        .option("--print", "print what happened, with times")
        .action(async (directory: string, options: { readonly car?: string; print?: true }) => {
          const { runReplay } = await import("./replay.ts");
          done(await runReplay({ directory, ...options }, output));
        }),
  },
  {
    name: "log",
    summary: "show what an event log has: every event of every car, with times",
    examples: [
      ["log events --follow", "show events as they happen, until Ctrl-C"],
      ["log events --car car_1 --from 15m", "what happened to a car in the last 15 minutes"],
      ["log events --kind command --json", "all about commands, as NDJSON"],
    ],
    configure: (command, { output, stop }, done) =>
      void command
        .argument("<dir>", "directory of an event log")
        .option("--car <name>", "only this car")
        .option("--kind <kind>", "only this kind, such as command or status.accepted")
        .option("--from <time>", "from this date on, or since so long ago: 90s, 15m, 2h, 3d", time)
        .option("--to <time>", "up to this date, or so long ago", time)
        .option("--follow", "go on with what happens from now on")
        .option("--json", "NDJSON: one object a line")
        .action(async (directory: string, options: Omit<LogCommandOptions, "directory">) => {
          const { runLog } = await import("./log.ts");
          done(await runLog({ directory, ...options }, output, stop));
        }),
  },
  {
    name: "demo",
    summary: "see everything work: a broker, the example module and simulated cars",
    examples: [
      ["demo", "three cars, until Ctrl-C"],
      ["demo --cars 1 --seconds 20", "one car, for 20 seconds"],
    ],
    configure: async (command, context, done) => {
      const { configureDemo } = await import("./demo_options.ts");
      await configureDemo(command, context, done);
    },
  },
  {
    name: "simulate",
    summary: "run simulated gateways against any broker",
    examples: [
      ["simulate -c config.json", "run the gateways of its cars"],
      ["simulate --cars 100 --rate 5 --seconds 60", "measure for a minute"],
      ["simulate --cars 3 --drop 0.01 --seed 7", "lose one message in a hundred"],
    ],
    configure: async (command, context, done) => {
      const { configureSimulate } = await import("./simulate_options.ts");
      configureSimulate(command, context, done);
    },
  },
  {
    name: "gateway",
    summary: "run the Module Gateway of a car: devices on one side, brokers on the other",
    examples: [
      ["gateway gateway.json", "serve the devices of a car"],
      ["gateway --config-path gateway.json --port 1636", "the reference gateway's arguments"],
      ["check gateway.json", "report every problem of its configuration"],
    ],
    configure: async (command, context, done) => {
      const { configureGateway } = await import("./gateway_options.ts");
      await configureGateway(command, context, done);
    },
  },
  {
    name: "device",
    summary: "be a device at a gateway: lines are statuses, commands become lines",
    examples: [
      ["device --module 1000 --type 0 --role button", "speak with the gateway on port 8888"],
      ["device --module 1 --type 1 --role gps --file track.jsonl", "send the lines of a file"],
    ],
    configure: async (command, context, done) => {
      const { configureDevice } = await import("./device.ts");
      await configureDevice(command, context, done);
    },
  },
  {
    name: "completion",
    summary: "print a script that completes commands, options and files in a shell",
    examples: [
      ["completion bash > /etc/bash_completion.d/external-server", "for all users"],
      ["completion zsh > ~/.zfunc/_external-server", "a folder of fpath"],
      ["completion fish > ~/.config/fish/completions/external-server.fish", "for the current user"],
    ],
    configure: async (command, context, done) => {
      const { completionScript, describeProgram, SHELLS } = await import("./completion.ts");
      const shells = new Argument("<shell>", "which shell").choices(SHELLS);
      command.addArgument(shells).action(async (shell: typeof SHELLS[number]) => {
        const described = describeProgram(await createWholeProgram(context));
        printText(completionScript(shell, described), (line) => context.output.out(line));
        done(0);
      });
    },
  },
];

function version(text: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number >= 1 && Number.isSafeInteger(number)) return number;
  throw new InvalidArgumentError("Expected a whole number from 1 on.");
}

function time(text: string): number {
  const at = moment(text);
  if (at === undefined) throw new InvalidArgumentError("Expected a date, or a time such as 15m.");
  return at;
}

const EXAMPLES = `
Examples:
  external-server config.json                      serve the cars of a configuration
  external-server config.json --broker             the same, and run their broker as well
  external-server config.json --tls --ca ca.pem    connect to the broker over TLS
  external-server -c config.json --tls --ca ca.pem --cert me.pem --key me.key
  external-server check config.json                check a configuration, start nothing
  external-server doctor config.json               test what it will need: broker, libraries, ...
  external-server simulate -c config.json          run the gateways of its cars
  source <(external-server completion bash)        complete all of this with Tab

Exit status: 0 success, 1 failure, 2 invalid command line.`;

/**
 * Runs the command that the arguments name and returns the exit status.
 *
 * Never exits on its own, and never rejects because of an invalid command line.
 */
export async function runProgram(
  args: readonly string[],
  context: ProgramContext = standaloneContext(),
): Promise<number> {
  let status = 0;
  const program = await createProgram(context, (value) => void (status = value));
  try {
    await program.parseAsync(withoutHelpCommand(args, program), { from: "user" });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? 0 : USAGE_STATUS;
  }
}

function standaloneContext(): ProgramContext {
  return {
    output: consoleOutput,
    stop: new AbortController().signal,
    onReload: () => () => {},
    onDefect: (text) => printText(text, consoleOutput.err),
  };
}

async function createProgram(
  context: ProgramContext,
  done: (status: number) => void,
): Promise<Command> {
  const { output } = context;
  const program = new Command("external-server")
    .description("The cloud end of the Fleet Protocol v2: serves the cars of one company.")
    .version(versionText(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    // Options of a command come after its name; the same option may mean something else elsewhere.
    .enablePositionalOptions()
    .showHelpAfterError("(see external-server --help)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => printText(text, (line) => output.out(line)),
      writeErr: (text) => printText(text, (line) => output.err(line)),
    });
  await configureStart(program, context, done);
  const entries = new Map<Command, Entry>();
  for (const entry of COMMANDS) {
    entries.set(program.command(entry.name).description(entry.summary), entry);
  }
  return program
    .hook("preSubcommand", async (_program, command) => {
      const entry = entries.get(command);
      await entry?.configure(command, context, done);
      if (entry) command.addHelpText("after", examplesText(entry));
    })
    .addHelpText("after", EXAMPLES);
}

/** The program with the options of every command; otherwise only those of the one to run are loaded. */
async function createWholeProgram(context: ProgramContext): Promise<Command> {
  const program = await createProgram(context, () => {});
  for (const command of program.commands) {
    const entry = COMMANDS.find(({ name }) => name === command.name());
    await entry?.configure(command, context, () => {});
  }
  return program;
}

function examplesText({ examples }: Entry): string {
  const width = Math.max(...examples.map(([args]) => args.length)) + 2;
  const lines = examples.map(([args, meaning]) =>
    `  external-server ${args.padEnd(width)}${meaning}`
  );
  return `\nExamples:\n${lines.join("\n")}`;
}

/** `help start` becomes `start --help`: only that loads the command's options. */
function withoutHelpCommand(args: readonly string[], program: Command): string[] {
  const [first, ...rest] = args;
  if (first !== "help") return [...args];
  const [command] = rest;
  const names = COMMANDS.map(({ name }) => name);
  if (command !== undefined && !command.startsWith("-") && !names.includes(command)) {
    program.error(`error: no such command: "${command}"${suggestion(command, names)}`);
  }
  return [...rest, "--help"];
}
