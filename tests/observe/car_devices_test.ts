// What is remembered of a car's devices.
import assert from "node:assert/strict";
import { CarDevices } from "../../src/observe/car_devices.ts";
import type { SeenStatus } from "../../src/observe/car_record.ts";

function status(device: string, counter: number, bytes = 1024): SeenStatus {
  const data = { data: new Uint8Array(bytes), bytes };
  const errorMessage = { data: new Uint8Array(), bytes: 0 };
  return { at: counter, device, state: 1, counter, data, errorMessage, responseMs: null };
}

Deno.test("CarDevices forgets the last statuses of those that are silent for longest, for bytes", () => {
  const devices = new CarDevices();
  for (let number = 0; number < 150; number++) {
    devices.heard(status(`d${number}`, number));
    devices.heard(status("d0", number));
  }
  const kept = Array.from({ length: 150 }, (_, number) => devices.lastStatusOf(`d${number}`));
  assert.equal(kept[0]?.counter, 149);
  assert.equal(kept[1], null);
  assert.equal(kept[149]?.counter, 149);
  const count = kept.filter((one) => one !== null).length;
  assert.ok(count > 120 && count <= 128, `${count} are kept`);
});

Deno.test("CarDevices counts identities, and forgets one that is larger than all it may keep", () => {
  const devices = new CarDevices();
  devices.heard(status("d0", 0));
  devices.heard(status("x".repeat(128 * 1024), 1));
  assert.equal(devices.lastStatusOf("d0"), null);
  assert.equal(devices.lastStatusOf("x".repeat(128 * 1024)), null);
  devices.heard(status("d0", 2));
  assert.equal(devices.lastStatusOf("d0")?.counter, 2);
});

Deno.test("CarDevices keeps the last statuses of so many devices, however small they are", () => {
  const devices = new CarDevices();
  for (let number = 0; number < 1001; number++) devices.heard(status(`d${number}`, number, 0));
  assert.equal(devices.lastStatusOf("d0"), null);
  assert.equal(devices.lastStatusOf("d1")?.counter, 1);
});
