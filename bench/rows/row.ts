// What a row of the benchmark is.
import type { TestModule } from "../../tests/e2e/server_process.ts";
import type { Pace } from "../load/load_car.ts";
import type { Figure } from "../support/figure.ts";
import { type Sample, Stage } from "../support/stage.ts";

/** What rows run with. */
export interface BenchContext {
  /** The module that costs next to nothing. */
  readonly benchModule: string;
  /** The tests' module, whose behavior is chosen by its configuration. */
  readonly fixtureModules: Readonly<Record<string, string>>;
}

/** One row, which may give several figures. */
export interface Row {
  readonly name: string;
  /** Whether it runs when no row is named. */
  readonly byDefault: boolean;
  run(context: BenchContext): Promise<Figure[]>;
}

/** One module, without configuration, in each car. */
export function plainModules({ benchModule }: BenchContext, config: TestModule["config"] = {}) {
  return () => ({ 1000: { lib_path: benchModule, config } });
}

/** What both sides gave, window by window. */
export interface Comparison {
  readonly server: readonly Sample[];
  readonly echo: readonly Sample[];
}

/**
 * Measures server and echo under the same load, in turn, so that what else happens on the machine
 * meets both.
 */
export async function compareSides(
  context: BenchContext,
  cars: number,
  pace: Pace,
  windows: { readonly count: number; readonly seconds: number },
): Promise<Comparison> {
  const modules = plainModules(context);
  await using server = await Stage.set({ side: "server", cars, modules });
  await using echo = await Stage.set({ side: "echo", cars, modules });
  const result = { server: [] as Sample[], echo: [] as Sample[] };
  // The first window of each is for the compiler.
  for (const stage of [server, echo]) await stage.measure(pace, 2);
  for (let i = 0; i < windows.count; i++) {
    result.server.push(await server.measure(pace, windows.seconds));
    result.echo.push(await echo.measure(pace, windows.seconds));
  }
  for (const { report } of result.server) {
    if (report.lost + report.wrong > 0) {
      throw new Error(`Cannot trust the load: ${report.lost} lost, ${report.wrong} out of order`);
    }
  }
  return result;
}
