// The options of `demo`, separate from the command, so that help loads nothing else.
import { InvalidArgumentError, Option } from "commander";
import { GATEWAY_VERSIONS } from "../gateway/mod.ts";
import { EVENT_LOG_SUMMARY } from "./config_options.ts";
import type { Configure } from "./program_context.ts";
import type { DemoOptions } from "./demo.ts";

/** With more cars, the screen is unreadable. */
const MAX_CARS = 100;

/** Adds what `demo` takes to a command. */
export const configureDemo: Configure = (command, context, done) => {
  command
    .option("--seconds <n>", "stop after this many seconds (default: run until Ctrl-C)", seconds)
    .option("--cars <n>", `cars, at most ${MAX_CARS}`, cars, 3)
    .option("--native", "simulate the cars, and build the example module in C with cc")
    .option("--event-log <dir>", EVENT_LOG_SUMMARY)
    .addOption(
      new Option("--gateway <version>", "version of the gateways to simulate; implies --native")
        .choices(GATEWAY_VERSIONS).default("1.4").implies({ native: true }),
    )
    .action(async (options: DemoOptions) => {
      const { runDemo } = await import("./demo.ts");
      done(await runDemo(options, context));
    });
};

function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 86_400)) {
    throw new InvalidArgumentError("Expected seconds above 0, at most 86400.");
  }
  return value;
}

function cars(text: string): number {
  const value = Number(text);
  if (!(Number.isInteger(value) && value >= 1 && value <= MAX_CARS)) {
    throw new InvalidArgumentError(`Expected a whole number from 1 to ${MAX_CARS}.`);
  }
  return value;
}
