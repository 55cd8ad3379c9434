// The event log of a gateway as a part of the program; nothing of it is loaded while it is off.
import type { GatewayConfig } from "../../config/mod.ts";
import type { Log } from "../../log/mod.ts";
import type { GatewayTurnSubscriber } from "../../module_gateway/mod.ts";
import type { Recorder } from "../../record/mod.ts";
import { systemClock } from "../../time/mod.ts";
import { versionText } from "../../version.ts";
import { type Part, retentionOf } from "../mod.ts";

/** The event log of one gateway. */
export interface GatewayRecorderPart extends Part, GatewayTurnSubscriber {
  readonly recorder: Recorder;
}

/** Makes it, or none; it stops after the gateway that it records. */
export async function gatewayRecorderOf(
  { eventLog, company, car }: GatewayConfig,
  log: Log,
): Promise<GatewayRecorderPart | undefined> {
  if (eventLog === undefined) return undefined;
  const { GatewayRecorder, Recorder } = await import("../../record/mod.ts");
  const { directory } = eventLog;
  const recorder = new Recorder({ directory, company, log, retention: retentionOf(eventLog) });
  const subscriber = new GatewayRecorder(recorder, car);
  const now = () => Math.floor(systemClock.now());
  return {
    name: "the event log",
    recorder,
    async start() {
      await recorder.start();
      recorder.note(car, now(), [{ kind: "gateway.started", data: { version: versionText() } }]);
    },
    async stop() {
      recorder.note(car, now(), [{ kind: "gateway.stopped" }]);
      await recorder.stop();
    },
    onTurn: (turn) => subscriber.onTurn(turn),
  };
}
