// The interface of module contexts for a car, wherever they run.
import { grantsSame, type Script, type ScriptPermissions } from "../script/mod.ts";
import type { CallOutcome, Device, DisconnectType, ModuleCommand } from "../protocol/mod.ts";

/** What runs contexts: the process for shared libraries, or the one for scripts. */
export type ContextHostKind = "server" | "script";

/** The specification of a context. */
export interface ContextSpec {
  readonly company: string;
  readonly car: string;
  /** The module's number; the library must report the same. */
  readonly module: number;
  /** Absolute path of the shared library or script. */
  readonly libPath: string;
  /** What `init` gets, in order: `company_name`, `car_name`, then the module's own config. */
  readonly parameters: readonly (readonly [key: string, value: string])[];
  /** What `wait_for_command` is called with, in milliseconds. */
  readonly waitTimeoutMs: number;
  /** The module, when `libPath` is a script; absent: a shared library. */
  readonly script?: Script;
  /** What a script may do. @default {nothing} */
  readonly permissions?: ScriptPermissions;
}

/** What kind of host a context needs. */
export function hostKindOf({ script }: Pick<ContextSpec, "script">): ContextHostKind {
  return script === undefined ? "server" : "script";
}

/** Whether two specifications are equal, ignoring the order of parameters. */
export function isSameSpec(one: ContextSpec, other: ContextSpec): boolean {
  const parameters = new Map(one.parameters);
  return one.company === other.company && one.car === other.car && one.module === other.module &&
    one.libPath === other.libPath && one.script?.hash === other.script?.hash &&
    grantsSame(one.permissions, other.permissions) && one.waitTimeoutMs === other.waitTimeoutMs &&
    parameters.size === other.parameters.length &&
    other.parameters.every(([key, value]) => parameters.get(key) === value);
}

/** Called once with the outcome of a call, never before the method has returned. */
export type CallDone = (outcome: CallOutcome) => void;

/**
 * Whether a context's module may have caused the loss of its host: `likely`, as it was being
 * called; or `possible`, when it is not known. `none` when the host was killed from outside, or
 * because a call hung on another context.
 */
export type Blame = "likely" | "possible" | "none";

/** Callbacks of a context. */
export interface ContextListener {
  /** The library is loaded and complete; `init` follows, and may take long. */
  onLoaded?(): void;
  /** The module has a command; called in the order in which they were popped. */
  onCommand(command: ModuleCommand): void;
  /** The host died or was killed: every open call ends as `host_lost` first. Called once. */
  onLost(reason: string, blame: Blame): void;
}

/**
 * One context of one module for one car [MODULE-CALLS]. Its commands are held at first.
 *
 * Calls are made one after the other, in order, and end in that order unless they are withdrawn;
 * none of these methods blocks or throws. `wait_for_command` runs concurrently in the host. When
 * the queue is full, a call is not made and ends as `not_ok`.
 */
export interface ModuleContext {
  readonly spec: ContextSpec;
  /**
   * `is_device_type_supported`, then `device_connected`; `unsupported` when the first says no. A
   * device that is connected, or being connected, has to be disconnected first.
   */
  connectDevice(device: Device, done: CallDone): void;
  /**
   * `device_disconnected`.
   *
   * @param ifConnected only if the module has the device by then: `device_connected` may be in
   * progress, fail, or be withdrawn
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
   * @param answered whether the gateway has its answer and will not send the status again
   */
  forwardStatus(device: Device, data: Uint8Array, done: CallDone, answered?: boolean): void;
  /** `forward_error_message`; `answered` as above. */
  forwardErrorMessage(device: Device, data: Uint8Array, done: CallDone, answered?: boolean): void;
  /** `command_ack`. */
  acknowledgeCommand(device: Device, data: Uint8Array, done: CallDone): void;
  /**
   * Withdraws calls that have not begun: `device_connected`, and unanswered statuses. They end as
   * `withdrawn`, at the latest in their turn, and so does a conditional `device_disconnected` of a device
   * whose `device_connected` was withdrawn.
   */
  withdrawCalls(): void;
  /** Stops asking the module for commands: they wait inside it until {@linkcode releaseCommands}. */
  holdCommands(): void;
  /** Asks the module for commands, for the first time or again. */
  releaseCommands(): void;
  /**
   * Ends the wait loop, waits with a deadline for `wait_for_command` to return, destroys the
   * context. Idempotent; always resolves, even when the host dies meanwhile; `onLost` is not
   * called.
   */
  destroy(): Promise<void>;
}
