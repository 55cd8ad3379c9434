// The module side as a car sees it: contexts it can call, wherever they run.
import type { CallOutcome, Device, DisconnectType, ModuleCommand } from "../protocol/mod.ts";

/** What one context of a module is made from. */
export interface ContextSpec {
  readonly company: string;
  readonly car: string;
  /** The module's number; the library must report the same. */
  readonly module: number;
  /** Absolute path of the shared library. */
  readonly libPath: string;
  /** What `init` gets, in order: `company_name`, `car_name`, then the module's own config. */
  readonly parameters: readonly (readonly [key: string, value: string])[];
  /** What `wait_for_command` is called with, in milliseconds. */
  readonly waitTimeoutMs: number;
}

/** Whether two contexts are made from the same; the order of what `init` gets does not count. */
export function isSameSpec(one: ContextSpec, other: ContextSpec): boolean {
  const parameters = new Map(one.parameters);
  return one.company === other.company && one.car === other.car && one.module === other.module &&
    one.libPath === other.libPath && one.waitTimeoutMs === other.waitTimeoutMs &&
    parameters.size === other.parameters.length &&
    other.parameters.every(([key, value]) => parameters.get(key) === value);
}

/** Called once with what became of a call, never before the call itself has returned. */
export type CallDone = (outcome: CallOutcome) => void;

/**
 * Whether a context's module may be why its host is gone: `likely`, as it was being called then; or
 * `possible`, as nobody knows better. `none` when the host was killed from outside, or for a call
 * that hung on another context.
 */
export type Blame = "likely" | "possible" | "none";

/** What a context tells its car. */
export interface ContextListener {
  /** The library is loaded and has what it must have; `init` follows, and may take its time. */
  onLoaded?(): void;
  /** The module has a command; called in the order in which they were popped. */
  onCommand(command: ModuleCommand): void;
  /** The host died or was killed: every open call ends as `host_lost` first. Called once. */
  onLost(reason: string, blame: Blame): void;
}

/**
 * One context of one module for one car [MODULE-CALLS]. Its commands are held from the beginning.
 *
 * Calls are made in the order given and one after the other, and end in that order, unless they are
 * withdrawn; none of these methods blocks or throws. `wait_for_command` runs beside them in the host.
 * A call for which there is no room any more is not made, and ends as `not_ok`.
 */
export interface ModuleContext {
  readonly spec: ContextSpec;
  /**
   * `is_device_type_supported`, then `device_connected`; `unsupported` when the first says no. For a
   * device that is connected, or being connected, it has to be disconnected first.
   */
  connectDevice(device: Device, done: CallDone): void;
  /**
   * `device_disconnected`.
   *
   * @param ifConnected Only when the module has the device by then: its connecting may be under way,
   * fail, or be withdrawn.
   */
  disconnectDevice(
    type: DisconnectType,
    device: Device,
    done: CallDone,
    ifConnected?: boolean,
  ): void;
  /**
   * `forward_status`.
   *
   * @param answered Whether the gateway has its answer and will not send the status again.
   */
  forwardStatus(device: Device, data: Uint8Array, done: CallDone, answered?: boolean): void;
  /** `forward_error_message`; `answered` as above. */
  forwardErrorMessage(device: Device, data: Uint8Array, done: CallDone, answered?: boolean): void;
  /** `command_ack`. */
  acknowledgeCommand(device: Device, data: Uint8Array, done: CallDone): void;
  /**
   * Takes back what has not begun: connecting devices, and statuses that were not answered. These
   * calls end as `withdrawn`, at the latest in their turn, and so does a conditional disconnecting of
   * a device whose connecting was taken back.
   */
  withdrawCalls(): void;
  /** Stops asking the module for commands: they wait inside it until {@linkcode releaseCommands}. */
  holdCommands(): void;
  /** Asks the module for commands, for the first time or again. */
  releaseCommands(): void;
  /**
   * Ends the wait loop, waits for `wait_for_command` to come back (bounded), destroys the context.
   * Idempotent; resolves in any case, also when the host dies meanwhile; `onLost` is not called.
   */
  destroy(): Promise<void>;
}
