// Pausing, resuming and restarting cars, one or many.
import * as z from "zod";
import type { Caller } from "../access/caller.ts";
import type { MethodSource, OperatedCar } from "./methods.ts";
import type { OperatedCars } from "./schemas.ts";

/** Cars of one request. */
const MAX_CARS = 10_000;
const MAX_REASON = 200;

const reason = z.string().trim().max(MAX_REASON).optional()
  .describe("Why, for those who look at the car or the audit list; at most 200 characters");
export const CAR = z.strictObject({ car: z.string().describe("A car of the configuration") });
/** One car, and why. */
export const CAR_AND_REASON = CAR.extend({ reason });
/** Some cars, and why. */
export const CARS_AND_REASON = z.strictObject({
  cars: z.array(z.string()).min(1).max(MAX_CARS).describe("Cars of the configuration"),
  reason,
});

/** What can be done to a car. */
export type CarAction = "pause" | "resume" | "restart";

const CHANGES: Readonly<Record<CarAction, (paused: boolean) => boolean>> = {
  pause: (paused) => !paused,
  resume: (paused) => paused,
  // There is nothing to restart: no gateway is answered.
  restart: (paused) => !paused,
};

/** Does it to each car. A car that cannot be had does not keep the others. */
export async function operateCars(
  action: CarAction,
  params: z.output<typeof CARS_AND_REASON>,
  { fleet, pauses, clock }: Pick<MethodSource, "fleet" | "pauses" | "clock">,
  caller: Caller,
): Promise<OperatedCars> {
  const names = [...new Set(params.cars)];
  const changed = new Map<string, OperatedCar>();
  const cars = names.map((car): OperatedCars["cars"][number] => {
    const operated = fleet.car(car);
    if (operated === undefined) return { car, result: "no_such_car" };
    if (!CHANGES[action](pauses.get(car) !== undefined)) return { car, result: "unchanged" };
    changed.set(car, operated);
    return { car, result: "done" };
  });
  const at = Math.floor(clock.now());
  const pause = { by: caller.name, at, reason: params.reason ?? "" };
  const keep = {
    pause: () => pauses.add([...changed.keys()], pause),
    resume: () => pauses.remove([...changed.keys()]),
    restart: () => Promise.resolve(true),
  }[action];
  // The disk may hang: cars are not kept waiting by it, only the answer is.
  const keeping = changed.size === 0 ? Promise.resolve(true) : keep();
  for (const car of changed.values()) car[action]();
  const kept = await keeping;
  return { cars, kept: kept && (action === "restart" || pauses.areKept) };
}

/** What came of it, in words, such as `2 done, 1 unchanged`. */
export function operatedText({ cars }: OperatedCars): string {
  const counts = new Map<string, number>();
  for (const { result } of cars) counts.set(result, (counts.get(result) ?? 0) + 1);
  return [...counts].map(([result, count]) => `${count} ${result.replaceAll("_", " ")}`).join(", ");
}
