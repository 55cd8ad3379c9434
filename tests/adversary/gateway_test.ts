// One gateway against all others: storms of Connects.
import assert from "node:assert/strict";
import { mosquittoTest } from "../support/mosquitto.ts";
import { Stage } from "../e2e/stage.ts";
import { AttackProcess } from "./attacks.ts";
import { answered, memoryMb, stops, until } from "./support.ts";

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
