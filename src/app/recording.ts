// The event log as a part of the program; nothing of it is loaded while it is off.
import type { EventLogConfig, ServerConfig } from "../config/mod.ts";
import type { OnAction } from "../http/mod.ts";
import type { Log } from "../log/mod.ts";
import type { EventPart, Recorder } from "../record/mod.ts";
import type { ReloadReport, ServerSubscriber } from "../server/mod.ts";
import { systemClock } from "../time/mod.ts";
import { versionText } from "../version.ts";
import type { Part } from "./lifetime.ts";

/** The event log of all cars. */
export interface RecorderPart extends Part, ServerSubscriber {
  readonly recorder: Recorder;
  /** Present when statuses are answered only when their records are on the disk. */
  readonly beforeAnswer?: (send: () => void) => void;
  /** Records what an operator did. */
  readonly onAction: OnAction;
  /** Records what a reload came to. */
  readonly onReloaded: (report: ReloadReport, line: string) => void;
}

/** What is recorded, and how; absent: nothing. */
interface Recorded extends Pick<ServerConfig, "company"> {
  readonly eventLog?: ServerConfig["eventLog"] | undefined;
  readonly cars: { readonly length: number };
}

const HOUR_MS = 3_600_000;
/** A longer text about a reload is cut, in characters. */
const MAX_TEXT = 2000;

/** How much of an event log is kept. */
export function retentionOf(
  { maxBytes, maxAgeHours }: Pick<EventLogConfig, "maxBytes" | "maxAgeHours">,
) {
  return { maxBytes, maxAgeMs: maxAgeHours * HOUR_MS };
}

/** Makes the event log of all cars, or none; it stops after the cars that it records. */
export async function recorderOf(
  { eventLog, company, cars: { length: cars } }: Recorded,
  log: Log,
): Promise<RecorderPart | undefined> {
  if (eventLog === undefined) return undefined;
  const { Recorder } = await import("../record/mod.ts");
  const { directory, durability } = eventLog;
  const recorder = new Recorder({ directory, company, log, retention: retentionOf(eventLog) });
  const note = (car: string | null, part: EventPart) =>
    recorder.note(car, Math.floor(systemClock.now()), [part]);
  return {
    name: "the event log",
    recorder,
    ...(durability === "each" && { beforeAnswer: (send) => recorder.whenSafe(send) }),
    async start() {
      await recorder.start();
      note(null, { kind: "server.started", data: { version: versionText(), cars } });
    },
    async stop() {
      note(null, { kind: "server.stopped" });
      await recorder.stop();
    },
    onTurn: (turn) => recorder.onTurn(turn),
    onHostLost({ host, reason, signal, contexts }) {
      const data = { host, reason, ...(signal === null ? {} : { signal }) };
      for (const { car, module, blame } of contexts) {
        note(car, { kind: "host.lost", data: { module, blame, ...data } });
      }
    },
    onAction({ kind, who, from, action, cars, carCount, detail, result }, suppressed) {
      const data = {
        who,
        from,
        action,
        ...(detail === "" ? {} : { detail }),
        result,
        ...(carCount > 1 ? { cars: carCount } : {}),
        ...(suppressed > 0 ? { suppressed } : {}),
      };
      // Names that no car has had would stay for ever.
      const known = cars.filter((car) => recorder.has(car));
      const concerned = known.length === 0 ? [null] : known;
      for (const car of concerned) note(car, { kind: `operator.${kind}`, data });
    },
    onReloaded(report, line) {
      const { applied, added, removed, changed, untouched, reconnecting, problems } = report;
      const text = [line, ...problems].join("\n");
      note(null, {
        kind: applied ? "config.reloaded" : "config.refused",
        data: {
          added: added.length,
          removed: removed.length,
          changed: changed.length,
          untouched,
          reconnecting,
          text: text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text,
        },
      });
    },
  };
}
