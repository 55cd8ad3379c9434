// Forwarding statuses to modules.
import { counterDistance, type Status, withoutPriority } from "../protocol/mod.ts";
import type { Effect, StepContext } from "./effects.ts";
import { hasDevice } from "./known_devices.ts";
import type { Connecting } from "./state.ts";

/**
 * The effect that forwards a status, and its error message if it has one, to its module.
 *
 * @param answered whether the gateway already has its answer
 */
export function forward(epoch: number, status: Status, answered = false): Effect {
  return {
    type: "forward",
    answered,
    epoch,
    counter: status.messageCounter,
    device: withoutPriority(status.device),
    data: status.statusData,
    errorMessage: status.errorMessage,
  };
}

/**
 * Forwards the first statuses of connected devices in counter order [CONNECT-STATUS-FORWARD]. They
 * have been answered already, so they are forwarded even if the sequence fails later.
 */
export function forwardHeard(
  session: Connecting,
  heard: readonly Status[],
  context: StepContext,
): void {
  const inOrder = heard.toSorted((a, b) => counterDistance(a.messageCounter, b.messageCounter));
  for (const status of inOrder) {
    if (hasDevice(session.devices, status.device)) {
      context.effects.push(forward(session.base.epoch, status, true));
    }
  }
}
