// Commands that wait to be sent to a car: in order, bounded, the newest of a module without a device
// [COMMAND-NEWEST].
import { type Device, type ModuleCommand, sameDevice } from "../protocol/mod.ts";
import { expiryOf, policyOf, supersedeKey } from "./command_policy.ts";
import type { Dropped, Effect, Environment, StepContext } from "./effects.ts";
import { hasDevice, hasDeviceOf, type KnownDevices } from "./known_devices.ts";
import { dequeue, emptyQueue, enqueue, type Queue, queueOf, values } from "./queue.ts";

/** A command and the module it came from. */
export interface WaitingCommand {
  readonly module: number;
  readonly command: ModuleCommand;
  /** `null`: nobody follows it. */
  readonly id: string | null;
  /** When its module gave it, in milliseconds. */
  readonly at: number;
  /** See {@linkcode supersedeKey}. */
  readonly key: string | null;
  /** How often it was published. */
  readonly sends: number;
}

/** Commands that wait to be published. Immutable. */
export interface CommandStore {
  /** Of modules with a connected device, in order of arrival. */
  readonly ready: Queue<WaitingCommand>;
  /** Bytes of all of them. */
  readonly readyBytes: number;
  /** Of modules without one: only the newest of each [COMMAND-NEWEST]. */
  readonly parked: readonly WaitingCommand[];
  /** Published without a response in a session that has ended, to be sent again before all others. */
  readonly again: readonly WaitingCommand[];
  /** The earliest moment at which one of them may be too old; `null`: none will be. */
  readonly expiresAt: number | null;
  /** Modules that were told to keep their commands. */
  readonly held: readonly number[];
}

/** No command waits. */
export const NO_COMMANDS: CommandStore = {
  ready: emptyQueue(),
  readyBytes: 0,
  parked: [],
  again: [],
  expiresAt: null,
  held: [],
};

/** A command that a module has just given. */
export function poppedCommand(
  module: number,
  command: ModuleCommand,
  id: string | undefined,
  { now, settings }: Environment,
): WaitingCommand {
  const key = supersedeKey(policyOf(settings, module), command);
  return { module, command, id: id ?? null, at: now, key, sends: 0 };
}

/** Bytes of memory that a waiting command takes; strings count by characters. */
export function commandBytes({ device, data }: ModuleCommand): number {
  return data.length + device.deviceRole.length + device.deviceName.length;
}

/** The store with these commands as the ready ones. */
export function withReady(store: CommandStore, ready: readonly WaitingCommand[]): CommandStore {
  const readyBytes = ready.reduce((sum, { command }) => sum + commandBytes(command), 0);
  return { ...store, ready: queueOf(ready), readyBytes };
}

/** Takes the oldest ready command; `null` when there is none. */
export function takeReady(
  store: CommandStore,
): readonly [waiting: WaitingCommand, store: CommandStore] | null {
  const taken = dequeue(store.ready);
  if (taken === null) return null;
  const [waiting, ready] = taken;
  return [waiting, {
    ...store,
    ready,
    readyBytes: store.readyBytes - commandBytes(waiting.command),
  }];
}

function parkedOf(parked: readonly WaitingCommand[], module: number): WaitingCommand | undefined {
  return parked.find((one) => one.module === module);
}

/** A command takes the place of an older one of its module. */
function withParked(
  parked: readonly WaitingCommand[],
  waiting: WaitingCommand,
): readonly WaitingCommand[] {
  const index = parked.findIndex(({ module }) => module === waiting.module);
  return index < 0 ? [...parked, waiting] : parked.with(index, waiting);
}

/** Notes commands, at least one, that are not sent; the note names the device of the last. */
function dropped(why: Dropped, commands: readonly WaitingCommand[]): Effect {
  const device = commands.at(-1)?.command.device as Device;
  const ids = commands.flatMap(({ id }) => id ?? []);
  const named = ids.length === 0 ? {} : { commandIds: ids };
  const { length: count } = commands;
  return { type: "note", note: { code: "command_dropped", why, device, count, ...named } };
}

/** Stores a command of `module`, drops one if the limits require it, and holds a module that floods. */
export function storeCommand(
  store: CommandStore,
  devices: KnownDevices,
  waiting: WaitingCommand,
  context: StepContext,
): CommandStore {
  const { module, command } = waiting;
  const { settings } = context;
  if (command.device.module !== module) {
    if (!settings.sendInvalidCommand) {
      context.effects.push(dropped("other_module", [waiting]));
      return store;
    }
    context.effects.push({
      type: "note",
      note: { code: "command_doubtful", why: "other_module", device: command.device },
    });
  }
  const rest = withoutReplaced(store, waiting, context);
  if (!hasDeviceOf(devices, module)) {
    const old = parkedOf(rest.parked, module);
    if (old !== undefined) context.effects.push(dropped("superseded", [old]));
    return withExpiry({ ...rest, parked: withParked(rest.parked, waiting) }, waiting, context);
  }
  if (rest.ready.size >= 2 * settings.maxWaitingCommands) {
    context.effects.push(dropped("queue_full", [waiting]));
    return rest;
  }
  const ready = enqueue(rest.ready, waiting);
  const readyBytes = rest.readyBytes + commandBytes(command);
  const next = withExpiry({ ...rest, ready, readyBytes }, waiting, context);
  const isFull = ready.size >= settings.maxWaitingCommands ||
    readyBytes >= settings.maxWaitingCommandBytes;
  if (!isFull || next.held.includes(module)) return next;
  context.effects.push({ type: "hold_commands", module });
  return { ...next, held: [...next.held, module] };
}

