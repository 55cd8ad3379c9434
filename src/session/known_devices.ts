// Devices of a session. Most Connects list few devices, and short arrays are fast to search and to
// encode.
import { type Device, sameDevice } from "../protocol/mod.ts";

/** Devices without duplicates, in the order in which they connected or were listed. Immutable. */
export type KnownDevices = readonly Device[];

/** The empty list. */
export const NO_DEVICES: KnownDevices = [];

/** The device with the same identity; name and priority do not count. */
export function findDevice(devices: KnownDevices, device: Device): Device | undefined {
  return devices.find((one) => sameDevice(one, device));
}

/** Whether a device with the same identity is there; name and priority do not count. */
export function hasDevice(devices: KnownDevices, device: Device): boolean {
  return devices.some((one) => sameDevice(one, device));
}

/** The devices and `device`; the same list when it is there already. */
export function withDevice(devices: KnownDevices, device: Device): KnownDevices {
  return hasDevice(devices, device) ? devices : [...devices, device];
}

/** The devices without `device`; the same list when it is not there. */
export function withoutDevice(devices: KnownDevices, device: Device): KnownDevices {
  return hasDevice(devices, device) ? devices.filter((one) => !sameDevice(one, device)) : devices;
}

/** Whether the module has a device. */
export function hasDeviceOf(devices: KnownDevices, module: number): boolean {
  return devices.some((device) => device.module === module);
}
