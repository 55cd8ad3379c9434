// One gateway against all others: storms of Connects, and more statuses than its module takes.
import assert from "node:assert/strict";
import { mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { PATIENT, Stage } from "../e2e/stage.ts";
import { AttackProcess } from "./attacks.ts";
import { answered, AT_INFO, memoryMb, stops, until } from "./support.ts";

/** Of another car, answered meanwhile. */
const STATUSES = 20;

mosquittoTest("a storm of large Connects of one car holds up nobody on its host", async () => {
  await using stage = await Stage.set();
  const server = await stage.serve({ cars: { car_1: { record: "/dev/null" }, car_2: {} } });
  const other = stage.gateway("car_2");
  const session = await other.running();
  const before = await memoryMb(server);
  const options = { port: stage.broker.port, car: "car_1", perSecond: 231, devices: 1_000 };
  await using attack = await AttackProcess.start("connectStorm", options);
  await until(attack, "sent", 2_000);
  await answered(other, STATUSES);
  const grown = await memoryMb(server) - before;
  assert.ok(grown < 200, `${grown} MB more`);
  assert.equal(other.sessionId, session);
  assert.deepEqual(other.violations, []);
  await stops(server);
});

mosquittoTest("a storm of Connects of one car leaves the log readable", async () => {
  await using stage = await Stage.set();
  const server = await stage.serve({ cars: { car_1: {}, car_2: {} }, more: AT_INFO });
  const other = stage.gateway("car_2");
  await other.running();
  const options = { port: stage.broker.port, car: "car_1", perSecond: 1_000, devices: 1 };
  await using attack = await AttackProcess.start("connectStorm", options);
  await until(attack, "sent", 10_000);
  await answered(other, STATUSES);
  await stops(server);
  const said = server.lines.filter((line) => line.includes("(car_1)"));
  assert.ok(said.length > 0 && said.length < 100, `${said.length} lines`);
});

mosquittoTest(
  "a module that is slower than mqtt_timeout while reading is paused ends no session",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({
      cars: { car_1: { forward_status_ms: 1_500 } },
      more: { mqtt_timeout: 1, timeout: 60, limits: { max_waiting_statuses: 3 } },
    });
    const gateway = stage.gateway("car_1", { rate: 10, clocks: PATIENT });
    const session = await gateway.running();
    await waitFor(() => gateway.stats.answered >= 6, "statuses to be answered");
    assert.equal(gateway.sessionId, session);
    assert.doesNotMatch(server.text, /session_timeout/);
  },
);
