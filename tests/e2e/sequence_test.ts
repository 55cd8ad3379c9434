// A car's session from Connect to the last device, with a real broker and real modules.
import assert from "node:assert/strict";
import { CommandResponseType, type Device, DeviceState } from "../../src/protocol/messages.ts";
import { makeDevices } from "../../src/simulator/devices.ts";
import type { Gateway } from "../../src/simulator/gateway.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { ServerProcess } from "./server_process.ts";
import { PATIENT, Stage, subscribed } from "./stage.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function deviceOf(devices: readonly Device[], index = 0): Device {
  const device = devices[index];
  assert.ok(device, `No device ${index}`);
  return device;
}

function obeyed(gateway: Gateway): void {
  assert.deepEqual(gateway.violations, []);
}

mosquittoTest(
  "one device goes through the connect sequence word by word [CONNECT-MESSAGE] [CONNECT-FIRST-STATUSES] [CONNECT-FIRST-COMMANDS]",
  async () => {
    await using stage = await Stage.set();
    await stage.serve({ cars: { car_1: {} } });
    const front = {
      module: 1000,
      deviceType: 4,
      deviceRole: "front",
      deviceName: "Left button",
      priority: 7,
    };
    const gateway = await stage.scripted("car_1", { devices: [front] });

    const sessionId = gateway.connect();
    assert.deepEqual(await gateway.expect("connect_response"), {
      kind: "connect_response",
      sessionId,
      type: 0,
    });
    // Any counter will do for the first status.
    gateway.status(front, "first", { state: DeviceState.CONNECTING, counter: 40 });
    assert.equal((await gateway.expect("status_response")).messageCounter, 40);
    const command = await gateway.expect("command");
    assert.equal(command.messageCounter, 0);
    assert.equal(command.commandData.length, 0);
    assert.equal(command.device.deviceRole, "front");
    gateway.answer(command);
    gateway.status(front, "second", { errorMessage: "it hurts" });
    assert.equal((await gateway.expect("status_response")).messageCounter, 41);

    const calls = await stage.record.calls();
    assert.deepEqual(calls.map(({ name, details }) => `${name} ${details}`.trim()), [
      "init company_name",
      "device_connected 1000/4/front/Left button/0 0",
      "forward_status 1000/4/front/Left button/0 5 first",
      "forward_status_end",
      "forward_status 1000/4/front/Left button/0 6 second",
      "forward_status_end",
      "forward_error_message 1000/4/front/Left button/0 8 it hurts",
    ]);
    assert.deepEqual([gateway.told, gateway.notifications], [[], 0]);
  },
);

mosquittoTest(
  "100 devices over 3 modules connect, with strangers among them [CONNECT-DEVICES] [CONNECT-STATUS-RESPONSE]",
  async () => {
    const { module, module2, module3 } = await buildFixtures();
    await using stage = await Stage.set();
    const config = { record: stage.record.file };
    const modules = {
      1000: { lib_path: module, config },
      2: { lib_path: module2, config },
      3: { lib_path: module3, config },
    };
    await using server = await ServerProcess.start({
      port: stage.broker.port,
      cars: { car_1: modules },
    });
    await subscribed(server, "car_1");
    // No car has module 7, and no module supports type 150.
    const devices = makeDevices(100, [1000, 2, 3, 7], [0, 1, 2, 3, 150]);
    const gateway = stage.gateway("car_1", { devices, clocks: PATIENT });
    await gateway.running();

    const supported = devices.filter((device) => device.module !== 7 && device.deviceType < 150);
    const expected = supported.map((one) => `${one.module}/${one.deviceType}/${one.deviceRole}`);
    assert.equal(expected.length, 60);
    const connected = await stage.record.deviceCalls("device_connected");
    assert.deepEqual(connected.map(({ device }) => device).sort(), expected.sort());
    const forwarded = await stage.record.waitForCalls("forward_status", 60);
    assert.deepEqual(forwarded.map(({ device }) => device).sort(), expected);

    // Strangers are answered, too, or their gateway would drop the link [STATUS-UNSERVED].
    await Promise.all(devices.map((device) => gateway.send(device, "all")));
    const all = await stage.record.statuses("car_1");
    assert.equal(all.filter((data) => data === "all").length, 60);
    obeyed(gateway);
    await server.line(/Device is not served: the car has no such module .*device=7\/0\/role_4\]/);
    // Of 40 such lines 30 are printed in a minute, those of modules in no certain order.
    await server.line(
      /Device is not served: the module does not support .*device=(2|3|1000)\/150\//,
    );
  },
);

