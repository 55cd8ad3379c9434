// The devices of a gateway, and the last status of each.
import { type Device, deviceKey, NO_BYTES } from "../protocol/mod.ts";
import type { Effect } from "./inputs.ts";
import type { Base, GatewaySettings, KnownDevice, OpenStatus, Report } from "./state.ts";

/** Whether no device is known. */
export function hasNoDevice({ devices }: Base): boolean {
  for (const _ in devices) return false;
  return true;
}

/** A device reported something that is not sent: it becomes its last status. */
export function fold(base: Base, report: Report): Base {
  const key = deviceKey(report.device);
  if (report.leaves) return forget(base, key);
  const { device, data } = report;
  const known = base.devices[key];
  const errorMessage = report.errorMessage.length > 0
    ? report.errorMessage
    : known?.errorMessage ?? NO_BYTES;
  return put(base, key, { device, data, errorMessage, connected: known?.connected ?? false });
}

/** {@linkcode fold} for reports that were not sent yet; their callers are told. */
export function foldAll(base: Base, reports: readonly Report[], effects: Effect[]): Base {
  for (const { tag } of reports) if (tag !== null) effects.push({ type: "kept", tag });
  return reports.reduce(fold, base);
}

/** Unanswered statuses become the last ones of their devices; devices that left are dropped. */
export function foldUnanswered(base: Base, open: readonly OpenStatus[]): Base {
  return open.reduce((next, { status, tag }) => {
    const { device, statusData: data, errorMessage } = status;
    if (next.devices[deviceKey(device)] === undefined) return next;
    return fold(next, { device, data, errorMessage, leaves: false, tag });
  }, base);
}

/** The listed devices are connected in the new session, and have sent their first statuses. */
export function enterSession(
  base: Base,
  listed: readonly string[],
  { keepsLastStatus }: GatewaySettings,
): Base {
  const devices: Record<string, KnownDevice> = { ...base.devices };
  for (const key of listed) {
    const known = devices[key];
    if (known === undefined) continue;
    const data = keepsLastStatus ? known.data : NO_BYTES;
    devices[key] = { device: known.device, data, errorMessage: NO_BYTES, connected: true };
  }
  return { ...base, devices };
}

/** A report is sent in normal communication. */
export function noteSent(base: Base, report: Report, { keepsLastStatus }: GatewaySettings): Base {
  const { device, leaves } = report;
  const key = deviceKey(device);
  if (leaves) return forget(base, key);
  if (!keepsLastStatus && base.devices[key]?.connected) return base;
  const data = keepsLastStatus ? report.data : NO_BYTES;
  return put(base, key, { device, data, errorMessage: NO_BYTES, connected: true });
}

/** Whether the device is connected in the current session. */
export function isConnected({ devices }: Base, device: Device): boolean {
  return devices[deviceKey(device)]?.connected ?? false;
}

/** The session has ended: no device is connected. */
export function leaveSession(base: Base): Base {
  const devices: Record<string, KnownDevice> = {};
  for (const [key, known] of Object.entries(base.devices)) {
    devices[key] = { ...known, connected: false };
  }
  return { ...base, devices };
}

function put(base: Base, key: string, known: KnownDevice): Base {
  return { ...base, devices: { ...base.devices, [key]: known } };
}

function forget(base: Base, key: string): Base {
  const { [key]: _, ...devices } = base.devices;
  return { ...base, devices };
}
