// The flight recorder as a part of the program; nothing of it is loaded while it is off.
import type { TurnSubscriber } from "../car/mod.ts";
import type { Log } from "../log/mod.ts";
import type { Part } from "./lifetime.ts";

/** Makes the recorder of all cars, or none; it stops after the cars that it records. */
export async function recorderOf(
  directory: string | undefined,
  log: Log,
): Promise<(Part & TurnSubscriber) | undefined> {
  if (directory === undefined) return undefined;
  const { Recorder } = await import("../record/mod.ts");
  const recorder = new Recorder({ directory, log });
  return {
    name: "the recorder",
    start: () => recorder.start(),
    stop: () => recorder.stop(),
    onTurn: (turn) => recorder.onTurn(turn),
  };
}
