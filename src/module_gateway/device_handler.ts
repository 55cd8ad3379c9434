// The driver of the module handler: devices, modules and time in, what the core of each device
// decides out.
import type { InternalServer, ModuleHandler } from "../internal_server/mod.ts";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import {
  createDevice,
  type DeviceState,
  type Effect,
  type Environment,
  type HandlerSettings,
  heldBytes,
  type Input,
  isForgotten,
  nextDeadline,
  type ReportReason,
  step,
} from "../module_handler/mod.ts";
import { type Device, deviceKey, NO_BYTES } from "../protocol/mod.ts";
import { Alarm, type Clock } from "../time/mod.ts";
import type { ModuleCalls } from "./module_calls.ts";
import type { DeviceSnapshot } from "./snapshot.ts";
import type { Turns } from "./turns.ts";

/** What all devices together may have waiting for their modules, in bytes; more is not taken. */
const MAX_HELD_BYTES = 64 * 1024 * 1024;

/** Who answers devices. */
type Answers = Pick<InternalServer, "answerConnect" | "answerStatus" | "push" | "dead">;

/** Who tells the cloud. */
type Report = (device: Device, data: Uint8Array, why: ReportReason) => void;

export interface DeviceHandlerOptions {
  readonly settings: HandlerSettings;
  readonly calls: Pick<ModuleCalls, "call" | "learn">;
  readonly turns: Turns;
  readonly log: Log;
  readonly clock: Clock;
  readonly answers: Answers;
  readonly report: Report;
}

/** One device that something is known of, or to be done for. */
interface Entry {
  readonly key: string;
  readonly alarm: Alarm;
  state: DeviceState;
  statusAt: number | null;
  command: Uint8Array;
  commandAt: number | null;
}

/** Decides about the devices of a gateway. */
export class DeviceHandler implements ModuleHandler {
  readonly #options: DeviceHandlerOptions;
  readonly #devices = new Map<string, Entry>();
  readonly #once: Once;
  readonly #inputs: [entry: Entry, input: Input][] = [];
  #heldBytes = 0;
  #busy = false;
  #stopped = false;

  constructor(options: DeviceHandlerOptions) {
    this.#options = options;
    this.#once = new Once({ clock: options.clock });
  }

  /** See {@linkcode ModuleHandler}. */
  onConnected(device: Device, request: number): void {
    this.#take(this.#entry(device), { type: "connected", device, request });
  }

  /** See {@linkcode ModuleHandler}. */
  onStatus(device: Device, data: Uint8Array, request: number): void {
    if (!this.#hasRoomFor(device, data)) return;
    this.#take(this.#entry(device), { type: "status", device, request, data });
  }

  /** See {@linkcode ModuleHandler}. */
  onDisconnected(device: Device): void {
    this.#take(this.#entry(device), { type: "disconnected", device });
  }

  /** The cloud has a command for a device. */
  command(device: Device, data: Uint8Array): void {
    if (!this.#hasRoomFor(device, data)) return;
    this.#take(this.#entry(device), { type: "command", device, data });
  }

  /** Reports the current status of every device of these modules [HANDLER-FORCE]. */
  force(modules: readonly number[]): void {
    for (const entry of this.#devices.values()) {
      const module = entry.state.aggregate?.device.module;
      if (module !== undefined && modules.includes(module)) this.#take(entry, { type: "force" });
    }
  }

  /** Does nothing more, and leaves no timer. */
  stop(): void {
    this.#stopped = true;
    for (const { alarm } of this.#devices.values()) alarm.set(Infinity);
    this.#devices.clear();
  }

  snapshot(): DeviceSnapshot[] {
    return [...this.#devices.values()].flatMap(({ key, state, ...known }) => {
      const { aggregate, jobs, active } = state;
      if (aggregate === null) return [];
      return [{
        key,
        device: aggregate.device,
        status: aggregate.status,
        statusAt: known.statusAt,
        command: known.command,
        commandAt: known.commandAt,
        waitingCommands: aggregate.commands.length,
        waitingJobs: jobs.length + (active === null ? 0 : 1),
      }];
    });
  }

  #entry(device: Device): Entry {
    const key = deviceKey(device);
    const known = this.#devices.get(key);
    if (known !== undefined) return known;
    const entry: Entry = {
      key,
      alarm: new Alarm(this.#options.clock, () => this.#take(entry, { type: "tick" })),
      state: createDevice(),
      statusAt: null,
      command: NO_BYTES,
      commandAt: null,
    };
    if (!this.#stopped) this.#devices.set(key, entry);
    return entry;
  }

  /** Without room, devices that have no answer go, and the cloud's commands are dropped. */
  #hasRoomFor(device: Device, { length }: Uint8Array): boolean {
    if (this.#heldBytes + length <= MAX_HELD_BYTES) return true;
    const count = this.#once.ask("held bytes");
    if (count !== undefined) {
      const key = deviceKey(device);
      this.#options.log.warning(() =>
        `Dropped ${length} bytes for device ${key}: modules have not taken ${this.#heldBytes} bytes` +
        andSuppressed(count)
      );
    }
    return false;
  }

  /** Takes an input, and those that come while its effects are carried out, one after the other. */
  #take(entry: Entry, input: Input): void {
    if (this.#stopped) return;
    this.#inputs.push([entry, input]);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        this.#advance(...next);
      }
    } finally {
      this.#busy = false;
    }
  }

  #advance(entry: Entry, input: Input): void {
    const { turns, clock, settings } = this.#options;
    const environment: Environment = { now: clock.now(), settings };
    const before = entry.state;
    const { state: after, effects } = step(before, input, environment);
    entry.state = after;
    this.#heldBytes += heldBytes(after) - heldBytes(before);
    if (input.type === "status") entry.statusAt = Math.floor(environment.now);
    for (const effect of effects) {
      turns.guard(effect.type, () => this.#perform(entry, effect, environment));
    }
    const { key: device } = entry;
    turns.tell({ kind: "device", device, at: environment.now, input, before, after, effects });
    if (this.#stopped) return;
    entry.alarm.set(nextDeadline(after, environment));
    if (!isForgotten(after)) this.#devices.set(device, entry);
    else if (this.#devices.get(device) === entry) this.#devices.delete(device);
  }

  #perform(entry: Entry, effect: Effect, { now }: Environment): void {
    const { answers, calls, report } = this.#options;
    switch (effect.type) {
      case "call":
        return calls.call(effect.module, effect.call, (outcome) => {
          this.#take(entry, { type: "returned", id: effect.id, outcome });
        });
      case "answer_connect":
        calls.learn(effect.device, effect.responseType);
        return answers.answerConnect(effect.device, effect.request, effect.responseType);
      case "answer_status":
        if (effect.command.length > 0) this.#noteCommand(entry, effect.command, now);
        return answers.answerStatus(effect.device, effect.request, effect.command);
      case "push":
        this.#noteCommand(entry, effect.command, now);
        return answers.push(effect.device, effect.command);
      case "dead":
        return answers.dead(effect.device);
      case "report":
        return report(effect.device, effect.data, effect.why);
      // For subscribers.
      case "dropped":
      case "call_failed":
    }
  }

  #noteCommand(entry: Entry, command: Uint8Array, now: number): void {
    entry.command = command;
    entry.commandAt = Math.floor(now);
  }
}
