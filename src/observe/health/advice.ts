// What causes mean for operators and what to do about them, in a sentence or two.
import { FAILURES } from "../../session/mod.ts";
import { type CauseCode, isOwnCause, type OwnCause, type Unserved } from "./health.ts";

const ADVICE: Readonly<Record<OwnCause, string>> = {
  broker_away: FAILURES.broker_lost.advice,
  modules_away:
    "No gateway can connect until every module of the car is there: see the log for what it printed.",
  module_refuses_statuses:
    "The gateway has its answers, but the module does not take the data: see the module's lines in the log.",
  slow_responses:
    "A module takes long for statuses, and a gateway waits 30 s at most: find out why, or send it fewer.",
  growing_backlog:
    "The car sends more than its modules take: find out what slows them down, or send fewer.",
  commands_kept:
    "The gateway does not answer commands as fast as the module makes them: check the link to the car.",
  gateway_refuses_commands:
    "The gateway does not take the module's commands: check the devices that they are for.",
  devices_not_connected: "Statuses of these devices are answered but not forwarded.",
};

/** What a cause means and what to do; `unserved`: devices that its session could not serve. */
export function causeAdvice(code: CauseCode, { reasons }: Unserved): string {
  const isAboutDevices = code === "connect_incomplete" || code === "devices_not_connected";
  if (isAboutDevices && reasons.length > 0) {
    return reasons.map(({ module, why }) => sentence(refusal(module, why))).join(" ");
  }
  return isOwnCause(code) ? ADVICE[code] : FAILURES[code].advice;
}

/** Why a listed device is not connected, and what to do. */
export function deviceAdvice(module: number, why: string): string {
  switch (why) {
    case "left":
      return "The device has left.";
    case "ended":
      return "The session is over.";
    default:
      return sentence(refusal(module, why));
  }
}

/** `why` is a reason of the session, or what the module returned from `device_connected`. */
function refusal(module: number, why: string): string {
  switch (why) {
    case "device_not_connected":
      return "its statuses are answered but not forwarded: it has not announced itself as CONNECTING";
    case "unknown_state":
      return "its statuses are not forwarded: their state is unknown; check the gateway's version";
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
