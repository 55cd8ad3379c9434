// What a cluster has to survive, in short: `deno task soak --cluster` goes on for as long as wanted.
import assert from "node:assert/strict";
import { etcdTest } from "../support/etcd.ts";
import { ChaosCluster } from "./cluster_chaos.ts";

const SEED = Number(Deno.env.get("CLUSTER_SEED") ?? 14);

for (const tls of [false, true]) {
  etcdTest(`no gateway notices what happens to its servers${tls ? ", with TLS" : ""}`, async () => {
    const events: string[] = [];
    const onEvent = (text: string) => events.push(text);
    const options = { seed: SEED + Number(tls), cars: 4, members: 2, rate: 20, tls, onEvent };
    await using cluster = await ChaosCluster.set(options);
    try {
      await cluster.live(6);
      assert.deepEqual(await cluster.judge(), []);
    } catch (cause) {
      const message = `${events.join("; ")}: ${(cause as Error).message}\n${cluster.printed()}`;
      throw new Error(message, { cause });
    }
  });
}
