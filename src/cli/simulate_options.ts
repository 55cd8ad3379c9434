// The options of `simulate`, separate from the command.
import { type Command, Option } from "commander";
import { GATEWAY_VERSIONS } from "../gateway/mod.ts";
import type { ProgramContext } from "./program_context.ts";
import type { RawOptions } from "./option_reader.ts";
import { printError } from "./problems.ts";
import {
  DEFAULT_WINDOW,
  parseSimulateOptions,
  type SimulateOptions,
  SimulateUsageError,
} from "./simulate_input.ts";

/** Adds what `simulate` takes to a command. */
export function addSimulateOptions(command: Command): Command {
  return command
    .option("--cars <n>", "how many cars (default: 1, or all of the configuration)")
    .option("--rate <n>", "statuses per second and car; 0: as fast as the window allows", "1")
    .option("--window <n>", "unanswered statuses that a car may have", `${DEFAULT_WINDOW}`)
    .option("--devices <n>", "devices per car (default: one for each of its modules)")
    .option("--modules <list>", "module numbers of the devices (default: 1000)")
    .option("--device-types <list>", "types of the devices", "0")
    .option("--payload <bytes>", "size of a status", "64")
    .option("--drop <p>", "probability that a message is never sent, 0 to 1", "0")
    .option("--reorder <p>", "probability that a message is swapped with the next one", "0")
    .option("--duplicate <p>", "probability that a message is sent twice", "0")
    .option(
      "--reconnect-every <seconds>",
      "how often each car asks for a new session; 0: never",
      "0",
    )
    .addOption(
      new Option("--gateway <version>", "version of the gateway to simulate")
        .choices(GATEWAY_VERSIONS).default("1.4"),
    )
    .option(
      "--first-connection-fails",
      "each car's first broker connection fails, as the real gateway's usually does",
    )
    .option("--seconds <n>", "how long to run (default: until interrupted)")
    .option("--seed <n>", "the same seed gives the same faults", "1")
    .option(
      "-c, --config <file>",
      "take company, broker, cars and modules from a configuration file",
    )
    .option("--company <name>", 'company of the cars (default: "acme")')
    .option("--car-prefix <text>", 'prefix of the names of cars, before a number (default: "car_")')
    .option("--address <host>", 'the broker: a host or an mqtt:// address (default: "127.0.0.1")')
    .option("--port <n>", "its port (default: 1883, 8883 with TLS)")
    .option("--tls", "connect to the broker over TLS")
    .option("--ca <file>", "additional CA certificates to trust, PEM; turns TLS on")
    .option("--cert <file>", "client certificate, PEM; requires --key")
    .option("--key <file>", "private key of the client certificate, PEM; requires --cert")
    .option("--username <name>", "user name for the broker")
    .addOption(
      new Option("--password <text>", "password for the broker").env("SIMULATE_PASSWORD"),
    )
    .option("--json", "print the summary as one JSON object");
}

/** Adds what `simulate` takes, and what it does, to a command of the program. */
export function configureSimulate(
  command: Command,
  context: ProgramContext,
  done: (status: number) => void,
): void {
  addSimulateOptions(command).action(async (raw: RawOptions) => {
    let options: SimulateOptions;
    try {
      options = await parseSimulateOptions(raw);
    } catch (error) {
      if (!(error instanceof SimulateUsageError)) throw error;
      for (const problem of error.problems) printError(problem, context.output);
      return done(1);
    }
    const { runSimulate } = await import("./simulate.ts");
    done(await runSimulate(options, context.output, context.stop));
  });
}
