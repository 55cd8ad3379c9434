// Identity of devices, counters that wrap, topics.
import assert from "node:assert/strict";
import { counterDistance, nextCounter } from "../../src/protocol/counter.ts";
import { deviceKey, isDeviceKey, sameDevice, withoutPriority } from "../../src/protocol/device.ts";
import { CALL_OUTCOMES, DisconnectType, wasMade } from "../../src/protocol/module_interface.ts";
import { carTopics } from "../../src/protocol/topics.ts";

const device = { module: 7, deviceType: 1, deviceRole: "front", deviceName: "door", priority: 3 };

Deno.test("sameDevice() and deviceKey() ignore name and priority [DEVICE-IDENTITY]", () => {
  const other = { ...device, deviceName: "hatch", priority: 0 };
  assert.ok(sameDevice(device, other));
  assert.equal(deviceKey(device), deviceKey(other));
  for (const change of [{ module: 8 }, { deviceType: 2 }, { deviceRole: "rear" }]) {
    assert.ok(!sameDevice(device, { ...device, ...change }));
    assert.notEqual(deviceKey(device), deviceKey({ ...device, ...change }));
  }
});

Deno.test("isDeviceKey() takes what deviceKey() makes, and nothing else", () => {
  assert.ok(isDeviceKey(deviceKey(device)));
  assert.ok(isDeviceKey(deviceKey({ ...device, module: 0xffffffff, deviceRole: "a/b c" })));
  assert.ok(isDeviceKey("0/0/"));
  for (const text of ["", "7/1", "7//front", "07/1/front", "4294967296/0/front", "a/1/front"]) {
    assert.ok(!isDeviceKey(text), text);
  }
});

Deno.test("withoutPriority() shows modules priority 0 [DEVICE-PRIORITY]", () => {
  for (const priority of [0, 1, 2, 0xffffffff]) {
    assert.deepEqual(withoutPriority({ ...device, priority }), { ...device, priority: 0 });
  }
});

Deno.test("wasMade() tells calls that returned from those whose host died, or that were withdrawn", () => {
  const notMade = CALL_OUTCOMES.filter((outcome) => !wasMade(outcome));
  assert.deepEqual(notMade, ["host_lost", "withdrawn"]);
});

Deno.test("DisconnectType has the numbers that modules are compiled with [MODULE-FUNCTIONS]", () => {
  assert.deepEqual(DisconnectType, { ANNOUNCED: 0, TIMEOUT: 1, ERROR: 2 });
});

Deno.test("nextCounter() and counterDistance() wrap at 2^32 [STATUS-WRAP]", () => {
  assert.equal(nextCounter(0), 1);
  assert.equal(nextCounter(0xffffffff), 0);
  assert.equal(counterDistance(2, 0xfffffffe), 4);
  assert.equal(counterDistance(0xfffffffe, 2), -4);
  assert.equal(counterDistance(5, 5), 0);
});

Deno.test("carTopics() names the three topics [TOPIC-NAMES]", () => {
  assert.deepEqual(carTopics("acme", "car_1"), {
    moduleGateway: "acme/car_1/module_gateway",
    externalServer: "acme/car_1/external_server",
    disconnect: "acme/car_1/external_server_disconnect",
  });
});
