// Devices as a value: what is done with them one by one is what a Map would do.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import {
  allDevices,
  deviceOf,
  mapOf,
  NO_DEVICES,
  withDevice,
  withoutDevice,
} from "../../src/gateway/device_map.ts";
import { deviceKey } from "../../src/protocol/device.ts";
import { NO_BYTES } from "../../src/protocol/messages.ts";
import { bytes, device } from "../car/support.ts";

Deno.test("devices are found, replaced, added and removed as in a Map, and keep their order", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ which: fc.nat(99), leaves: fc.nat(9) }), { maxLength: 400, size: "max" }),
    (list) => {
      let map = NO_DEVICES;
      const like = new Map<string, ReturnType<typeof known>>();
      for (const [index, { which, leaves }] of list.entries()) {
        const next = known(`role ${which}`, `${index}`);
        const key = deviceKey(next.device);
        const before = map;
        const all = [...allDevices(before)];
        if (leaves === 0) {
          map = withoutDevice(map, key);
          like.delete(key);
        } else {
          map = withDevice(map, next);
          like.set(key, next);
        }
        assert.deepEqual([...allDevices(before)], all, "the value before is as it was");
        assert.equal(deviceOf(map, key), like.get(key));
      }
      assert.deepEqual([...allDevices(map)], [...like.values()]);
      for (const [key, one] of like) assert.equal(deviceOf(map, key), one);
      assert.deepEqual(mapOf([...allDevices(map)]).places, map.places);
      assert.equal(deviceOf(map, "1/2/none"), undefined);
    },
  ));
});

function known(role: string, data: string) {
  return { device: device(7, role), data: bytes(data), errorMessage: NO_BYTES, connected: false };
}
