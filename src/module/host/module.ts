// What a module host runs: a module, whatever it is written in.
import type { CallOutcome } from "../../protocol/mod.ts";
import type { DeviceData } from "../wire/device_data.ts";
import type { CreateRequest } from "../wire/frames.ts";

/** What a function returns: at once, or later. */
export type Returned<T> = T | Promise<T>;

/** What `init` gets, in order [MODULE-CONFIG]. */
export type InitParameters = readonly (readonly [key: string, value: string])[];

/** The result of `pop_command`, until it is returned with `deallocate`. */
export interface PoppedCommand {
  /** Commands that remain; negative when there was none [MODULE-POP]. */
  readonly remaining: number;
  /** Size of the command in the layout of {@linkcode DeviceData}. */
  readonly byteLength: number;
  /** Writes the command, in that layout, into as many bytes. */
  copyTo(target: Uint8Array<ArrayBuffer>): void;
}

/**
 * The twelve functions that a host calls [MODULE-FUNCTIONS]. Those that concern one car get
 * what `init` made, and are called one after the other, `waitForCommand` excepted [MODULE-CALLS].
 *
 * A function that throws or rejects has failed: the host turns that into an outcome. Arguments
 * belong to the host again as soon as the function has returned, even if it returned a promise: an
 * asynchronous function must copy what it needs.
 */
export interface Module<Context = unknown> {
  /** Resolves when no context of the module can go on, with the reason; absent: that ends the host. */
  readonly failed?: Promise<string>;
  /** Must be the module's number in the configuration [MODULE-NUMBER]. */
  getModuleNumber(): Returned<number>;
  isDeviceTypeSupported(deviceType: number): Returned<CallOutcome>;
  /** Makes a context; `null` when it cannot. */
  init(parameters: InitParameters): Returned<Context | null>;
  /** Destroys a context with which no call is in progress [MODULE-DESTROY]. */
  destroy(context: Context): Returned<CallOutcome>;
  forwardStatus(call: DeviceData, context: Context): Returned<CallOutcome>;
  forwardErrorMessage(call: DeviceData, context: Context): Returned<CallOutcome>;
  deviceConnected(call: DeviceData, context: Context): Returned<CallOutcome>;
  /** @param disconnectType a `DisconnectType` */
  deviceDisconnected(
    disconnectType: number,
    call: DeviceData,
    context: Context,
  ): Returned<CallOutcome>;
  /** `ok` when a command can be popped; `timeout_occurred` after that many milliseconds. */
  waitForCommand(timeoutMs: number, context: Context): Returned<CallOutcome>;
  /** The result is valid until {@linkcode deallocate}, which is called before the next pop. */
  popCommand(context: Context): Returned<PoppedCommand>;
  commandAck(call: DeviceData, context: Context): Returned<CallOutcome>;
  /** Frees what was popped, also when there was no command. */
  deallocate(command: PoppedCommand, context: Context): void;
}

/** The functions of a module. */
export type ModuleFunction = Exclude<keyof Module, "failed">;

/**
 * Loads the module in a file.
 *
 * @throws {LibraryError} when it cannot be used.
 */
export type LoadModule = (path: string, request: CreateRequest) => Returned<Module>;

/** A function that is being executed. */
export interface RunningCall {
  readonly functionName: ModuleFunction;
  /** On the clock of the host. */
  readonly since: number;
}

/** The function as the protocol names it: `forward_status` for `forwardStatus`. */
export function nameInC(functionName: ModuleFunction): string {
  return functionName.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