/** Drops the commands whose place a newer one takes, which goes behind all others. */
export function withoutReplaced(
  store: CommandStore,
  { module, command, key }: WaitingCommand,
  context: StepContext,
): CommandStore {
  if (key === null) return store;
  const isReplaced = (one: WaitingCommand) =>
    one.key === key && one.module === module && sameDevice(one.command.device, command.device);
  return withoutThose(store, isReplaced, "replaced", context);
}

export function withoutThose(
  store: CommandStore,
  isGone: (waiting: WaitingCommand) => boolean,
  why: Dropped,
  context: StepContext,
): CommandStore {
  const ready = values(store.ready);
  const gone = [...store.again, ...ready, ...store.parked].filter(isGone);
  if (gone.length === 0) return store;
  for (const one of gone) context.effects.push(dropped(why, [one]));
  const isLeft = (one: WaitingCommand) => !isGone(one);
  const again = store.again.filter(isLeft);
  const parked = store.parked.filter(isLeft);
  return withReady({ ...store, again, parked }, ready.filter(isLeft));
}

export function withExpiry(
  store: CommandStore,
  waiting: WaitingCommand,
  { settings }: Environment,
): CommandStore {
  const expiry = expiryOf(waiting, settings);
  if (expiry === null || expiry >= (store.expiresAt ?? Infinity)) return store;
  return { ...store, expiresAt: expiry };
}

/** Releases held modules when half of the waiting commands have left. */
export function releaseHeld(store: CommandStore, context: StepContext): CommandStore {
  if (store.held.length === 0) return store;
  const { ready, readyBytes } = store;
  const { maxWaitingCommands, maxWaitingCommandBytes } = context.settings;
  if (ready.size > maxWaitingCommands / 2 || readyBytes > maxWaitingCommandBytes / 2) return store;
  for (const module of store.held) context.effects.push({ type: "release_commands", module });
  return { ...store, held: [] };
}

/** Drops commands of modules that the car no longer has; the same store when there are none. */
export function withoutModules(
  store: CommandStore,
  modules: readonly number[],
  context: StepContext,
): CommandStore {
  const isGone = ({ module }: { readonly module: number }) => !modules.includes(module);
  const rest = withoutThose(store, isGone, "module_removed", context);
  const held = rest.held.filter((module) => modules.includes(module));
  return held.length === rest.held.length ? rest : { ...rest, held };
}

/** Drops commands that are stale because their module gets its first device [CONNECT-STALE-COMMANDS]. */
export function dropStale(store: CommandStore, module: number, context: StepContext): CommandStore {
  const old = parkedOf(store.parked, module);
  if (old === undefined) return store;
  context.effects.push(dropped("stale", [old]));
  return { ...store, parked: store.parked.filter((one) => one !== old) };
}

/** Keeps only the newest waiting command of every module without a connected device. */
export function parkOrphans(
  store: CommandStore,
  devices: KnownDevices,
  context: StepContext,
): CommandStore {
  if (store.ready.size === 0) return releaseHeld(store, context);
  let { parked } = store;
  const kept: WaitingCommand[] = [];
  const again = [...store.again];
  const superseded = new Map<number, WaitingCommand[]>();
  for (const waiting of values(store.ready)) {
    const { module } = waiting;
    if (hasDeviceOf(devices, module)) {
      kept.push(waiting);
      continue;
    }
    if (waiting.sends > 0) {
      again.push(waiting);
      continue;
    }
    const old = parkedOf(parked, module);
    if (old !== undefined) {
      const gone = superseded.get(module);
      if (gone === undefined) superseded.set(module, [old]);
      else gone.push(old);
    }
    parked = withParked(parked, waiting);
  }
  for (const gone of superseded.values()) context.effects.push(dropped("superseded", gone));
  return releaseHeld(withReady({ ...store, parked, again }, kept), context);
}

/**
 * Takes the oldest command of each connected device; drops those of devices not listed
 * [CONNECT-FIRST-COMMANDS]. Commands for listed devices that are not connected stay, and so do
 * further ones of the same device.
 */
export function takeFirstCommands(
  store: CommandStore,
  listed: KnownDevices,
  connected: KnownDevices,
  context: StepContext,
): readonly [first: readonly WaitingCommand[], store: CommandStore] {
  if (store.ready.size === 0) return [[], store];
  const first: WaitingCommand[] = [];
  const rest: WaitingCommand[] = [];
  for (const waiting of values(store.ready)) {
    const { device } = waiting.command;
    if (!hasDevice(listed, device)) {
      context.effects.push(dropped("device_not_listed", [waiting]));
    } else if (firstOf(first, device) !== undefined || !hasDevice(connected, device)) {
      rest.push(waiting);
    } else {
      first.push(waiting);
    }
  }
  return [first, withReady(store, rest)];
}

/** The command for a device among those that {@linkcode takeFirstCommands} took. */
export function firstOf(
  first: readonly WaitingCommand[],
  device: Device,
): WaitingCommand | undefined {
  return first.find(({ command }) => sameDevice(command.device, device));
}
