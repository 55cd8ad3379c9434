// The identity of a device: module, type and role [DEVICE-IDENTITY].
import type { Device } from "./messages.ts";

/**
 * The identity of a device as one string, fit as a key of a Map and for a log line:
 * `module/type/role`. Name and priority do not count.
 */
export function deviceKey(device: Device): string {
  return `${device.module}/${device.deviceType}/${device.deviceRole}`;
}

const UINT32_MAX = 0xffff_ffff;

/** Whether a text can be the identity of a device ({@linkcode deviceKey}). */
export function isDeviceKey(text: string): boolean {
  const [, ...numbers] = /^(0|[1-9]\d{0,9})\/(0|[1-9]\d{0,9})\//.exec(text) ?? [];
  return numbers.length > 0 && numbers.every((number) => Number(number) <= UINT32_MAX);
}

/** Whether two descriptions mean the same device. */
export function sameDevice(a: Device, b: Device): boolean {
  return a.module === b.module && a.deviceType === b.deviceType && a.deviceRole === b.deviceRole;
}

/** The device as modules see it: the server ignores priority, so theirs is always 0. */
export function withoutPriority(device: Device): Device {
  return device.priority === 0 ? device : { ...device, priority: 0 };
}
