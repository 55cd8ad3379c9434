// The soak of a cluster: `deno task soak --cluster [--minutes N] [--seed N]`. Servers are killed, stopped,
// frozen and cut off, one after the other; ends with status 1 when a gateway has noticed.
import { ChaosCluster } from "../../tests/e2e/cluster_chaos.ts";

/** Each round has a cluster and a seed of its own, every other one with TLS. */
const EVENTS_A_ROUND = 25;

export interface ClusterSoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly print: (text: string) => void;
}

/** Resolves with whether all was well. */
export async function soakCluster({ minutes, seed, print }: ClusterSoakOptions): Promise<boolean> {
  const endAt = performance.now() + minutes * 60_000;
  let events = 0;
  for (let round = 0; performance.now() < endAt; round++) {
    const options = {
      seed: seed + round,
      cars: 10,
      members: 3,
      rate: 20,
      tls: round % 2 === 1,
      onEvent: (text: string) => print(`  ${++events}: ${text}`),
    };
    print(`seed ${options.seed}${options.tls ? ", TLS" : ""}`);
    await using cluster = await ChaosCluster.set(options);
    try {
      while (performance.now() < endAt && events % EVENTS_A_ROUND < EVENTS_A_ROUND - 1) {
        await cluster.live(1);
      }
      await cluster.live(1);
      const problems = await cluster.judge();
      for (const problem of problems) print(problem);
      if (problems.length === 0) continue;
    } catch (error) {
      print((error as Error).message);
    }
    print(cluster.printed());
    return false;
  }
  print(`${events} events, and no gateway has noticed any`);
  return true;
}
