// `demo`: everything on one screen - embedded broker, example module, simulated cars.
import {
  buildExampleModule,
  ExampleBuildError,
  type ExampleModule,
} from "../../examples/module/build.ts";
import type { GatewayVersion } from "../gateway/mod.ts";
import { startLogging } from "../log/mod.ts";
import { printError } from "./problems.ts";
import type { ProgramContext } from "./program_context.ts";
import type { Output } from "../text/mod.ts";
import { COMPANY, Countdown, Demo } from "../app/demo/mod.ts";
import { recorderOf, runUntilStopped } from "../app/mod.ts";

/** What the command line said. */
export interface DemoOptions {
  readonly cars: number;
  readonly gateway: GatewayVersion;
  /** How long it runs after the start; absent: until interrupted. */
  readonly seconds?: number;
  /** Directory of the event log. */
  readonly eventLog?: string;
}

/**
 * Runs the demo for the given time or until it is interrupted, then prints a summary.
 *
 * @returns the exit status: 1 when it could not start or a status stayed unanswered, else 0
 */
export async function runDemo(options: DemoOptions, context: ProgramContext): Promise<number> {
  const { output } = context;
  const example = await exampleModule(output);
  if (example === undefined) return 1;
  await using module = example;
  const logging = startLogging({
    console: { use: true, level: "WARNING", format: "text" },
    file: { use: false, level: "INFO", format: "text", directory: "", maxBytes: 0, keep: 0 },
  });
  const { log } = logging;
  const { cars, gateway } = options;
  const { eventLog: directory } = options;
  const eventLog = directory === undefined
    ? undefined
    : { directory, durability: "batch", maxBytes: 0, maxAgeHours: 0 } as const;
  const recorder = await recorderOf(eventLog, COMPANY, log);
  const demo = new Demo({ cars, gateway, libPath: module.path, output, logging, recorder });
  const countdown = new Countdown(options.seconds, context.stop);
  const stop = countdown.signal;
  try {
    if (!await runUntilStopped([...demo.parts, countdown], { stop, log })) return 1;
  } finally {
    await logging.stop();
  }
  return demo.summarize();
}

async function exampleModule(output: Output): Promise<ExampleModule | undefined> {
  try {
    return await buildExampleModule();
  } catch (error) {
    if (!(error instanceof ExampleBuildError)) throw error;
    printError(error.message, output);
    return undefined;
  }
}
