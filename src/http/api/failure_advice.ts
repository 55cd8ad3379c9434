// What a failure means and what to do about it, in a sentence or two.
import { FAILURES } from "../../session/mod.ts";
import type { SeenFailure } from "../../observe/mod.ts";

/** What a failure means and what to do. */
export function failureAdvice({ reason, refused, detail }: SeenFailure): string {
  if (reason === "connect_incomplete" && refused.length > 0) {
    return refused.map(({ module, why }) => sentence(refusal(module, why))).join(" ");
  }
  if (reason === "stopped" && detail.includes("paused")) {
    return "An operator has paused the car: resume it, and its gateway can connect.";
  }
  return FAILURES[reason].advice;
}

/** Why a listed device is not connected, and what to do. */
export function deviceAdvice(module: number, why: string): string {
  switch (why) {
    case "left":
      return "The device has left.";
    case "ended":
      return "The session is over.";
    case "device_not_connected":
      return "Its statuses are answered but not forwarded: it has not announced itself as CONNECTING.";
    case "unknown_state":
      return "Its statuses are not forwarded: their state is unknown; check the gateway's version.";
    default:
      return sentence(refusal(module, why));
  }
}

/** `why` is a reason of the session, or what the module returned from `device_connected`. */
function refusal(module: number, why: string): string {
  switch (why) {
    case "unknown_module":
      return `the gateway lists module ${module}; this server has none for the car: add it to the ` +
        "configuration, or take it out of the gateway's";
    case "unsupported":
    case "unsupported_type":
      return `module ${module} does not support the type of a listed device: check the device's ` +
        "type and the module's version";
    case "too_many_devices":
      return "the car has the maximum number of devices: raise limits.max_devices if it needs more";
    case "host_lost":
      return `module ${module} crashed while a device was being connected: see the log`;
    default:
      return `module ${module} refused a device (${why}): see the module's lines in the log`;
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
