// `demo`: everything on one screen - devices, gateways, embedded broker, server and example module.
import { GATEWAY_SIDE, SERVER_SIDE } from "../../examples/module-ts/files.ts";
import type { GatewayVersion } from "../gateway/mod.ts";
import { startLogging } from "../log/mod.ts";
import { printError } from "./problems.ts";
import type { ProgramContext } from "./program_context.ts";
import type { Output } from "../text/mod.ts";
import {
  ChainCars,
  COMPANY,
  Countdown,
  Demo,
  type DemoSetting,
  SimulatedCars,
} from "../app/demo/mod.ts";
import { recorderOf, runUntilStopped } from "../app/mod.ts";

/** What the command line said. */
export interface DemoOptions {
  readonly cars: number;
  /** Simulated cars, and the example module in C. */
  readonly native?: boolean;
  /** What the simulated cars are like. */
  readonly gateway: GatewayVersion;
  /** How long it runs after the start; absent: until interrupted. */
  readonly seconds?: number;
  /** Directory of the event log. */
  readonly eventLog?: string;
}

/** The two sides of a demo's module, and the cars that go with it. */
type Scene = Pick<DemoSetting, "libPath" | "makeCars">;

/**
 * Runs the demo for the given time or until it is interrupted, then prints a summary.
 *
 * @returns the exit status: 1 when it could not start or a status stayed unanswered, else 0
 */
export async function runDemo(options: DemoOptions, context: ProgramContext): Promise<number> {
  const { output } = context;
  await using scope = new AsyncDisposableStack();
  const scene = options.native === true
    ? await nativeScene(options.gateway, output, scope)
    : chainScene();
  if (scene === undefined) return 1;
  const logging = await startLogging({
    console: { use: true, level: "WARNING", format: "text" },
    file: { use: false, level: "INFO", format: "text", directory: "", maxBytes: 0, keep: 0 },
  });
  const { log } = logging;
  const { cars, eventLog: directory } = options;
  const eventLog = directory === undefined
    ? undefined
    : { directory, durability: "batch", maxBytes: 0, maxAgeHours: 0 } as const;
  const recorder = await recorderOf({ eventLog, company: COMPANY, cars: { length: cars } }, log);
  const demo = new Demo({ ...scene, cars, output, logging, recorder });
  const countdown = new Countdown(options.seconds, context.stop);
  const stop = countdown.signal;
  try {
    if (!await runUntilStopped([...demo.parts, countdown], { stop, log })) return 1;
  } finally {
    await logging.stop();
  }
  return demo.summarize();
}

/** The whole chain, with the example module in TypeScript on both sides. */
function chainScene(): Scene {
  return {
    libPath: SERVER_SIDE,
    makeCars: (setting) => new ChainCars({ ...setting, modulePath: GATEWAY_SIDE }),
  };
}

/** Simulated cars and the example module in C; `undefined`: it cannot be built, which was said. */
async function nativeScene(
  version: GatewayVersion,
  output: Output,
  scope: AsyncDisposableStack,
): Promise<Scene | undefined> {
  const { buildExampleModule, ExampleBuildError } = await import("../../examples/module/build.ts");
  try {
    const { path: libPath } = scope.use(await buildExampleModule());
    return { libPath, makeCars: (setting) => new SimulatedCars({ ...setting, version }) };
  } catch (error) {
    if (!(error instanceof ExampleBuildError)) throw error;
    printError(error.message, output);
    return undefined;
  }
}
