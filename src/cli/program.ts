// The command line: which command was meant, with which options (protocol section 6).
//
// Each command lives in a file of its own, which is only loaded when the command is run.
//
// Exit status: 0 ended as asked, 1 the command failed (configuration, files, start), 2 the command
// line itself was not understood.
import { Command, CommanderError } from "commander";
import { versionText } from "../version.ts";
import { configureWithConfig } from "./config_options.ts";
import type { Configure, ProgramContext } from "./context.ts";
import { consoleOutput } from "./output.ts";

const USAGE_STATUS = 2;

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly configure: Configure;
}

const configureStart: Configure = (command, context, done) => {
  configureWithConfig(command, context.output, async (options) => {
    const { startCommand } = await import("./start.ts");
    done(await startCommand(options, context));
  });
};

/** In the order of the help text. */
const COMMANDS: readonly Entry[] = [
  {
    name: "start",
    summary: "run the server; what happens when no command is named",
    configure: configureStart,
  },
  {
    name: "check",
    summary: "say what is wrong with a configuration, or what it means; start nothing",
    configure: (command, { output }, done) =>
      configureWithConfig(command, output, async (options) => {
        const { runCheck } = await import("./check.ts");
        done(await runCheck(options, output));
      }),
  },
  {
    name: "doctor",
    summary: "try what the server will need, and say what is wrong and what to do",
    configure: async (command, context, done) => {
      const { configureDoctor } = await import("./doctor_options.ts");
      await configureDoctor(command, context, done);
    },
  },
  {
    name: "schema",
    summary: "print the JSON Schema of the configuration",
    configure: (command, { output }, done) =>
      void command.action(async () => {
        const { runSchema } = await import("./schema.ts");
        done(await runSchema(output));
      }),
  },
  {
    name: "demo",
    summary: "show everything at work: a broker, the example module, simulated cars",
    configure: async (command, context, done) => {
      const { configureDemo } = await import("./demo_options.ts");
      await configureDemo(command, context, done);
    },
  },
  {
    name: "simulate",
    summary: "run simulated gateways against any broker",
    configure: async (command, context, done) => {
      const { configureSimulate } = await import("./simulate_options.ts");
      configureSimulate(command, context, done);
    },
  },
];

const EXAMPLES = `
Examples:
  external-server config.json                      serve the cars of a configuration
  external-server config.json --broker             the same, and be their broker, too
  external-server config.json --tls --ca ca.pem    reach the broker over TLS
  external-server -c config.json --tls --ca ca.pem --cert me.pem --key me.key
  external-server check config.json                read a configuration, start nothing
  external-server doctor config.json               try what it will need: broker, libraries, ...
  external-server simulate -c config.json          be the gateways of its cars

Exit status: 0 ended as asked, 1 failed, 2 command line not understood.`;

/**
 * Runs the command that the arguments name and returns the exit status.
 *
 * Never exits by itself, and never rejects because of a wrong command line.
 */
export async function runProgram(
  args: readonly string[],
  context: ProgramContext = standaloneContext(),
): Promise<number> {
  let status = 0;
  const program = await createProgram(context, (value) => void (status = value));
  try {
    await program.parseAsync(withoutHelpCommand(args), { from: "user" });
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
    onDefect: (text) => consoleOutput.err(text),
  };
}

async function createProgram(
  context: ProgramContext,
  done: (status: number) => void,
): Promise<Command> {
  const { output } = context;
  const program = new Command("external-server")
    .description("The cloud end of the Fleet Protocol: serves the cars of one company.")
    .version(versionText(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    // Options of a command come after its name, and mean what they mean there.
    .enablePositionalOptions()
    .showHelpAfterError("(see external-server --help)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.out(text.trimEnd()),
      writeErr: (text) => output.err(text.trimEnd()),
    });
  await configureStart(program, context, done);
  const entries = new Map<Command, Entry>();
  for (const entry of COMMANDS) {
    entries.set(program.command(entry.name).description(entry.summary), entry);
  }
  return program
    .hook("preSubcommand", async (_program, command) => {
      await entries.get(command)?.configure(command, context, done);
    })
    .addHelpText("after", EXAMPLES);
}

/** `help start` is `start --help`: only then the command's options have been loaded. */
function withoutHelpCommand(args: readonly string[]): string[] {
  const [first, ...rest] = args;
  return first === "help" ? [...rest, "--help"] : [...args];
}
