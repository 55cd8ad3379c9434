// Whether the server is ready: every car has its connection to the broker and its modules.
import type { ServerSnapshot } from "../server/server.ts";
import type { Readiness } from "./api.ts";

/** Judges a snapshot. Names no cars: whoever reaches the port may ask. */
export function readinessOf({ cars }: ServerSnapshot): Readiness {
  const reasons: string[] = [];
  const say = (count: number, text: string) => {
    if (count > 0) reasons.push(`${count} of ${cars.length} cars ${text}`);
  };
  say(cars.filter((car) => !car.brokerConnected).length, "have no connection to the broker");
  say(cars.filter((car) => !car.modulesReady).length, "wait for a module host");
  return { ready: reasons.length === 0, reasons };
}
