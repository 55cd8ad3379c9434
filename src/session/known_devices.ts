// The connected devices of a session, and which modules have any.
import { type Device, deviceKey } from "../protocol/mod.ts";

/** Connected devices by identity, in the order in which they connected. Immutable. */
export type KnownDevices = ReadonlyMap<string, Device>;

/** No device at all. */
export const NO_DEVICES: KnownDevices = new Map();

/** Adds a device; the same map when it is there already. */
export function withDevice(devices: KnownDevices, device: Device): KnownDevices {
  const key = deviceKey(device);
  return devices.has(key) ? devices : new Map(devices).set(key, device);
}

/** Removes a device; the same map when it is not there. */
export function withoutDevice(devices: KnownDevices, device: Device): KnownDevices {
  const key = deviceKey(device);
  if (!devices.has(key)) return devices;
  const rest = new Map(devices);
  rest.delete(key);
  return rest;
}

/** Whether `device` is connected; name and priority do not count. */
export function isConnected(devices: KnownDevices, device: Device): boolean {
  return devices.has(deviceKey(device));
}

/** Whether the module has a connected device. */
export function hasDeviceOf(devices: KnownDevices, module: number): boolean {
  for (const device of devices.values()) if (device.module === module) return true;
  return false;
}
