// A module of a Module Gateway.
import type { Answer } from "./server_module.ts";

/** Bytes that a module makes, at once or later. */
type Made = Uint8Array | Promise<Uint8Array>;

/**
 * A module in a car. Its methods keep nothing of a device: what they need they are given. Several
 * calls may be under way at a time. What they are given may be changed by nobody else.
 */
export interface GatewayModule {
  /** The command that a device gets before the cloud has sent one. */
  generateFirstCommand(type: number): Made;
  statusDataValid(type: number, status: Uint8Array): Answer;
  commandDataValid(type: number, command: Uint8Array): Answer;
  /** Whether the new status is worth sending by itself; `false`: it is aggregated. */
  sendStatusCondition(type: number, current: Uint8Array, fresh: Uint8Array): Answer;
  /** The status that stands for both. */
  aggregateStatus(type: number, current: Uint8Array, fresh: Uint8Array): Made;
  /** The command that answers the new status, from the last aggregated one and the cloud's command. */
  generateCommand(
    type: number,
    fresh: Uint8Array,
    current: Uint8Array,
    command: Uint8Array,
  ): Made;
  /** Adds a status that could not be sent to the error message; `null`: there is none yet. */
  aggregateError(type: number, message: Uint8Array | null, status: Uint8Array): Made;
  /** Whether devices of this type get a command when it comes, not only when they send a status. */
  forwardCommandOnReceive?(type: number): Answer;
}

/** The default export of a module's file. */
export interface GatewayModuleClass {
  /** The number under which the module stands in the configuration. */
  readonly moduleNumber: number;
  isDeviceTypeSupported(type: number): Answer;
  new (): GatewayModule;
}
