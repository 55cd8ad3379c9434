// A script as a module of the server: its class has an object for each context.
import type { CallOutcome } from "../../protocol/mod.ts";
import { type Clock, systemClock } from "../../time/mod.ts";
import type { Device, DisconnectReason, ServerModule } from "../../fleet_module/mod.ts";
import { LibraryError } from "../errors.ts";
import type { InitParameters, LoadModule, Module, PoppedCommand } from "../host/module.ts";
import { DEVICE_HEAD_BYTES, type DeviceData } from "../wire/device_data.ts";
import { ScriptIsolate } from "./script_isolate.ts";

/** What the class of a module must have. */
const METHODS = [
  "static isDeviceTypeSupported",
  ...[
    "deviceConnected",
    "deviceDisconnected",
    "forwardStatus",
    "forwardErrorMessage",
    "commandAck",
  ] satisfies (keyof ServerModule)[],
] as const;

const REASONS: readonly DisconnectReason[] = ["announced", "timeout", "error"];
const NO_COMMAND: PoppedCommand = { remaining: -2, byteLength: 0, copyTo() {} };

/** One context. Of its commands, the next one is fetched ahead. */
interface ScriptContext {
  /** The object of the module's class. */
  readonly object: number;
  next: PoppedCommand | null;
  /** Why the next command could not be fetched. */
  failure: Error | null;
  /** Whether it is being fetched, or there will be no more. */
  fetching: boolean;
  /** Ends a wait for it. */
  wake: (() => void) | null;
}

/** A script in its worker. Outcomes: `false` and errors are `not_ok`, everything else is `ok`. */
export class ScriptModule implements Module<ScriptContext> {
  readonly #isolate: ScriptIsolate;
  readonly #clock: Clock;

  constructor(isolate: ScriptIsolate, clock: Clock) {
    this.#isolate = isolate;
    this.#clock = clock;
  }

  /**
   * Loads scripts, each within a time in milliseconds.
   *
   * @throws {LibraryError} (by rejecting) as {@linkcode ScriptIsolate.load}.
   */
  static loader(timeoutMs: number, clock: Clock = systemClock): LoadModule {
    return async (path, { script, permissions = {} }) => {
      if (script === undefined) throw new LibraryError("library", "it is no script");
      const order = { path, script, permissions, methods: METHODS, timeoutMs, clock };
      return new ScriptModule(await ScriptIsolate.load(order), clock);
    };
  }

  get failed(): Promise<string> {
    return this.#isolate.failed;
  }

  getModuleNumber(): number {
    return this.#isolate.number;
  }

  async isDeviceTypeSupported(deviceType: number): Promise<CallOutcome> {
    const args = [deviceType];
    return outcomeOf(await this.#isolate.ask({ static: "isDeviceTypeSupported", args }));
  }

  async init(parameters: InitParameters): Promise<ScriptContext> {
    const { company_name: company, car_name: car, ...config } = Object.fromEntries(parameters);
    const object = await this.#isolate.make({ company, car, config });
    return { object, next: null, failure: null, fetching: false, wake: null };
  }

  async destroy({ object }: ScriptContext): Promise<CallOutcome> {
    return outcomeOf(await this.#isolate.ask({ drop: object }));
  }

  forwardStatus(call: DeviceData, context: ScriptContext): Promise<CallOutcome> {
    return this.#call(context, "forwardStatus", call.data, deviceOf(call));
  }

  forwardErrorMessage(call: DeviceData, context: ScriptContext): Promise<CallOutcome> {
    return this.#call(context, "forwardErrorMessage", call.data, deviceOf(call));
  }

  deviceConnected(call: DeviceData, context: ScriptContext): Promise<CallOutcome> {
    return this.#call(context, "deviceConnected", deviceOf(call));
  }

  deviceDisconnected(type: number, call: DeviceData, context: ScriptContext) {
    return this.#call(context, "deviceDisconnected", deviceOf(call), REASONS[type] ?? "error");
  }

  commandAck(call: DeviceData, context: ScriptContext): Promise<CallOutcome> {
    return this.#call(context, "commandAck", call.data, deviceOf(call));
  }

  async waitForCommand(timeoutMs: number, context: ScriptContext): Promise<CallOutcome> {
    if (!context.fetching && context.next === null) void this.#fetch(context);
    // A timer and one callback: a race with a promise that stays would keep every loser.
    if (context.next === null && context.failure === null) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.set(() => context.wake?.(), timeoutMs);
        context.wake = () => {
          this.#clock.clear(timer);
          context.wake = null;
          resolve();
        };
      });
    }
    const { failure } = context;
    context.failure = null;
    if (failure !== null) throw failure;
    return context.next === null ? "timeout_occurred" : "ok";
  }

  popCommand(context: ScriptContext): PoppedCommand {
    const { next } = context;
    context.next = null;
    return next ?? NO_COMMAND;
  }

  deallocate(): void {}

  async #call(
    { object }: ScriptContext,
    method: keyof ServerModule & string,
    ...args: readonly unknown[]
  ): Promise<CallOutcome> {
    return outcomeOf(await this.#isolate.ask({ of: object, method, args, wants: "answer" }));
  }

  async #fetch(context: ScriptContext): Promise<void> {
    context.fetching = true;
    try {
      const command = await this.#isolate.ask({ next: context.object });
      // Without any more, there is nothing to fetch.
      if (command === null) return;
      context.next = encode(command, this.#isolate.number);
      context.fetching = false;
    } catch (error) {
      context.failure = error as Error;
      context.fetching = false;
    }
    context.wake?.();
  }
}

function outcomeOf(answer: unknown): CallOutcome {
  return answer === false ? "not_ok" : "ok";
}

function deviceOf({ device }: DeviceData): Device {
  const { module, deviceType: type, deviceRole: role, deviceName: name } = device;
  return { module, type, role, name };
}

/** A command in the layout of {@linkcode DeviceData}. Modules may hand out anything. */
function encode(command: unknown, module: number): PoppedCommand {
  const { device, data } = Object(command);
  const { type, role, name } = Object(device);
  if (
    !(data instanceof Uint8Array) || !Number.isInteger(type) || typeof role !== "string" ||
    typeof name !== "string"
  ) {
    const expected = "{device: {type, role, name}, data: Uint8Array}";
    throw new TypeError(`Expected commands to have ${expected}: ${Deno.inspect(command)}`);
  }
  const texts = [role, name].map((text) => new TextEncoder().encode(text));
  const [roleBytes = data, nameBytes = data] = texts;
  const byteLength = DEVICE_HEAD_BYTES + roleBytes.length + nameBytes.length + data.length;
  return {
    remaining: 0,
    byteLength,
    copyTo(target) {
      const view = new DataView(target.buffer, target.byteOffset, DEVICE_HEAD_BYTES);
      view.setInt32(0, module, true);
      view.setUint32(4, type, true);
      view.setUint32(8, roleBytes.length, true);
      view.setUint32(12, nameBytes.length, true);
      target.set(roleBytes, DEVICE_HEAD_BYTES);
      target.set(nameBytes, DEVICE_HEAD_BYTES + roleBytes.length);
      target.set(data, byteLength - data.length);
    },
  };
}