mosquittoTest(
  "statuses that come in any order are forwarded and answered in theirs [STATUS-ORDER]",
  async () => {
    await using stage = await Stage.set();
    await stage.serve({ cars: { car_1: {} } });
    const gateway = await stage.scripted("car_1");
    const device = deviceOf(gateway.devices);
    await gateway.connectSequence();

    for (const counter of [5, 3, 3, 4, 2, 6, 2, 5]) {
      gateway.status(device, `status ${counter}`, { counter });
    }
    for (const counter of [2, 3, 4, 5, 6]) {
      assert.equal((await gateway.expect("status_response")).messageCounter, counter);
    }
    // What came twice was not answered twice: the next answer is that of the next status.
    gateway.status(device, "status 7", { counter: 7 });
    assert.equal((await gateway.expect("status_response")).messageCounter, 7);
    const expected = ["{}", ...[2, 3, 4, 5, 6, 7].map((counter) => `status ${counter}`)];
    assert.deepEqual(await stage.record.statuses(), expected);
    assert.deepEqual(gateway.unread, []);
  },
);

mosquittoTest(
  "a gateway that reorders and repeats at random loses nothing [STATUS-EARLY] [STATUS-OLD]",
  async () => {
    await using stage = await Stage.set();
    await stage.serve({ cars: { car_1: { echo: 1 } } });
    const gateway = stage.gateway("car_1", {
      devices: 3,
      rate: 0,
      window: 20,
      payload: (_, counter) => new TextEncoder().encode(`${counter}`),
      freshFirstStatuses: true,
      misbehavior: { reorder: 0.2, duplicate: 0.2 },
      clocks: PATIENT,
    });
    await gateway.running();
    while (gateway.stats.answered < 1000) {
      await gateway.nextCommand({ where: ({ messageCounter }) => messageCounter % 100 === 0 });
    }
    assert.ok(await gateway.drain());
    assert.ok(gateway.stats.reordered > 100 && gateway.stats.duplicated > 100);
    obeyed(gateway);
    const counters = (await stage.record.statuses()).map(Number);
    assert.deepEqual(counters, counters.map((_, index) => index + 1));
    assert.equal(counters.length, gateway.stats.answered + 3);
    // Every echo has been acknowledged by now or will be, in the order of the statuses.
    const acknowledged = await stage.record.waitForCalls("command_ack", counters.length);
    assert.deepEqual(acknowledged.map(({ data }) => Number(data)), counters);
  },
);

mosquittoTest(
  "commands leave in order and are acknowledged in order [COMMAND-COUNTER] [COMMAND-ACK]",
  async () => {
    await using stage = await Stage.set();
    await stage.serve({ cars: { car_1: { echo: 1 } } });
    const gateway = stage.gateway("car_1", { answers: "connecting", clocks: PATIENT });
    const device = deviceOf(gateway.devices);
    await gateway.running();
    for (const data of ["a", "b", "c", "d"]) await gateway.send(device, data);

    // The first status was echoed, too: its command had to wait for the end of the sequence.
    const commands = await Promise.all(
      Array.from(
        { length: 5 },
        () => gateway.nextCommand({ where: ({ commandData }) => commandData.length > 0 }),
      ),
    );
    assert.deepEqual(commands.map(({ commandData }) => text(commandData)), [
      "{}",
      "a",
      "b",
      "c",
      "d",
    ]);
    assert.deepEqual(commands.map(({ messageCounter }) => messageCounter), [1, 2, 3, 4, 5]);
    const [first, a, b, c, d] = commands;
    assert.ok(first && a && b && c && d);
    // Early responses wait for the first; a refused command is not acknowledged.
    gateway.answer(d);
    gateway.answer(b, CommandResponseType.INVALID_COMMAND);
    gateway.answer(c);
    gateway.answer(a);
    gateway.answer(first);
    const acknowledged = await stage.record.waitForCalls("command_ack", 4);
    assert.deepEqual(acknowledged.map(({ data }) => data), ["{}", "a", "c", "d"]);
    obeyed(gateway);
  },
);

