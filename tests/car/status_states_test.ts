// Statuses by their device's state: what passes, what does not, who comes and goes [STATUS-STATES]
// [STATUS-UNSERVED].
import assert from "node:assert/strict";
import { deviceKey } from "../../src/protocol/device.ts";
import { DeviceState } from "../../src/protocol/messages.ts";
import { device, FOREIGN, FRONT, LAMP, REAR, runningCar } from "./support.ts";

const { CONNECTING, RUNNING, ERROR, DISCONNECT } = DeviceState;

Deno.test("step() connects a device whose status is CONNECTING [STATUS-STATES]", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(LAMP, { state: CONNECTING, data: "hi" }).lines, [
    "connect 8/1/lamp",
    "forward 1 8/1/lamp hi",
    "StatusResponse 1",
  ]);
  assert.deepEqual(car.status(LAMP).lines, ["forward 2 8/1/lamp", "StatusResponse 2"]);
});

Deno.test("step() takes CONNECTING of a connected device as it is [STATUS-STATES]", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(FRONT, { state: CONNECTING }).lines, [
    "forward 1 7/1/front",
    "StatusResponse 1",
  ]);
});

Deno.test("step() lets statuses wait behind a device that is coming [STATUS-ORDER]", () => {
  const car = runningCar([FRONT]);
  car.automatic = false;
  car.status(LAMP, { state: CONNECTING });
  assert.deepEqual(car.status(LAMP).lines, []);
  assert.deepEqual(car.status(FRONT).lines, []);
  assert.deepEqual(car.modulesReturn(1).lines, [
    "forward 1 8/1/lamp",
    "forward 2 8/1/lamp",
    "forward 3 7/1/front",
  ]);
});

Deno.test("step() answers CONNECTING of a device its module refuses, noted once [STATUS-UNSERVED]", () => {
  for (
    const [outcome, why] of [["unsupported", "unsupported_type"], ["not_ok", "device_refused"]]
  ) {
    const car = runningCar([FRONT]);
    car.outcome = () => outcome as "unsupported" | "not_ok";
    const first = car.status(LAMP, { state: CONNECTING });
    assert.deepEqual(first.lines, ["connect 8/1/lamp", "StatusResponse 1"]);
    const second = car.status(LAMP, { state: CONNECTING });
    assert.deepEqual(second.lines, ["connect 8/1/lamp", "StatusResponse 2"]);
    const noted = [...first.notes, ...second.notes].flatMap((note) =>
      note.code === "not_forwarded" ? [[note.why, note.first]] : []
    );
    assert.deepEqual(noted, [[why, true], [why, false]]);
    assert.deepEqual(car.status(LAMP).lines, ["StatusResponse 3"]);
  }
});

Deno.test("step() connects no more devices than it may, and answers all the same [STATUS-UNSERVED]", () => {
  const car = runningCar([FRONT], { maxDevices: 2 });
  car.status(LAMP, { state: CONNECTING });
  const seen = car.status(REAR, { state: CONNECTING });
  assert.deepEqual(seen.lines, ["StatusResponse 2"]);
  assert.deepEqual(seen.noteCodes, ["not_forwarded too_many_devices"]);
  assert.deepEqual(car.running().devices.map(deviceKey), ["7/1/front", "8/1/lamp"]);
  // One that leaves makes room.
  car.status(LAMP, { state: DeviceState.DISCONNECT });
  assert.deepEqual(car.status(REAR, { state: CONNECTING }).linesOf("connect"), [
    "connect 7/1/rear",
  ]);
});

Deno.test("step() does not answer CONNECTING when the call ended with its host [FAIL-CLEANUP]", () => {
  const car = runningCar([FRONT]);
  car.outcome = () => "host_lost";
  assert.deepEqual(car.status(LAMP, { state: CONNECTING }).lines, ["connect 8/1/lamp"]);
  assert.deepEqual(
    car.input({ type: "module_lost", detail: "Module 8: killed" }).failures.map(({ reason }) =>
      reason
    ),
    [
      "module_lost",
    ],
  );
});

Deno.test("step() answers, forwards nothing and notes once what does not pass [STATUS-UNSERVED]", () => {
  const cases = [
    [FOREIGN, CONNECTING, "unknown_module"],
    [FOREIGN, RUNNING, "unknown_module"],
    [LAMP, RUNNING, "device_not_connected"],
    [LAMP, DISCONNECT, "device_not_connected"],
    [FRONT, ERROR, "unknown_state"],
    [FRONT, 4711, "unknown_state"],
  ] as const;
  for (const [one, state, why] of cases) {
    const car = runningCar([FRONT]);
    const first = car.status(one, { state });
    assert.deepEqual(first.lines, ["StatusResponse 1"], why);
    const second = car.status(one, { state });
    assert.deepEqual(second.lines, ["StatusResponse 2"], why);
    const noted = [...first.notes, ...second.notes].map((note) =>
      note.code === "not_forwarded" && [note.why, note.first]
    );
    assert.deepEqual(noted, [[why, true], [why, false]]);
    assert.equal(car.session.kind, "running");
  }
});

Deno.test("step() notes each device and reason of what does not pass by itself [STATUS-UNSERVED]", () => {
  const car = runningCar([FRONT]);
  const seen = [
    car.status(LAMP),
    car.status(REAR),
    car.status(LAMP, { state: ERROR }),
  ].flatMap(({ notes }) => notes);
  assert.ok(seen.every((note) => note.code === "not_forwarded" && note.first));
});

Deno.test("step() remembers a bounded number of devices it noted [STATUS-UNSERVED]", () => {
  const car = runningCar([FRONT]);
  for (let index = 0; index < 1500; index++) car.status(device(3, `d${index}`));
  assert.equal(car.running().noted.length, 1000);
});
