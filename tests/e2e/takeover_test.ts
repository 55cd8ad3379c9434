// Gateways and servers that come back while the other end believes in the old session, and a server
// that dies [CONNECT-NEW-SESSION] [TELL-START]. Gateways here have clocks of ten minutes: whoever
// is back within a test was told so, and did not just wait.
import assert from "node:assert/strict";
import { DeviceState } from "../../src/protocol/messages.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { PATIENT, Stage } from "./stage.ts";

mosquittoTest(
  "a gateway that restarts takes over with its very first Connect [CONNECT-NEW-SESSION]",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({ cars: { car_1: {} } });
    const clocks = { ...PATIENT, restartMs: 0 };
    const gateway = stage.gateway("car_1", { devices: 2, clocks });
    const sessions = [await gateway.running()];
    for (let round = 0; round < 20; round++) {
      const next = gateway.nextSession();
      gateway.restart();
      sessions.push(await next);
    }
    assert.equal(new Set(sessions).size, 21);
    assert.equal(gateway.stats.failedSequences, 0);
    // A word of the server would end the session that has just begun.
    assert.equal(gateway.stats.notifications, 0);
    assert.deepEqual(gateway.violations, []);
    await server.line(new RegExp(`Session ended: new_session: .*${sessions[20]}.*${sessions[19]}`));
    const calls = await stage.record.calls();
    const life = calls.filter(({ name }) => name.startsWith("device_")).map(({ name }) => name);
    const [connected, disconnected] = ["device_connected", "device_disconnected"];
    assert.deepEqual(
      life.slice(0, 6),
      [connected, connected, disconnected, disconnected].concat(
        [connected, connected],
      ),
    );
    assert.equal(life.length, 21 * 2 + 20 * 2);
  },
);

mosquittoTest(
  "a gateway that restarts in the middle of its sequence begins a new one [CONNECT-NEW-SESSION]",
  async () => {
    await using stage = await Stage.set();
    await stage.serve({ cars: { car_1: {} } });
    const gateway = await stage.scripted("car_1", { devices: 2 });
    // With no status sent, with one, and with the commands unanswered.
    for (const statuses of [0, 1, 2]) {
      gateway.connect();
      await gateway.expect("connect_response");
      for (const device of gateway.devices.slice(0, statuses)) {
        gateway.status(device, "{}", { state: DeviceState.CONNECTING });
        await gateway.expect("status_response");
      }
      if (statuses === 2) { for (const _ of gateway.devices) await gateway.expect("command"); }
    }
    await gateway.connectSequence();
    assert.deepEqual([gateway.told, gateway.notifications], [[], 0]);
  },
);

mosquittoTest(
  "a gateway that believes in a session of a dead server is told by its next message [TELL-STRAY]",
  async () => {
    await using stage = await Stage.set();
    const first = await stage.serve({ cars: { car_1: {} } });
    const gateway = await stage.scripted("car_1");
    const [device] = gateway.devices;
    assert.ok(device);
    await gateway.connectSequence();
    gateway.status(device, "while all was well");
    await gateway.expect("status_response");
    first.signal("SIGKILL");
    await first.ended();
    await stage.serve({ cars: { car_1: {} } });
    // This gateway does not listen to what a new server says first, as if that were lost.
    assert.equal(await gateway.expectTold(), "");
    const old = gateway.sessionId;
    const told = gateway.expectTold();
    const ticking = setInterval(() => gateway.status(device, "of the old session"), 100);
    assert.equal(await told.finally(() => clearInterval(ticking)), old);
    // Nothing else: no answer, no module call, and not told again.
    for (let i = 0; i < 10; i++) gateway.status(device, "of the old session");
    await gateway.connectSequence();
    gateway.status(device, "of the new session");
    await gateway.expect("status_response");
    assert.deepEqual(await stage.record.statuses(), [
      "{}",
      "while all was well",
      "{}",
      "of the new session",
    ]);
    assert.deepEqual([gateway.told, gateway.notifications], [["", old], 0]);
    assert.deepEqual(gateway.unread, []);
  },
);

mosquittoTest(
  "gateways of a killed server stay where they are until the next one has them all [TELL-STOP] [TELL-START]",
  async () => {
    await using stage = await Stage.set();
    const names = Array.from({ length: 20 }, (_, i) => `car_${i + 1}`);
    const cars = Object.fromEntries(names.map((name) => [name, {}]));
    const server = await stage.serve({ cars });
    const gateways = names.map((car) => stage.gateway(car, { clocks: PATIENT }));
    await Promise.all(gateways.map((gateway) => gateway.running()));
    server.signal("SIGKILL");
    await server.ended();
    for (const { phase, stats } of gateways) {
      assert.deepEqual([phase, stats.notifications], ["connected", 0]);
    }
    const again = gateways.map((gateway) => gateway.nextSession());
    await stage.serve({ cars });
    await Promise.all(again);
    for (const { stats } of gateways) assert.equal(stats.failedSequences, 0);
  },
);
