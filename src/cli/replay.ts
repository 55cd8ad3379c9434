// `replay`: steps an event log through today's session, and reports what differs.
import { eventsOf, type Turn } from "../car/mod.ts";
import { deviceKey } from "../protocol/mod.ts";
import { replay, type ReplayedCar, type ReplayedTurn, shownValue } from "../record/mod.ts";
import { describeFileError, type Output } from "../text/mod.ts";
import { printError, printWarning } from "./problems.ts";

/** What the command line said. */
export interface ReplayCommandOptions {
  readonly directory: string;
  readonly car?: string;
  readonly print?: boolean;
}

/** @returns the exit status: 1 when effects differ, or nothing could be replayed, else 0 */
export async function runReplay(
  { directory, car, print = false }: ReplayCommandOptions,
  output: Output,
): Promise<number> {
  let cars: ReadonlyMap<string, ReplayedCar>;
  try {
    cars = await replay(directory, {
      car,
      onDamage: (path, { at, lost, why }) =>
        printWarning(`"${path}": left out ${lost} bytes from byte ${at} on: ${why}`, output),
      ...(print ? { onTurn: ({ turn }) => tell(turn, output) } : {}),
    });
  } catch (error) {
    printError(`Cannot replay "${directory}": ${describeFileError(error)}`, output);
    return 1;
  }
  if (cars.size === 0) {
    const what = car === undefined ? "an event log" : `an event log of the car "${car}"`;
    printError(`Cannot replay "${directory}": expected ${what}: found none`, output);
    return 1;
  }
  let turns = 0;
  let differing = 0;
  for (const [name, { turns: own, first }] of cars) {
    turns += own;
    if (first === null) continue;
    differing++;
    for (const line of describe(name, own, first)) output.out(line);
  }
  output.out(
    `${cars.size} cars, ${turns} turns, ${differing} cars differ`,
    differing === 0 ? "ok" : "failed",
  );
  return differing > 0 ? 1 : 0;
}

function tell(turn: Turn, output: Output): void {
  for (const { level, text, session, device } of eventsOf(turn)) {
    const about = [
      ...(session === null ? [] : [`session ${session}`]),
      ...(device === undefined ? [] : [`device ${deviceKey(device)}`]),
    ].join(", ");
    const line = `${timeOf(turn)}  ${turn.car}  ${level.padEnd(8)}  ${text()}`;
    output.out(about === "" ? line : `${line}  (${about})`);
  }
}

function describe(car: string, turns: number, { turn, difference }: ReplayedTurn): string[] {
  return [
    `${car}: turn ${turns}, at ${timeOf(turn)}, differs in ${difference?.path}`,
    `  input     ${shownValue(turn.input)}`,
    `  recorded  ${shownValue(difference?.recorded)}`,
    `  today     ${shownValue(difference?.today)}`,
  ];
}

function timeOf({ at }: Turn): string {
  return new Date(at).toISOString();
}
