// A module in a shared library.
import type { CallOutcome } from "../../protocol/mod.ts";
import type { DeviceData } from "../wire/device_data.ts";
import {
  CallArguments,
  CommandBuffers,
  ConfigArgument,
  contextArgument,
  type ModuleSymbols,
  outcomeOf,
  SYMBOLS,
} from "./c_abi.ts";
import { openLibrary } from "./open_library.ts";
import type { InitParameters, Module } from "./module.ts";

/** What `init` made, with the memory for its calls, which is reused from call to call. */
class NativeContext {
  readonly call = new CallArguments();
  readonly command = new CommandBuffers();
  /** The argument of `destroy`, referenced here until that has returned. */
  destroyed: Uint8Array<ArrayBuffer> | null = null;

  constructor(
    readonly pointer: Deno.PointerObject,
    /** Kept because a library may have kept pointers into it. */
    readonly config: ConfigArgument,
  ) {}

  /** A call has returned. */
  readonly returned = (code: number): CallOutcome => {
    this.call.release();
    return outcomeOf(code);
  };

  /** `pop_command` has returned. */
  readonly popped = (remaining: number): CommandBuffers => {
    this.command.remaining = remaining;
    return this.command;
  };
}

/** A loaded library. It stays loaded until the process ends: threads may still run its code. */
export class NativeModule implements Module<NativeContext> {
  readonly #symbols: ModuleSymbols;

  private constructor(
    /** Referenced so that garbage collection does not unload it during a call. */
    readonly handle: Deno.DynamicLibrary<typeof SYMBOLS>,
  ) {
    this.#symbols = handle.symbols;
  }

  /**
   * Loads a library.
   *
   * @throws {LibraryError} see {@linkcode openLibrary}.
   */
  static load(this: void, path: string): NativeModule {
    return new NativeModule(openLibrary(path, SYMBOLS));
  }

  getModuleNumber(): number {
    return this.#symbols.get_module_number();
  }

  isDeviceTypeSupported(deviceType: number): Promise<CallOutcome> {
    return this.#symbols.is_device_type_supported(deviceType).then(outcomeOf);
  }

  async init(parameters: InitParameters): Promise<NativeContext | null> {
    const config = new ConfigArgument(parameters);
    const pointer = await this.#symbols.init(config.config);
    return pointer === null ? null : new NativeContext(pointer, config);
  }

  destroy(context: NativeContext): Promise<CallOutcome> {
    context.destroyed = contextArgument(context.pointer);
    return this.#symbols.destroy(context.destroyed).then(context.returned);
  }

  forwardStatus(about: DeviceData, { call, pointer, returned }: NativeContext) {
    call.set(about);
    return this.#symbols.forward_status(call.data, call.device, pointer).then(returned);
  }

  forwardErrorMessage(about: DeviceData, { call, pointer, returned }: NativeContext) {
    call.set(about);
    return this.#symbols.forward_error_message(call.data, call.device, pointer).then(returned);
  }

  deviceConnected(about: DeviceData, { call, pointer, returned }: NativeContext) {
    call.set(about);
    return this.#symbols.device_connected(call.device, pointer).then(returned);
  }

  deviceDisconnected(type: number, about: DeviceData, { call, pointer, returned }: NativeContext) {
    call.set(about);
    return this.#symbols.device_disconnected(type, call.device, pointer).then(returned);
  }

  waitForCommand(timeoutMs: number, { pointer }: NativeContext): Promise<CallOutcome> {
    return this.#symbols.wait_for_command(timeoutMs, pointer).then(outcomeOf);
  }

  popCommand({ command, pointer, popped }: NativeContext): Promise<CommandBuffers> {
    command.clear();
    return this.#symbols.pop_command(command.data, command.device, pointer).then(popped);
  }

  commandAck(about: DeviceData, { call, pointer, returned }: NativeContext) {
    call.set(about);
    return this.#symbols.command_ack(call.data, call.device, pointer).then(returned);
  }

  deallocate(_: CommandBuffers, { command }: NativeContext): void {
    command.giveBack(this.#symbols);
  }
}
