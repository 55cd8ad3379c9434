// Whether the server is ready: the broker is reached and hosts are up.
import type { ServerSnapshot } from "../server/mod.ts";
import type { Readiness } from "./api/schemas.ts";

/**
 * Judges a snapshot.
 *
 * Whoever asks (a load balancer, Kubernetes) acts on the whole server, so what only some cars lack
 * must not count: a module that crashes, or a login the broker refuses, would take the fleet down
 * with its car. Something lacks when more than half of the cars lack it; below that it is listed as
 * degraded, and the server is ready.
 *
 * Names no cars: whoever reaches the port may ask.
 */
export function readinessOf({ cars }: ServerSnapshot): Readiness {
  const reasons: string[] = [];
  const degraded: string[] = [];
  const say = (count: number, text: string) => {
    if (count === 0) return;
    const list = count * 2 > cars.length ? reasons : degraded;
    list.push(`${count} of ${cars.length} cars ${text}`);
  };
  say(cars.filter((car) => !car.brokerConnected).length, "have no connection to the broker");
  say(cars.filter((car) => !car.modulesReady).length, "wait for a module host");
  return { ready: reasons.length === 0, reasons, degraded };
}
