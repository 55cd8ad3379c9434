// Telemetry as a part of the program; nothing of it is loaded while it is off.
import type { ServerConfig } from "../config/mod.ts";
import type { Log } from "../log/mod.ts";
import type { Server } from "../server/mod.ts";
import type { Telemetry } from "../telemetry/mod.ts";
import type { Part } from "./lifetime.ts";

/** Gets the server as soon as it is there. */
export interface Running {
  server?: Server;
}

/** A part that stops after the server, so that its last traces are sent; undefined when it is off. */
export async function telemetryOf(
  { opentelemetry, company }: ServerConfig,
  log: Log,
  running: Readonly<Running>,
): Promise<(Part & Pick<Telemetry, "metrics" | "subscribers">) | undefined> {
  if (opentelemetry === undefined) return undefined;
  const { Telemetry } = await import("../telemetry/mod.ts");
  const look = () => running.server?.snapshot();
  const telemetry = new Telemetry({ config: opentelemetry, company, log, look });
  return {
    name: "the telemetry",
    start: () => Promise.resolve(telemetry.start()),
    stop: () => telemetry.stop(),
    metrics: telemetry.metrics,
    subscribers: telemetry.subscribers,
  };
}
