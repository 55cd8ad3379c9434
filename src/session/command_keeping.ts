// What the policies of modules make of the commands that wait: how long they are kept, and which are
// sent again [COMMAND-POLICY].
import {
  type CommandStore,
  releaseHeld,
  type WaitingCommand,
  withExpiry,
  withoutThose,
  withReady,
} from "./command_order.ts";
import { expiryOf, policyOf, supersedeKey } from "./command_policy.ts";
import type { StepContext } from "./effects.ts";
import { hasDeviceOf, type KnownDevices } from "./known_devices.ts";
import { queueOf, values } from "./queue.ts";
import type { SentCommand } from "./sent_commands.ts";

/** Drops the commands that are too old now. */
export function withoutExpired(store: CommandStore, context: StepContext): CommandStore {
  const { now, settings } = context;
  if (store.expiresAt === null || now < store.expiresAt) return store;
  const isExpired = (one: WaitingCommand) => (expiryOf(one, settings) ?? Infinity) <= now;
  const rest = withoutThose(store, isExpired, "expired", context);
  return releaseHeld(withEarliestExpiry(rest, context), context);
}

/** Drops all commands: nobody will send them. */
export function withoutAny(store: CommandStore, context: StepContext): CommandStore {
  return { ...withoutThose(store, () => true, "stopped", context), expiresAt: null };
}

/** Holds the commands that wait to the policies of the environment. */
export function withPolicies(store: CommandStore, context: StepContext): CommandStore {
  const { settings } = context;
  const { commandPolicies } = settings;
  if (commandPolicies === undefined && store.expiresAt === null && store.again.length === 0) {
    return store;
  }
  // Nothing would keep those from being sent however old they are.
  const again = new Set(store.again);
  const isLeft = ({ module, sends }: WaitingCommand) =>
    sends <= (policyOf(settings, module)?.redeliver ?? 0);
  const rest = withoutThose(store, (one) => again.has(one) && !isLeft(one), "expired", context);
  const held = (one: WaitingCommand) => {
    const key = supersedeKey(policyOf(settings, one.module), one.command);
    return key === one.key ? one : { ...one, key };
  };
  const ready = queueOf(values(rest.ready).map(held));
  const next = { ...rest, ready, parked: rest.parked.map(held), again: rest.again.map(held) };
  return withEarliestExpiry(next, context);
}

function withEarliestExpiry(store: CommandStore, context: StepContext): CommandStore {
  const waiting = [...store.again, ...values(store.ready), ...store.parked];
  const fresh: CommandStore = { ...store, expiresAt: null };
  return waiting.reduce((next, one) => withExpiry(next, one, context), fresh);
}

/** Keeps published commands of a session that ends, as far as they are to be sent again. */
export function withAgain(
  store: CommandStore,
  sent: readonly SentCommand[],
  context: StepContext,
): CommandStore {
  const waiting = sent.flatMap(({ module, command, id, at, sends }): WaitingCommand[] => {
    // Without an id, it was published by another process, and nobody knows how old it is.
    if (module === null || id === null) return [];
    const policy = policyOf(context.settings, module);
    if (policy === undefined || sends > policy.redeliver) return [];
    return [{ module, command, id, at, key: supersedeKey(policy, command), sends }];
  });
  if (waiting.length === 0) return store;
  const kept: CommandStore = { ...store, again: [...store.again, ...waiting] };
  return waiting.reduce((next, one) => withExpiry(next, one, context), kept);
}

/** Puts those to be sent again before all others once their module has a device. */
export function resumeAgain(store: CommandStore, devices: KnownDevices): CommandStore {
  if (store.again.length === 0) return store;
  const isComing = ({ module }: WaitingCommand) => hasDeviceOf(devices, module);
  const coming = store.again.filter(isComing);
  if (coming.length === 0) return store;
  const again = store.again.filter((one) => !isComing(one));
  return withReady({ ...store, again }, [...coming, ...values(store.ready)]);
}
