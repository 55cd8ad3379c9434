// Connects and disconnects devices within a session [CONNECT-DEVICES] [STATUS-STATES].
import { type CallOutcome, type Device, DisconnectType, withoutPriority } from "../protocol/mod.ts";
import { dropStale, parkOrphans } from "./command_order.ts";
import type { NotForwarded, StepContext } from "./effects.ts";
import {
  findDevice,
  hasDeviceOf,
  type KnownDevices,
  withDevice,
  withoutDevice,
} from "./known_devices.ts";
import type { Base, Established } from "./state.ts";

/** Takes the result of `device_connected`; OK makes the device connected. */
export function onDeviceResult<S extends Established>(
  session: S,
  device: Device,
  outcome: CallOutcome,
  context: StepContext,
): S {
  if (outcome !== "ok") {
    const why = refusal(outcome);
    context.effects.push({
      type: "note",
      note: { code: "device_not_connected", device, why, outcome },
    });
    return session;
  }
  context.effects.push({ type: "note", note: { code: "device_connected", device } });
  const { devices, base } = session;
  const commands = hasDeviceOf(devices, device.module)
    ? base.commands
    : dropStale(base.commands, device.module, context);
  return { ...session, base: { ...base, commands }, devices: withDevice(devices, device) };
}

/** Why a device is not served after an outcome of `device_connected` other than `ok`. */
export function refusal(outcome: CallOutcome): NotForwarded {
  return outcome === "unsupported" ? "unsupported_type" : "device_refused";
}

/** Disconnects a device that has left; does nothing when it is not connected. */
export function onDeviceLeft<S extends { readonly base: Base; readonly devices: KnownDevices }>(
  session: S,
  device: Device,
  context: StepContext,
): S {
  // The module gets the device as it connected, even if its name has changed since.
  const known = findDevice(session.devices, device);
  if (known === undefined) return session;
  context.effects.push(
    {
      type: "disconnect_device",
      disconnect: DisconnectType.ANNOUNCED,
      device: withoutPriority(known),
      ifConnected: false,
    },
    { type: "note", note: { code: "device_disconnected", device: known } },
  );
  const { base } = session;
  const devices = withoutDevice(session.devices, device);
  const commands = parkOrphans(base.commands, devices, context);
  return { ...session, base: { ...base, commands }, devices };
}