mosquittoTest(
  "commands from before the first device are stale, all of them dropped [CONNECT-STALE-COMMANDS]",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({ cars: { car_1: { commands_at_start: 5 } } });
    // All but the newest go as soon as they come: no device is connected.
    await server.line(/4 commands dropped|Command dropped/);
    await stage.record.waitForCalls("pop_command", 5);
    const gateway = stage.gateway("car_1", { clocks: PATIENT });
    await gateway.running();
    const command = await gateway.nextCommand();
    assert.equal(command.commandData.length, 0);
    await server.line(/Command dropped: it waited since before/);
    await gateway.send(deviceOf(gateway.devices), "and no other command came before this");
    assert.equal(gateway.stats.commands, 1);
  },
);

mosquittoTest(
  "a device leaves and comes back while the session goes on [STATUS-STATES]",
  async () => {
    await using stage = await Stage.set();
    await stage.serve({ cars: { car_1: {} } });
    const clocks = { ...PATIENT, leaveMs: 0 };
    const gateway = stage.gateway("car_1", { devices: 2, clocks });
    const leaving = deviceOf(gateway.devices, 1);
    const sessionId = await gateway.running();
    const calls = async () => {
      const found = await stage.record.deviceCalls("device_disconnected");
      return found.map(({ disconnectType, device }) => `${disconnectType} ${device}`);
    };

    await gateway.disconnectDevice(leaving);
    assert.deepEqual(await stage.record.waitForCalls("device_disconnected", 1).then(calls), [
      "0 1000/0/role_2",
    ]);
    // It is not connected now: answered, but no module hears of it.
    await gateway.send(leaving, "from outside", { state: DeviceState.RUNNING });
    await gateway.connectDevice(leaving);
    await gateway.send(leaving, "from inside");
    const statuses = await stage.record.statuses();
    assert.ok(statuses.includes("from inside"));
    assert.ok(!statuses.includes("from outside"));
    const connected = await stage.record.deviceCalls("device_connected");
    assert.deepEqual(connected.map(({ device }) => device.at(-1)), ["1", "2", "2"]);
    assert.equal(gateway.sessionId, sessionId);
    obeyed(gateway);
  },
);

mosquittoTest(
  "the session ends with its last device, and the next one begins with any [SESSION-LAST-DEVICE]",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({ cars: { car_1: {} } });
    const clocks = { ...PATIENT, leaveMs: 0 };
    const gateway = stage.gateway("car_1", { devices: 2, clocks });
    const [one, two] = [deviceOf(gateway.devices, 0), deviceOf(gateway.devices, 1)];
    const sessionId = await gateway.running();
    const ended = gateway.sessionEnded();
    await Promise.all([gateway.disconnectDevice(one), gateway.disconnectDevice(two)]);
    assert.equal((await ended).reason, "all_devices_gone");
    await server.line(new RegExp(`Session ended: all_devices_gone: .*session=${sessionId}`));
    const gone = await stage.record.waitForCalls("device_disconnected", 2);
    assert.deepEqual(gone.map(({ disconnectType }) => disconnectType), [0, 0]);

    // Only the gateway can begin again, and does so for a device that comes.
    await gateway.connectDevice(two).catch(() => {});
    assert.notEqual(await gateway.running(), sessionId);
    assert.deepEqual(
      (await stage.record.deviceCalls("device_connected")).map(({ device }) => device.at(-1)),
      ["1", "2", "2"],
    );
    obeyed(gateway);
  },
);
