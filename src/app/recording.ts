// The event log as a part of the program; nothing of it is loaded while it is off.
import type { TurnSubscriber } from "../car/mod.ts";
import type { EventLogConfig } from "../config/mod.ts";
import type { Log } from "../log/mod.ts";
import type { Recorder } from "../record/mod.ts";
import type { Part } from "./lifetime.ts";

/** The event log of all cars. */
export interface RecorderPart extends Part, TurnSubscriber {
  readonly recorder: Recorder;
  /** Present when statuses are answered only when their records are on the disk. */
  readonly beforeAnswer?: (send: () => void) => void;
}

const HOUR_MS = 3_600_000;

/** Makes the event log of all cars, or none; it stops after the cars that it records. */
export async function recorderOf(
  config: EventLogConfig | undefined,
  company: string,
  log: Log,
): Promise<RecorderPart | undefined> {
  if (config === undefined) return undefined;
  const { Recorder } = await import("../record/mod.ts");
  const { directory, durability, maxBytes, maxAgeHours } = config;
  const retention = { maxBytes, maxAgeMs: maxAgeHours * HOUR_MS };
  const recorder = new Recorder({ directory, company, log, retention });
  return {
    name: "the event log",
    recorder,
    ...(durability === "each" && { beforeAnswer: (send) => recorder.whenSafe(send) }),
    start: () => recorder.start(),
    stop: () => recorder.stop(),
    onTurn: (turn) => recorder.onTurn(turn),
  };
}
