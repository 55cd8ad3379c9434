// The devices of a gateway, and the last status of each.
import { type Device, deviceKey, NO_BYTES } from "../protocol/mod.ts";
import { allDevices, deviceOf, mapOf, withDevice, withoutDevice } from "./device_map.ts";
import type { Effect } from "./inputs.ts";
import type { Base, GatewaySettings, KnownDevice, OpenStatus, Report } from "./state.ts";

/** Whether no device is known. */
export function hasNoDevice({ devices }: Base): boolean {
  return devices.chunks.length === 0;
}

/** A device reported something that is not sent: it becomes its last status. */
export function fold(
  base: Base,
  report: Report,
  settings: GatewaySettings,
  effects: Effect[],
): Base {
  const { device, data } = report;
  if (report.leaves) return forget(base, device, settings, effects);
  const key = deviceKey(device);
  if (settings.prepares) effects.push({ type: "fold", device, data });
  const known = deviceOf(base.devices, key);
  const errorMessage = report.errorMessage.length > 0
    ? report.errorMessage
    : known?.errorMessage ?? NO_BYTES;
  return put(base, { device, data, errorMessage, connected: known?.connected ?? false });
}

/** {@linkcode fold} for reports that were not sent yet; their callers are told. */
export function foldAll(
  base: Base,
  reports: readonly Report[],
  settings: GatewaySettings,
  effects: Effect[],
): Base {
  for (const { tag } of reports) if (tag !== null) effects.push({ type: "kept", tag });
  return reports.reduce((next, report) => fold(next, report, settings, effects), base);
}

/** Unanswered statuses become the last ones of their devices; devices that left are dropped. */
export function foldUnanswered(
  base: Base,
  open: readonly OpenStatus[],
  settings: GatewaySettings,
  effects: Effect[],
): Base {
  return open.reduce((next, { status, tag }) => {
    const { device, statusData: data, errorMessage } = status;
    if (deviceOf(next.devices, deviceKey(device)) === undefined) return next;
    return fold(next, { device, data, errorMessage, leaves: false, tag }, settings, effects);
  }, base);
}

/** The listed devices are connected in the new session, and have sent their first statuses. */
export function enterSession(base: Base, listed: readonly string[]): Base {
  let { devices } = base;
  for (const key of listed) {
    const known = deviceOf(devices, key);
    if (known !== undefined) devices = withDevice(devices, inSession(known.device));
  }
  return { ...base, devices };
}

/** A report is sent in normal communication. */
export function noteSent(
  base: Base,
  { device, leaves }: Report,
  settings: GatewaySettings,
  effects: Effect[],
): Base {
  if (leaves) return forget(base, device, settings, effects);
  const key = deviceKey(device);
  return deviceOf(base.devices, key)?.connected ? base : put(base, inSession(device));
}

/** Its current status, asked for because none of its last ones is known [GATEWAY-PREPARE]. */
export function noteForced(base: Base, device: Device, data: Uint8Array): Base {
  const key = deviceKey(device);
  const known = deviceOf(base.devices, key);
  if (known !== undefined && known.data.length > 0) return base;
  const { errorMessage = NO_BYTES, connected = false } = known ?? {};
  return put(base, { device, data, errorMessage, connected });
}

/** Its module has made the error message that goes with its next first status. */
export function noteError(base: Base, device: Device, errorMessage: Uint8Array): Base {
  const key = deviceKey(device);
  const known = deviceOf(base.devices, key);
  return known === undefined ? base : put(base, { ...known, errorMessage });
}

/** Whether the device is connected in the current session. */
export function isConnected({ devices }: Base, device: Device): boolean {
  return deviceOf(devices, deviceKey(device))?.connected ?? false;
}

/** The session has ended: no device is connected. */
export function leaveSession(base: Base): Base {
  const all = [...allDevices(base.devices)].map((known) => ({ ...known, connected: false }));
  return { ...base, devices: mapOf(all) };
}

function put(base: Base, known: KnownDevice): Base {
  return { ...base, devices: withDevice(base.devices, known) };
}

/** What the cloud has been told of needs not be told again. */
function inSession(device: Device): KnownDevice {
  return { device, data: NO_BYTES, errorMessage: NO_BYTES, connected: true };
}

function forget(
  base: Base,
  device: Device,
  { prepares }: GatewaySettings,
  effects: Effect[],
): Base {
  if (prepares) effects.push({ type: "forgotten", device });
  return { ...base, devices: withoutDevice(base.devices, deviceKey(device)) };
}
