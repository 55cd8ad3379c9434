// A module of the External Server.

/** What a method returns, at once or later: nothing or `true` when all is well. */
export type Answer = void | boolean | Promise<void | boolean>;

/** Whom a status is from, or a command is for. */
export interface Device {
  /** The module's number. */
  readonly module: number;
  readonly type: number;
  /** Two devices are the same when module, type and role are. */
  readonly role: string;
  readonly name: string;
}

/** Why a device is gone: it said so, it was silent for too long, or something went wrong. */
export type DisconnectReason = "announced" | "timeout" | "error";

/** A command for a device. */
export interface Command {
  readonly device: Omit<Device, "module">;
  readonly data: Uint8Array;
}

/** The car whose devices an object of the module's class serves. */
export interface ModuleContext {
  readonly company: string;
  readonly car: string;
  /** `config` of the module in the server's configuration, values as text. */
  readonly config: Readonly<Record<string, string>>;
}

/**
 * One car's part of a module. Methods are called one after the other, each when the one before has
 * come back; `commands` is read beside them.
 */
export interface ServerModule {
  /** Called once, before everything else; one that throws is tried again later. */
  init?(): void | Promise<void>;
  /**
   * The car's commands, in order: a `ReadableStream`, for example, or an asynchronous generator. The
   * next one is taken when the server can send it.
   */
  readonly commands?: AsyncIterable<Command> | (() => AsyncIterable<Command>);
  /** A device has come; `false` refuses it. */
  deviceConnected(device: Device): Answer;
  deviceDisconnected(device: Device, reason: DisconnectReason): Answer;
  /** A device has sent a status. */
  forwardStatus(status: Uint8Array, device: Device): Answer;
  /** What a device had to say while the car had no connection. */
  forwardErrorMessage(message: Uint8Array, device: Device): Answer;
  /** A device has received a command. */
  commandAck(command: Uint8Array, device: Device): Answer;
  /** Called once, after everything else. */
  destroy?(): void | Promise<void>;
}

/** The default export of a module's file. */
export interface ServerModuleClass {
  /** The number under which the module stands in the configuration. */
  readonly moduleNumber: number;
  isDeviceTypeSupported(type: number): Answer;
  new (context: ModuleContext): ServerModule;
}
