// The devices of a simulated car, and their statuses.
import type { Device } from "../protocol/mod.ts";

/** The module whose number the protocol gives to examples. */
export const EXAMPLE_MODULE = 1000;

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

/** Text as UTF-8; bytes as they are. */
export function asBytes(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? encoder.encode(data) : data;
}
