// Whether the server is ready: connected to the broker, with module hosts running.
import type { ServerSnapshot } from "../server/mod.ts";
import type { Readiness } from "./api/schemas.ts";
import type { ClusterSource } from "./api/cluster.ts";
import { degradedSinks, type SinkSource } from "./api/sinks.ts";

const ALONE = { joined: true, trouble: null, draining: false };

/**
 * Judges a snapshot.
 *
 * A load balancer or Kubernetes acts on the whole server, so problems of a few cars must not count:
 * a module that crashes, or a login that the broker refuses, would take the fleet down with its
 * car. The server is not ready when more than half of the cars lack something; below that, it is
 * ready and degraded.
 *
 * Cars that are degraded are served, so they never count.
 *
 * Sinks that fail cost no car anything: they never count either.
 *
 * Names no cars, as no key is required.
 *
 * @param degradedCars how many cars are served, but not as they should be
 */
export function readinessOf(
  { cars }: ServerSnapshot,
  degradedCars: number,
  source: SinkSource & Pick<ClusterSource, "cluster">,
): Readiness {
  const reasons: string[] = [];
  const degraded: string[] = [];
  const say = (count: number, text: string) => {
    if (count === 0) return;
    const list = count * 2 > cars.length ? reasons : degraded;
    list.push(`${count} of ${cars.length} cars ${text}`);
  };
  say(cars.filter((car) => !car.brokerConnected).length, "have no connection to the broker");
  say(cars.filter((car) => !car.modulesReady).length, "wait for a module host");
  if (degradedCars > 0) degraded.push(`${degradedCars} of ${cars.length} cars are degraded`);
  degraded.push(...degradedSinks(source));
  const { joined, trouble, draining } = source.cluster?.cluster.snapshot() ?? ALONE;
  // What is served goes on without etcd, and others may not take it either.
  if (trouble !== null) degraded.push(`etcd does not answer: ${trouble}`);
  else if (!joined) reasons.push("It has not joined its cluster");
  if (draining) degraded.push("It hands its cars over to other instances");
  return { ready: reasons.length === 0, reasons, degraded };
}
