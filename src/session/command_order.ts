// Commands on their way to a car: those that wait, and those published but not answered. Counters
// are consecutive, and responses are settled in counter order [COMMAND-COUNTER] [COMMAND-ACK].
import {
  CommandResponseType,
  type Device,
  type ModuleCommand,
  sameDevice,
} from "../protocol/mod.ts";
import type { Dropped, Effect, StepContext } from "./effects.ts";
import { hasDevice, hasDeviceOf, type KnownDevices } from "./known_devices.ts";
import { dequeue, emptyQueue, enqueue, type Queue, queueOf, values } from "./queue.ts";

/** A command and the module it came from. */
export interface WaitingCommand {
  readonly module: number;
  readonly command: ModuleCommand;
}

/** Commands that wait to be published. Immutable. */
export interface CommandStore {
  /** Of modules with a connected device, in order of arrival. */
  readonly ready: Queue<WaitingCommand>;
  /** Bytes of all of them. */
  readonly readyBytes: number;
  /** Of modules without one: only the newest of each [COMMAND-NEWEST]. */
  readonly parked: readonly WaitingCommand[];
  /** Modules that were told to keep their commands. */
  readonly held: readonly number[];
}

/** No command waits. */
export const NO_COMMANDS: CommandStore = {
  ready: emptyQueue(),
  readyBytes: 0,
  parked: [],
  held: [],
};

/** A published command whose response has not been settled. */
export interface SentCommand {
  readonly counter: number;
  /** The module to acknowledge it to; `null` for the empty commands of the connect sequence. */
  readonly module: number | null;
  readonly command: ModuleCommand;
  /** When it was published, in milliseconds. */
  readonly sentAt: number;
  /** The type of its response; `null` until it has come. */
  readonly response: number | null;
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

function dropped(why: Dropped, device: Device, count = 1): Effect {
  return { type: "note", note: { code: "command_dropped", why, device, count } };
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
      context.effects.push(dropped("other_module", command.device));
      return store;
    }
    context.effects.push({
      type: "note",
      note: { code: "command_doubtful", why: "other_module", device: command.device },
    });
  }
  if (!hasDeviceOf(devices, module)) {
    const old = parkedOf(store.parked, module);
    if (old !== undefined) context.effects.push(dropped("superseded", old.command.device));
    return { ...store, parked: withParked(store.parked, waiting) };
  }
  if (store.ready.size >= 2 * settings.maxWaitingCommands) {
    context.effects.push(dropped("queue_full", command.device));
    return store;
  }
  const ready = enqueue(store.ready, waiting);
  const readyBytes = store.readyBytes + commandBytes(command);
  const next = { ...store, ready, readyBytes };
  const isFull = ready.size >= settings.maxWaitingCommands ||
    readyBytes >= settings.maxWaitingCommandBytes;
  if (!isFull || store.held.includes(module)) return next;
  context.effects.push({ type: "hold_commands", module });
  return { ...next, held: [...store.held, module] };
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
  const ready = values(store.ready);
  const gone = [...store.parked, ...ready].filter(isGone);
  const held = store.held.filter((module) => modules.includes(module));
  if (gone.length === 0 && held.length === store.held.length) return store;
  for (const { command } of gone) context.effects.push(dropped("module_removed", command.device));
  const parked = store.parked.filter((one) => !isGone(one));
  return withReady({ ...store, parked, held }, ready.filter((one) => !isGone(one)));
}

/** Drops commands that are stale because their module gets its first device [CONNECT-STALE-COMMANDS]. */
export function dropStale(store: CommandStore, module: number, context: StepContext): CommandStore {
  const old = parkedOf(store.parked, module);
  if (old === undefined) return store;
  context.effects.push(dropped("stale", old.command.device));
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
  const superseded = new Map<number, { device: Device; count: number }>();
  for (const waiting of values(store.ready)) {
    const { module } = waiting;
    if (hasDeviceOf(devices, module)) {
      kept.push(waiting);
      continue;
    }
    const old = parkedOf(parked, module);
    if (old !== undefined) {
      const count = (superseded.get(module)?.count ?? 0) + 1;
      superseded.set(module, { device: old.command.device, count });
    }
    parked = withParked(parked, waiting);
  }
  for (const { device, count } of superseded.values()) {
    context.effects.push(dropped("superseded", device, count));
  }
  return releaseHeld(withReady({ ...store, parked }, kept), context);
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
      context.effects.push(dropped("device_not_listed", device));
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

/** Notes a command that is sent although something is wrong with it [COMMAND-UNCONNECTED]. */
export function noteDoubt(
  { device, data }: ModuleCommand,
  connected: KnownDevices,
  context: StepContext,
): void {
  const why = data.length === 0
    ? "empty"
    : hasDevice(connected, device)
    ? null
    : "device_not_connected";
  if (why === null) return;
  context.effects.push({ type: "note", note: { code: "command_doubtful", why, device } });
}

/** Publishes a command under its counter, which is used up even if publishing fails. */
export function sendCommand(
  { module, command }: { readonly module: number | null; readonly command: ModuleCommand },
  counter: number,
  sessionId: string,
  sentAt: number,
  context: StepContext,
): SentCommand {
  context.effects.push({
    type: "publish",
    message: {
      kind: "command",
      sessionId,
      messageCounter: counter,
      device: command.device,
      commandData: command.data,
    },
  });
  return { counter, module, command, sentAt, response: null };
}

/** Notes the response for `counter`; the same list when no unanswered command has that counter. */
export function withResponse(
  sent: readonly SentCommand[],
  counter: number,
  responseType: number,
): readonly SentCommand[] {
  const first = sent[0];
  if (first === undefined) return sent;
  // Counters are consecutive, so the distance is the index.
  const index = (counter - first.counter) >>> 0;
  const command = sent[index];
  if (command === undefined || command.response !== null) return sent;
  return sent.with(index, { ...command, response: responseType });
}

/**
 * Settles answered commands, from the oldest up to the first without an answer: OK is acknowledged
 * to the command's module, everything else is noted [COMMAND-REFUSED].
 */
export function settleCommands(
  sent: readonly SentCommand[],
  context: StepContext,
): readonly SentCommand[] {
  let settled = 0;
  for (const { counter, module, command, response } of sent) {
    if (response === null) break;
    settled++;
    // An empty command of our own needs no acknowledgement.
    if (module === null) continue;
    if (response === CommandResponseType.OK) {
      context.effects.push({ type: "acknowledge", module, command });
    } else {
      const { device } = command;
      context.effects.push({
        type: "note",
        note: { code: "command_refused", device, responseType: response, counter },
      });
    }
  }
  return settled === 0 ? sent : sent.slice(settled);
}
