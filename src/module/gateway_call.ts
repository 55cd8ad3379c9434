// What a Module Gateway asks of a module: the functions of the car's side, as values.

/** One call. What a device has sent and what a module has made is passed on as it is. */
export type GatewayCall =
  | { readonly name: "is_device_type_supported"; readonly type: number }
  /** Makes the command that a device is given before the cloud has sent one. */
  | { readonly name: "generate_first_command"; readonly type: number }
  | { readonly name: "status_data_valid"; readonly type: number; readonly status: Uint8Array }
  | { readonly name: "command_data_valid"; readonly type: number; readonly command: Uint8Array }
  /** Whether the new status is worth sending by itself. */
  | {
    readonly name: "send_status_condition";
    readonly type: number;
    readonly current: Uint8Array;
    readonly fresh: Uint8Array;
  }
  | {
    readonly name: "aggregate_status";
    readonly type: number;
    readonly current: Uint8Array;
    readonly fresh: Uint8Array;
  }
  | {
    readonly name: "generate_command";
    readonly type: number;
    readonly fresh: Uint8Array;
    readonly current: Uint8Array;
    readonly command: Uint8Array;
  }
  /** Adds a status that could not be sent to the error message, `null` while there is none. */
  | {
    readonly name: "aggregate_error";
    readonly type: number;
    readonly message: Uint8Array | null;
    readonly status: Uint8Array;
  }
  /** A module without this function answers NOT_OK. */
  | { readonly name: "forward_command_on_receive"; readonly type: number };

/** The function of a call. */
export type GatewayFunction = GatewayCall["name"];

/** All functions; their order is that of frames. */
export const GATEWAY_FUNCTIONS = [
  "is_device_type_supported",
  "generate_first_command",
  "status_data_valid",
  "command_data_valid",
  "send_status_condition",
  "aggregate_status",
  "generate_command",
  "aggregate_error",
  "forward_command_on_receive",
] as const satisfies readonly GatewayFunction[];

/** What came back: `data` is what the module made, empty where it made nothing. */
export interface GatewayReturn {
  readonly code: number;
  readonly data: Uint8Array;
}

/** The code of every function that succeeded or says yes. */
export const GATEWAY_OK = 0;
/** The code of every function that failed or says no. */
export const GATEWAY_NOT_OK = -1;

/**
 * Outcomes of calls in statistics: the codes that modules return, any other code, and a call that
 * was lost with its host or never reached one.
 */
export const GATEWAY_OUTCOMES = [
  "ok",
  "not_ok",
  "reserved",
  "condition_not_met",
  "unknown_code",
  "host_lost",
] as const;
/** See {@linkcode GATEWAY_OUTCOMES}. */
export type GatewayOutcome = typeof GATEWAY_OUTCOMES[number];

/** A module of a Module Gateway, native or in TypeScript. */
export interface GatewayModule {
  readonly number: number;
  /**
   * Calls one of its functions. A call that takes long holds up no other.
   *
   * @throws {ModuleHostError} when the module crashed, hung or threw before it answered.
   */
  call(call: GatewayCall): Promise<GatewayReturn>;
}
