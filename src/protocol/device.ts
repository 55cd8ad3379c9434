// The identity of a device: module, type and role [DEVICE-IDENTITY].
import type { Device } from "./messages.ts";

/**
 * The identity of a device as one string, fit as a key of a Map and for a log line:
 * `module/type/role`. Name and priority do not count.
 */
export function deviceKey(device: Device): string {
  return `${device.module}/${device.deviceType}/${device.deviceRole}`;
}

/** Whether two descriptions mean the same device. */
export function sameDevice(a: Device, b: Device): boolean {
  return a.module === b.module && a.deviceType === b.deviceType && a.deviceRole === b.deviceRole;
}

/** The device as modules see it: the server ignores priority, so theirs is always 0. */
export function withoutPriority(device: Device): Device {
  return device.priority === 0 ? device : { ...device, priority: 0 };
}
