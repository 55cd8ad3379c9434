// A gateway's module in a shared library.
import { GATEWAY_NOT_OK, type GatewayCall } from "../../gateway_call.ts";
import { missingFrom, openLibrary } from "../open_library.ts";
import { GatewayArguments, OPTIONAL, OutBuffer, REQUIRED } from "./gateway_abi.ts";
import type { GatewayLibrary, LibraryReturn } from "./gateway_library.ts";

const NO_BYTES = new Uint8Array(0);

type Required = Deno.DynamicLibrary<typeof REQUIRED>;
type Optional = Deno.DynamicLibrary<typeof OPTIONAL>;

/** A loaded library. It stays loaded until the process ends: threads may still run its code. */
export class NativeGatewayLibrary implements GatewayLibrary {
  readonly #symbols: Required["symbols"];
  readonly #in = new GatewayArguments();
  readonly #out = new OutBuffer();

  private constructor(
    /** Referenced so that garbage collection does not unload it during a call. */
    readonly handle: Required,
    /** `null`: the library lacks it. */
    readonly optional: Optional | null,
  ) {
    this.#symbols = handle.symbols;
  }

  /**
   * Loads a library.
   *
   * @throws {LibraryError} see {@linkcode openLibrary}.
   */
  static load(this: void, path: string): NativeGatewayLibrary {
    const required = openLibrary(path, REQUIRED);
    const lacks = missingFrom(path, Object.keys(OPTIONAL)).length > 0;
    return new NativeGatewayLibrary(required, lacks ? null : openLibrary(path, OPTIONAL));
  }

  getModuleNumber(): number {
    return this.#symbols.get_module_number();
  }

  call(call: GatewayCall): Promise<LibraryReturn> | LibraryReturn {
    const { type } = call;
    const { buffers: [first, second, third] } = this.#in;
    const { bytes: out } = this.#out;
    const symbols = this.#symbols;
    this.#out.clear();
    switch (call.name) {
      case "is_device_type_supported":
        return symbols.is_device_type_supported(type).then(this.#answered);
      case "generate_first_command":
        return symbols.generate_first_command(out, type).then(this.#made);
      case "status_data_valid":
        this.#in.set(call.status);
        return symbols.status_data_valid(first, type).then(this.#answered);
      case "command_data_valid":
        this.#in.set(call.command);
        return symbols.command_data_valid(first, type).then(this.#answered);
      case "send_status_condition":
        this.#in.set(call.current, call.fresh);
        return symbols.send_status_condition(first, second, type).then(this.#answered);
      case "aggregate_status":
        this.#in.set(call.current, call.fresh);
        return symbols.aggregate_status(out, first, second, type).then(this.#made);
      case "generate_command":
        this.#in.set(call.fresh, call.current, call.command);
        return symbols.generate_command(out, first, second, third, type).then(this.#made);
      case "aggregate_error":
        this.#in.set(call.message, call.status);
        return symbols.aggregate_error(out, first, second, type).then(this.#made);
      case "forward_command_on_receive":
        if (this.optional === null) return { code: GATEWAY_NOT_OK, data: NO_BYTES };
        return this.optional.symbols.forward_command_on_receive(type).then(this.#answered);
    }
  }

  readonly #answered = (code: number): LibraryReturn => {
    this.#in.release();
    return { code, data: NO_BYTES };
  };

  readonly #made = (code: number): LibraryReturn => {
    this.#in.release();
    return this.#out.take(code, this.#symbols.deallocate);
  };
}
