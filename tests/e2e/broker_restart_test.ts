// A broker that dies and comes back, again and again, under load; a server that is killed.
import assert from "node:assert/strict";
import { mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { childrenOf, holdingsOf, isAlive } from "./processes.ts";
import { PATIENT, Stage } from "./stage.ts";

const CARS = Array.from({ length: 6 }, (_, i) => `car_${i + 1}`);
const ROUNDS = 10;
/** Answered statuses between two deaths of the broker, over all cars. */
const STATUSES = 300;
/** The runtime's own and those of its pool, which come and go with the work there is. */
const MAX_THREADS = 40;

mosquittoTest(
  "every car is back after each of 10 deaths of the broker, and nothing is left behind [SESSION-BROKER]",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({
      cars: Object.fromEntries(CARS.map((car) => [car, {}])),
      // Pauses grow while connections are short, and these live for a second only.
      more: { sleep_duration_after_connection_refused: 0.01 },
    });
    let status = 0;
    const gateways = CARS.map((car) =>
      stage.gateway(car, {
        devices: 2,
        rate: 100,
        // Unique over all cars and sessions: the module must not see one twice.
        payload: () => new TextEncoder().encode(`${car} ${++status}`),
        freshFirstStatuses: true,
        clocks: { ...PATIENT, retryMs: 50 },
      })
    );
    const answered = () => gateways.reduce((sum, { stats }) => sum + stats.answered, 0);
    await Promise.all(gateways.map((gateway) => gateway.running()));
    const sessions = new Set<string>();
    const holdings = [];
    for (let round = 1; round <= ROUNDS; round++) {
      const from = answered();
      await waitFor(() => answered() >= from + STATUSES, `${STATUSES} answers of round ${round}`);
      const back = gateways.map((gateway) => gateway.nextSession());
      await stage.broker.kill();
      await stage.broker.restart();
      for (const session of await Promise.all(back)) sessions.add(session);
      holdings.push(await holdingsOf(server.pid));
    }
    assert.equal(sessions.size, ROUNDS * CARS.length);
    await Promise.all(gateways.map((gateway) => gateway.drain()));
    assert.deepEqual(gateways.flatMap(({ violations }) => violations), []);

    const statuses = await stage.record.statuses();
    assert.ok(statuses.length >= ROUNDS * STATUSES, `${statuses.length} statuses`);
    assert.equal(new Set(statuses).size, statuses.length, "A status was forwarded twice");
    const [, early] = holdings;
    const late = holdings.at(-1);
    assert.ok(early && late);
    // Connections of the last round may still be closing.
    const files = async () => (await holdingsOf(server.pid)).files;
    await waitFor(async () => await files() <= early.files, `no more files than ${early.files}`);
    assert.ok(late.threads <= MAX_THREADS, `${late.threads} threads`);
    const grownKb = late.memoryKb - early.memoryKb;
    assert.ok(grownKb < 40_000, `Memory has grown by ${grownKb} kB in 8 rounds`);
    assert.match(server.text, /Session ended: broker_lost: /);
    assert.doesNotMatch(server.text, /Defect/);
  },
);

mosquittoTest("a server that is killed leaves no module host behind", async () => {
  await using stage = await Stage.set();
  // More contexts than one host takes, and one that never comes back from its library.
  const cars = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`car_${i}`, {}]));
  const server = await stage.serve({
    cars: { ...cars, hung: { crash_in: "device_connected", crash_how: "hang" } },
  });
  const gateway = await stage.scripted("hung");
  gateway.connect();
  await stage.record.waitForCalls("device_connected", 1);
  const hosts = await childrenOf(server.pid);
  assert.equal(hosts.length, 2);
  for (const host of hosts) assert.ok(await isAlive(host));
  server.signal("SIGKILL");
  await server.ended();
  for (const host of hosts) {
    await waitFor(async () => !await isAlive(host), `module host ${host} to end`);
  }
});
