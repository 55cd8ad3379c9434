// What doctor finds of a cluster: a real etcd and real brokers, one of which is set up wrongly.
import assert from "node:assert/strict";
import { checkCluster } from "../../src/doctor/cluster.ts";
import type { ServerConfig } from "../../src/config/mod.ts";
import { Etcd, etcdTest } from "../support/etcd.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { waitFor } from "../support/wait.ts";
import { configOf, linesOf, NEVER, withStatus } from "./support.ts";

const GONE = "http://127.0.0.1:1";

async function check(endpoints: readonly string[], port: number) {
  const config: ServerConfig = {
    ...configOf(localBroker(port)),
    cluster: {
      etcd: { endpoints, prefix: "fleet" },
      instance: "a",
      capacity: 1,
      labels: {},
      leaseS: 3,
    },
  };
  return [...(await waitFor(checkCluster(config, NEVER), "the check of the cluster", 60_000)).list];
}

etcdTest("checkCluster() finds what a cluster stands on", async () => {
  await using etcd = await Etcd.start();
  await using broker = await Mosquitto.start();
  const findings = await check([etcd.url, GONE], broker.port);
  assert.deepEqual(withStatus(findings, "failed"), [], linesOf(findings).join("\n"));
  const [gone, ...others] = withStatus(findings, "warning");
  assert.match(gone ?? "", /^Cannot reach etcd at http:\/\/127\.0\.0\.1:1/);
  assert.deepEqual(others, []);
  const ok = withStatus(findings, "ok").sort();
  assert.equal(ok.length, 4);
  assert.match(ok.at(-1) ?? "", /^etcd 3\.\S+ answers, and has a leader$/);
  assert.deepEqual(ok.slice(0, 3), [
    "10 messages are delivered before the first is acknowledged",
    "Unfinished messages come again: in order, with their ids, marked",
    "Whoever takes a car over cuts the owner before off",
  ]);
  // The last one has a clean session, which leaves nothing behind.
  const sessions = [...broker.log.matchAll(/as es\/acme\/doctor_\w+ \(p2, (c[01])/g)];
  assert.deepEqual(sessions.map(([, clean]) => clean), ["c0", "c0", "c1"]);
});

etcdTest(
  "checkCluster() says that the broker's window is too small, and that etcd is away",
  async () => {
    await using broker = await Mosquitto.start({ lines: ["max_inflight_messages 5"] });
    const findings = await check([GONE], broker.port);
    assert.deepEqual(withStatus(findings, "failed").sort(), [
      "Its window is too small: 5 of 10 unacknowledged messages are delivered",
      "No node can be used",
    ]);
  },
);
