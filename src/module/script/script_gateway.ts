// A script as a module of a Module Gateway: its class has one object in each host.
import type { GatewayModule } from "../../fleet_module/mod.ts";
import { type Clock, systemClock } from "../../time/mod.ts";
import { LibraryError } from "../errors.ts";
import { GATEWAY_NOT_OK, GATEWAY_OK, type GatewayCall } from "../gateway_call.ts";
import type {
  GatewayLibrary,
  LibraryReturn,
  LoadGatewayLibrary,
} from "../host/gateway/gateway_library.ts";
import { MAX_DATA_BYTES } from "../wire/frames.ts";
import { ScriptIsolate } from "./script_isolate.ts";

/** What `send_status_condition` returns to say no. */
const CONDITION_NOT_MET = -11;
const NO_BYTES = new Uint8Array(0);

/** What the class of a module must have. */
const METHODS = [
  "static isDeviceTypeSupported",
  ...[
    "generateFirstCommand",
    "statusDataValid",
    "commandDataValid",
    "sendStatusCondition",
    "aggregateStatus",
    "generateCommand",
    "aggregateError",
  ] satisfies (keyof GatewayModule)[],
] as const;

/** A script in its worker. Codes: `false` is NOT_OK, everything else OK; errors are thrown on. */
export class ScriptGateway implements GatewayLibrary {
  readonly failed: Promise<string>;
  readonly #isolate: ScriptIsolate;
  readonly #object: number;

  private constructor(isolate: ScriptIsolate, object: number) {
    this.#isolate = isolate;
    this.#object = object;
    this.failed = isolate.failed;
  }

  /**
   * Loads a script within a time in milliseconds.
   *
   * @throws {LibraryError} (by rejecting) as {@linkcode ScriptIsolate.load}, and when the class's
   * constructor throws.
   */
  static loader(timeoutMs: number, clock: Clock = systemClock): LoadGatewayLibrary {
    return async (path, { script, permissions = {} }) => {
      if (script === undefined) throw new LibraryError("library", "it is no script");
      const order = { path, script, permissions, methods: METHODS, timeoutMs, clock };
      const isolate = await ScriptIsolate.load(order);
      try {
        return new ScriptGateway(isolate, await isolate.make());
      } catch (cause) {
        const detail = `its class cannot be used: ${(cause as Error).message}`;
        throw new LibraryError("init", detail, { cause });
      }
    };
  }

  getModuleNumber(): number {
    return this.#isolate.number;
  }

  async call(call: GatewayCall): Promise<LibraryReturn> {
    const { type } = call;
    switch (call.name) {
      case "is_device_type_supported": {
        const job = { static: "isDeviceTypeSupported", args: [type] };
        return answered(await this.#isolate.ask(job));
      }
      case "generate_first_command":
        return await this.#make("generateFirstCommand", type);
      case "status_data_valid":
        return await this.#ask("statusDataValid", type, call.status);
      case "command_data_valid":
        return await this.#ask("commandDataValid", type, call.command);
      case "send_status_condition": {
        const { code, data } = await this.#ask(
          "sendStatusCondition",
          type,
          call.current,
          call.fresh,
        );
        return { code: code === GATEWAY_OK ? code : CONDITION_NOT_MET, data };
      }
      case "aggregate_status":
        return await this.#make("aggregateStatus", type, call.current, call.fresh);
      case "generate_command":
        return await this.#make("generateCommand", type, call.fresh, call.current, call.command);
      case "aggregate_error":
        return await this.#make("aggregateError", type, call.message, call.status);
      case "forward_command_on_receive":
        return await this.#ask("forwardCommandOnReceive", type);
    }
  }

  async #ask(method: keyof GatewayModule, ...args: readonly unknown[]): Promise<LibraryReturn> {
    return answered(
      await this.#isolate.ask({ of: this.#object, method, args, wants: "answer" }),
    );
  }

  async #make(method: keyof GatewayModule, ...args: readonly unknown[]): Promise<LibraryReturn> {
    const data = await this.#isolate.ask({ of: this.#object, method, args, wants: "data" });
    if (!(data instanceof Uint8Array)) {
      throw new TypeError(`Expected ${method} to return a Uint8Array: ${Deno.inspect(data)}`);
    }
    if (data.length <= MAX_DATA_BYTES) return { code: GATEWAY_OK, data };
    const refusal = `it made ${data.length} bytes: ${MAX_DATA_BYTES} at most`;
    return { code: GATEWAY_NOT_OK, data: NO_BYTES, refusal };
  }
}

/** `null`: the class has no such method. */
function answered(answer: unknown): LibraryReturn {
  const code = answer === false || answer === null ? GATEWAY_NOT_OK : GATEWAY_OK;
  return { code, data: NO_BYTES };
}
