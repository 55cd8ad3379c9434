// The options of `doctor`, apart from the command itself, so that help loads nothing else.
import { configureWithConfig } from "./config_options.ts";
import type { Configure } from "./context.ts";

/** Adds what `doctor` takes to a command. */
export const configureDoctor: Configure = (command, context, done) => {
  command
    .option("--json", "print the results as one JSON document")
    .option("--init", "also call init of every module; it may talk to what is behind the module")
    .option("--publish", "also publish to the cars' topics; gateways that are there connect again");
  configureWithConfig(command, context.output, async (options) => {
    const { doctorCommand } = await import("./doctor.ts");
    const { json = false, init = false, publish = false } = command.opts();
    done(await doctorCommand({ ...options, json, init, publish }, context));
  });
};
