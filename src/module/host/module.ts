// What a module host runs: a module, whatever it is written in.
import type { CallOutcome } from "../../protocol/mod.ts";
import type { DeviceData } from "../wire/device_data.ts";

/** What a function returns: at once, or later. */
export type Returned<T> = T | Promise<T>;

/** What `init` gets, in order [MODULE-CONFIG]. */
export type InitParameters = readonly (readonly [key: string, value: string])[];

/** What `pop_command` has brought, until it is given back with `deallocate`. */
export interface PoppedCommand {
  /** Commands that remain; negative when there was none [MODULE-POP]. */
  readonly remaining: number;
  /** Size of the command in the layout of {@linkcode DeviceData}. */
  readonly byteLength: number;
  /** Writes the command, in that layout, into as many bytes. */
  copyTo(target: Uint8Array<ArrayBuffer>): void;
}

/**
 * The twelve functions that a host calls [MODULE-FUNCTIONS]. What `init` makes is handed to those
 * that are about one car, which are called one after the other, `waitForCommand` excepted
 * [MODULE-CALLS].
 *
 * A function that throws or rejects has failed: the host makes that an outcome. What a call is
 * about belongs to the host again as soon as the function has returned, be it a promise: whoever
 * goes on later takes copies.
 */
export interface Module<Context = unknown> {
  /** Must be the module's number in the configuration [MODULE-NUMBER]. */
  getModuleNumber(): Returned<number>;
  isDeviceTypeSupported(deviceType: number): Returned<CallOutcome>;
  /** Makes a context; `null` when it cannot. */
  init(parameters: InitParameters): Returned<Context | null>;
  /** Ends a context that nothing is being called with any more [MODULE-DESTROY]. */
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
  /** What it returns is valid until {@linkcode deallocate}, and that is called before the next pop. */
  popCommand(context: Context): Returned<PoppedCommand>;
  commandAck(call: DeviceData, context: Context): Returned<CallOutcome>;
  /** Gives back what was popped, also when there was no command. */
  deallocate(command: PoppedCommand, context: Context): void;
}

/**
 * Loads the module in a file.
 *
 * @throws {LibraryError} when it cannot be used.
 */
export type LoadModule = (path: string) => Returned<Module>;

/** A function that is being executed, for those that watch over it. */
export interface RunningCall {
  readonly functionName: keyof Module;
  /** On the clock of the host. */
  readonly since: number;
}

/** The function as the protocol names it: `forward_status` for `forwardStatus`. */
export function nameInC(functionName: keyof Module): string {
  return functionName.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
