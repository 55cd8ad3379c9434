// The options of `doctor`, separate from the command, so that help loads nothing else.
import { configureWithConfig } from "./config_options.ts";
import type { Configure } from "./program_context.ts";
import { OptionReader } from "./option_reader.ts";

/** Longer than a gateway is silent, in a session or out of one [GATEWAY-TIMES], in seconds. */
const LISTEN_S = 20;
const MAX_LISTEN_S = 3_600;

/** Adds what `doctor` takes to a command. */
export const configureDoctor: Configure = (command, context, done) => {
  command
    .option("--json", "print the results as one JSON document")
    .option("--init", "also call init of every module, which may contact the module's backend")
    .option("--publish", "publish to every car's topics; connected gateways will reconnect")
    .option(
      "--listen <seconds>",
      "listen for gateways this long, then publish to cars without one; 0: publish nothing",
      `${LISTEN_S}`,
    );
  configureWithConfig(command, async (options) => {
    const { doctorCommand } = await import("./doctor.ts");
    const { json = false, init = false, publish = false, listen } = command.opts();
    const reader = new OptionReader({ listen });
    const listenMs = 1_000 * (reader.number("listen", { min: 0, max: MAX_LISTEN_S }) ?? 0);
    for (const problem of reader.problems) command.error(`error: ${problem}`);
    done(await doctorCommand({ ...options, json, init, publish, listenMs }, context));
  });
};
