// The devices of a simulated car, and their statuses.
import type { Device } from "../protocol/mod.ts";

/** The module whose number the protocol gives to examples. */
export const EXAMPLE_MODULE = 1000;
/** Types of the example module's devices. */
export const BUTTON_TYPE = 0;
export const LED_TYPE = 1;

const encoder = new TextEncoder();

/**
 * Makes `count` devices, spread evenly over the modules and types given.
 *
 * Device `i` belongs to module `modules[i % modules.length]`; roles and names are unique.
 */
export function makeDevices(
  count: number,
  modules: readonly number[] = [EXAMPLE_MODULE],
  types: readonly number[] = [0],
): Device[] {
  return Array.from({ length: count }, (_, i) => ({
    module: modules[i % modules.length] ?? EXAMPLE_MODULE,
    deviceType: types[Math.floor(i / modules.length) % types.length] ?? 0,
    deviceRole: `role_${i + 1}`,
    deviceName: `device_${i + 1}`,
    priority: 0,
  }));
}

/** A status of exactly so many bytes: JSON if that fits. */
export function filledPayload(bytes: number): Uint8Array {
  const frame = '{"data":""}';
  const text = bytes < frame.length
    ? "x".repeat(bytes)
    : `{"data":"${"x".repeat(bytes - frame.length)}"}`;
  return encoder.encode(text);
}

/** What devices of the example module report. */
const EXAMPLE_MEMBERS: Readonly<Record<number, string>> = {
  [BUTTON_TYPE]: "pressed",
  [LED_TYPE]: "lit",
};

/**
 * Statuses of one car that the example module accepts: a button is pressed and released in turn, and
 * an LED reports what the button wants.
 *
 * @param bytes the size of every status, of devices of other modules as well; too small for these
 * members below 17. @default {as short as possible}
 */
export function exampleStatuses(bytes?: number): (device: Device) => Uint8Array {
  const made = new Map<string, Uint8Array>();
  const other = filledPayload(bytes ?? 0);
  let pressed = false;
  return ({ module, deviceType }) => {
    const member = module === EXAMPLE_MODULE ? EXAMPLE_MEMBERS[deviceType] : undefined;
    if (member === undefined) return other;
    if (deviceType === BUTTON_TYPE) pressed = !pressed;
    const text = `{"${member}":${pressed}}`;
    let status = made.get(text);
    if (status === undefined) {
      const fits = bytes === undefined || bytes >= text.length;
      status = fits ? encoder.encode(text.padEnd(bytes ?? 0)) : other;
      made.set(text, status);
    }
    return status;
  };
}

/** Text as UTF-8; bytes as they are. */
export function asBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? encoder.encode(data) : data;
}
