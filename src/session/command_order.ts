// Commands on their way to a car: those that wait, and those published but not answered. Counters are
// consecutive, and responses are settled in counter order [COMMAND-COUNTER] [COMMAND-ACK].
import {
  CommandResponseType,
  type Device,
  deviceKey,
  type ModuleCommand,
} from "../protocol/mod.ts";
import type { Dropped, Effect } from "./effects.ts";
import { hasDeviceOf, isConnected, type KnownDevices } from "./known_devices.ts";
import { dequeue, emptyQueue, enqueue, type Queue, queueOf, values } from "./queue.ts";
import type { SessionSettings } from "./settings.ts";

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
  readonly parked: ReadonlyMap<number, ModuleCommand>;
  /** Modules that were told to keep their commands. */
  readonly held: ReadonlySet<number>;
}

/** No command waits. */
export const NO_COMMANDS: CommandStore = {
  ready: emptyQueue(),
  readyBytes: 0,
  parked: new Map(),
  held: new Set(),
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

/** Bytes of memory that a waiting command takes; texts count by characters. */
export function commandBytes({ device, data }: ModuleCommand): number {
  return data.length + device.deviceRole.length + device.deviceName.length;
}

function withReady(store: CommandStore, ready: readonly WaitingCommand[]): CommandStore {
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

function dropped(why: Dropped, device: Device, count = 1): Effect {
  return { type: "note", note: { code: "command_dropped", why, device, count } };
}

/** Stores a command of `module`, drops one if the limits require it, and holds a module that floods. */
export function storeCommand(
  store: CommandStore,
  devices: KnownDevices,
  waiting: WaitingCommand,
  settings: SessionSettings,
  effects: Effect[],
): CommandStore {
  const { module, command } = waiting;
  if (command.device.module !== module) {
    if (!settings.sendInvalidCommand) {
      effects.push(dropped("other_module", command.device));
      return store;
    }
    effects.push({
      type: "note",
      note: { code: "command_doubtful", why: "other_module", device: command.device },
    });
  }
  if (!hasDeviceOf(devices, module)) {
    const old = store.parked.get(module);
    if (old !== undefined) effects.push(dropped("superseded", old.device));
    return { ...store, parked: new Map(store.parked).set(module, command) };
  }
  if (store.ready.size >= 2 * settings.maxWaitingCommands) {
    effects.push(dropped("queue_full", command.device));
    return store;
  }
  const ready = enqueue(store.ready, waiting);
  const readyBytes = store.readyBytes + commandBytes(command);
  const next = { ...store, ready, readyBytes };
  const isFull = ready.size >= settings.maxWaitingCommands ||
    readyBytes >= settings.maxWaitingCommandBytes;
  if (!isFull || store.held.has(module)) return next;
  effects.push({ type: "hold_commands", module });
  return { ...next, held: new Set(store.held).add(module) };
}

/** Releases held modules when half of the waiting commands have left. */
export function releaseHeld(
  store: CommandStore,
  settings: SessionSettings,
  effects: Effect[],
): CommandStore {
  if (store.held.size === 0) return store;
  const { ready, readyBytes } = store;
  const { maxWaitingCommands, maxWaitingCommandBytes } = settings;
  if (ready.size > maxWaitingCommands / 2 || readyBytes > maxWaitingCommandBytes / 2) return store;
  for (const module of store.held) effects.push({ type: "release_commands", module });
  return { ...store, held: new Set() };
}

/** Drops commands of modules that the car no longer has; the same store when there are none. */
export function withoutModules(
  store: CommandStore,
  modules: ReadonlySet<number>,
  effects: Effect[],
): CommandStore {
  const gone = [...store.parked.keys(), ...store.held].some((module) => !modules.has(module)) ||
    values(store.ready).some(({ module }) => !modules.has(module));
  if (!gone) return store;
  const parked = new Map(store.parked);
  for (const [module, { device }] of store.parked) {
    if (modules.has(module)) continue;
    parked.delete(module);
    effects.push(dropped("module_removed", device));
  }
  const kept: WaitingCommand[] = [];
  for (const waiting of values(store.ready)) {
    if (modules.has(waiting.module)) kept.push(waiting);
    else effects.push(dropped("module_removed", waiting.command.device));
  }
  const held = new Set([...store.held].filter((module) => modules.has(module)));
  return withReady({ ...store, parked, held }, kept);
}

/** Drops commands that are stale because their module gets its first device [CONNECT-STALE-COMMANDS]. */
export function dropStale(store: CommandStore, module: number, effects: Effect[]): CommandStore {
  const old = store.parked.get(module);
  if (old === undefined) return store;
  effects.push(dropped("stale", old.device));
  const parked = new Map(store.parked);
  parked.delete(module);
  return { ...store, parked };
}

/** Keeps only the newest waiting command of every module without a connected device. */
export function parkOrphans(
  store: CommandStore,
  devices: KnownDevices,
  settings: SessionSettings,
  effects: Effect[],
): CommandStore {
  if (store.ready.size === 0) return releaseHeld(store, settings, effects);
  const parked = new Map(store.parked);
  const kept: WaitingCommand[] = [];
  const superseded = new Map<number, { device: Device; count: number }>();
  for (const waiting of values(store.ready)) {
    const { module, command } = waiting;
    if (hasDeviceOf(devices, module)) {
      kept.push(waiting);
      continue;
    }
    const old = parked.get(module);
    if (old !== undefined) {
      const count = (superseded.get(module)?.count ?? 0) + 1;
      superseded.set(module, { device: old.device, count });
    }
    parked.set(module, command);
  }
  for (const { device, count } of superseded.values()) {
    effects.push(dropped("superseded", device, count));
  }
  return releaseHeld(withReady({ ...store, parked }, kept), settings, effects);
}

/**
 * Takes the oldest command of each connected device; drops those of devices not listed
 * [CONNECT-FIRST-COMMANDS]. Commands for listed devices that are not connected stay, and so do
 * further ones of the same device.
 */
export function takeFirstCommands(
  store: CommandStore,
  listed: ReadonlyMap<string, Device>,
  connected: KnownDevices,
  effects: Effect[],
): readonly [first: ReadonlyMap<string, WaitingCommand>, store: CommandStore] {
  if (store.ready.size === 0) return [new Map(), store];
  const first = new Map<string, WaitingCommand>();
  const rest: WaitingCommand[] = [];
  for (const waiting of values(store.ready)) {
    const key = deviceKey(waiting.command.device);
    if (!listed.has(key)) {
      effects.push(dropped("device_not_listed", waiting.command.device));
    } else if (first.has(key) || !connected.has(key)) {
      rest.push(waiting);
    } else {
      first.set(key, waiting);
    }
  }
  return [first, withReady(store, rest)];
}

/** Notes a command that is sent although something is wrong with it [COMMAND-UNCONNECTED]. */
export function noteDoubt(
  { device, data }: ModuleCommand,
  connected: KnownDevices,
  effects: Effect[],
): void {
  const why = data.length === 0
    ? "empty"
    : isConnected(connected, device)
    ? null
    : "device_not_connected";
  if (why === null) return;
  effects.push({ type: "note", note: { code: "command_doubtful", why, device } });
}

/** Publishes a command under its counter, which is used up even if publishing fails. */
export function sendCommand(
  { module, command }: { readonly module: number | null; readonly command: ModuleCommand },
  counter: number,
  sessionId: string,
  now: number,
  effects: Effect[],
): SentCommand {
  effects.push({
    type: "publish",
    message: {
      kind: "command",
      sessionId,
      messageCounter: counter,
      device: command.device,
      commandData: command.data,
    },
  });
  return { counter, module, command, sentAt: now, response: null };
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
 * Settles answered commands, from the oldest up to the first without an answer: OK is acknowledged to
 * the command's module, everything else is noted [COMMAND-REFUSED].
 */
export function settleCommands(
  sent: readonly SentCommand[],
  effects: Effect[],
): readonly SentCommand[] {
  let settled = 0;
  for (const { counter, module, command, response } of sent) {
    if (response === null) break;
    settled++;
    // An empty command of our own needs no acknowledgement.
    if (module === null) continue;
    if (response === CommandResponseType.OK) {
      effects.push({ type: "acknowledge", module, command });
    } else {
      const { device } = command;
      effects.push({
        type: "note",
        note: { code: "command_refused", device, responseType: response, counter },
      });
    }
  }
  return settled === 0 ? sent : sent.slice(settled);
}
