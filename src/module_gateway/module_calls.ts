// Calls of a gateway's modules, and what is known of the types of devices that they support.
import {
  GATEWAY_OK,
  type GatewayCall,
  type GatewayModule,
  type GatewayReturn,
} from "../module/mod.ts";
import type { CallResult } from "../module_handler/mod.ts";
import type { ServedModule } from "../gateway/mod.ts";
import { type Device, DeviceConnectResponseType as Type } from "../protocol/mod.ts";

/** Types that are remembered for one module; their numbers may come from the network. */
const MAX_TYPES = 1_000;

/** The modules of one gateway. */
export class ModuleCalls {
  readonly #modules: ReadonlyMap<number, GatewayModule>;
  /** By module: whether a type is supported. */
  readonly #types = new Map<number, Map<number, boolean>>();
  /** What {@linkcode served} has said, by its argument. */
  readonly #served = new Map<readonly number[], readonly ServedModule[]>();

  constructor(modules: ReadonlyMap<number, GatewayModule>) {
    this.#modules = modules;
  }

  /** Calls a module; `returned` is called later, once, whatever happens. */
  call(number: number, call: GatewayCall, returned: (outcome: CallResult) => void): void {
    this.#start(number, call).then(returned, (error) => {
      returned({ failure: error instanceof Error ? error.message : String(error) });
    });
  }

  /** A device was told whether its type is supported. */
  learn({ module, deviceType }: Device, responseType: number): void {
    if (responseType === Type.OK) this.#note(module, deviceType, true);
    if (responseType === Type.DEVICE_NOT_SUPPORTED) this.#note(module, deviceType, false);
  }

  /** Whether {@linkcode served} is right about the type of this device. */
  knows({ module, deviceType }: Device): boolean {
    return !this.#modules.has(module) || this.#types.get(module)?.has(deviceType) === true;
  }

  /** Asks the module whether it supports the type; one that cannot say does not. */
  ask({ module, deviceType: type }: Device, known: () => void): void {
    this.call(module, { name: "is_device_type_supported", type }, (outcome) => {
      this.#note(module, type, !("failure" in outcome) && outcome.code === GATEWAY_OK);
      known();
    });
  }

  /** Those of the modules that are there, with the types that they are known to support. */
  served(numbers: readonly number[]): readonly ServedModule[] {
    const cached = this.#served.get(numbers);
    if (cached !== undefined) return cached;
    const served = numbers.filter((number) => this.#modules.has(number)).map((module) => {
      const types = [...this.#types.get(module) ?? []];
      const deviceTypes = types.filter(([, isSupported]) => isSupported).map(([type]) => type);
      return { module, deviceTypes };
    });
    this.#served.set(numbers, served);
    return served;
  }

  // A module in TypeScript may throw before it returns a promise.
  async #start(number: number, call: GatewayCall): Promise<GatewayReturn> {
    const module = this.#modules.get(number);
    if (module === undefined) throw new Error(`module ${number} is not loaded`);
    return await module.call(call);
  }

  #note(module: number, type: number, isSupported: boolean): void {
    const types = this.#types.get(module) ?? new Map<number, boolean>();
    if (types.get(type) === isSupported) return;
    if (types.size >= MAX_TYPES) types.clear();
    this.#types.set(module, types.set(type, isSupported));
    this.#served.clear();
  }
}
