// How the server ends: in order, in time when modules do not return, and at once when asked twice
// [STOP-ORDER].
import assert from "node:assert/strict";
import { mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { childrenOf, isAlive } from "./processes.ts";
import { PATIENT, Stage } from "./stage.ts";

/** Expects that nothing of these processes is left. */
async function gone(hosts: readonly number[]): Promise<void> {
  assert.ok(hosts.length > 0);
  for (const host of hosts) {
    await waitFor(async () => !await isAlive(host), `module host ${host} to end`);
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  mosquittoTest(
    `${signal} ends sessions, contexts and hosts in order, with status 0, and tells no gateway [STOP-ORDER] [TELL-STOP]`,
    async () => {
      await using stage = await Stage.set();
      const server = await stage.serve({ cars: { car_1: {}, car_2: {}, alone: {} } });
      const gateways = ["car_1", "car_2"].map((car) =>
        stage.gateway(car, { devices: 2, rate: 50, clocks: PATIENT })
      );
      const alone = await stage.scripted("alone");
      await Promise.all(gateways.map((gateway) => gateway.running()));
      const hosts = await childrenOf(server.pid);
      // A terminal sends it to all of them.
      for (const host of hosts) Deno.kill(host, signal);
      server.signal(signal);
      assert.deepEqual({ ...await server.ended() }, { success: true, code: 0, signal: null });
      await gone(hosts);

      // A server that is back in time finds them where they are.
      assert.deepEqual([alone.told, alone.notifications], [[], 0]);
      for (const { phase, stats } of gateways) {
        assert.deepEqual([phase, stats.notifications], ["connected", 0]);
      }
      for (const { car } of gateways) {
        const calls = (await stage.record.calls()).filter((call) => call.car === car);
        const last = calls.slice(-3).map(({ name, details }) =>
          `${name} ${details[0] ?? ""}`.trim()
        );
        // The type of the disconnection is 1, a timeout.
        assert.deepEqual(last, ["device_disconnected 1", "device_disconnected 1", "destroy"]);
      }
      const waits = await stage.record.calls("wait_for_command");
      const destroys = await stage.record.calls("destroy");
      assert.equal(destroys.length, 3);
      for (const destroy of destroys) {
        assert.ok(waits.every(({ car, at }) => car !== destroy.car || at < destroy.at));
      }
      assert.match(server.text, new RegExp(`Stopping on ${signal}`));
      assert.match(server.lines.filter((line) => line !== "").at(-1) ?? "", /\tStopped$/);
    },
  );
}

/** Functions that never come back, each in the module of a car with its name. */
const HANGING = ["device_connected", "forward_status", "wait_for_command", "destroy"] as const;

/** A server whose modules hang in every way, beside one that works. */
async function hung(stage: Stage) {
  const stuckCars = HANGING.map((name) => [name, { crash_in: name, crash_how: "hang" }] as const);
  const server = await stage.serve({ cars: { ...Object.fromEntries(stuckCars), well: {} } });
  const well = stage.gateway("well", { clocks: PATIENT });
  const stuck = await Promise.all(HANGING.map((car) => stage.scripted(car)));
  await well.running();
  for (const gateway of stuck) {
    // What hangs in it is no reason not to come through the sequence, this one excepted.
    if (gateway.car === "device_connected") gateway.connect();
    else await gateway.connectSequence();
  }
  for (const name of HANGING.filter((name) => name !== "destroy")) {
    const hangs = async () => (await stage.record.calls(name)).some(({ car }) => car === name);
    await waitFor(hangs, `${name} to hang`);
  }
  return { server, hosts: await childrenOf(server.pid) };
}

mosquittoTest(
  "SIGTERM ends the server by itself while modules hang everywhere [STOP-ORDER]",
  async () => {
    await using stage = await Stage.set();
    const { server, hosts } = await hung(stage);
    server.signal("SIGTERM");
    // On its own, without a second signal.
    assert.equal((await server.ended()).code, 0);
    await gone(hosts);
    const destroyed = (await stage.record.calls("destroy")).map(({ car }) => car);
    assert.deepEqual(destroyed.sort(), ["destroy", "well"]);
    for (const car of HANGING) {
      assert.match(server.text, new RegExp(`\\(${car}\\)\t.*Context not destroyed: `));
    }
  },
);

for (const [signal, status] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  mosquittoTest(
    `a second ${signal} ends the server at once, with status ${status} [STOP-ORDER]`,
    async () => {
      await using stage = await Stage.set();
      const { server, hosts } = await hung(stage);
      server.signal(signal);
      await server.line(/Stopping on/);
      server.signal(signal);
      assert.equal((await server.ended()).code, status);
      assert.doesNotMatch(server.text, /\tStopped$/m);
      await gone(hosts);
    },
  );
}
