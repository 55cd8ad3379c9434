// Errors of the Internal Client: one class for each, with a code for programs. No other error leaves
// the library, but RangeError for arguments and the reason of an AbortSignal.

/** What went wrong, for programs. */
export type InternalClientErrorCode =
  | "connection_refused"
  | "timeout"
  | "protocol_error"
  | "already_connected"
  | "module_not_supported"
  | "device_not_supported"
  | "higher_priority_already_connected"
  | "not_authorized"
  | "no_command"
  | "closed";

/** The base of all errors of the library. */
export abstract class InternalClientError extends Error {
  abstract readonly code: InternalClientErrorCode;
}

/** The connection to the gateway failed; a new one may work. */
export abstract class CommunicationError extends InternalClientError {}

/** The gateway cannot be reached (refused, unreachable, unknown host), or has reset the connection. */
export class ConnectionRefused extends CommunicationError {
  override readonly name = "ConnectionRefused";
  override readonly code = "connection_refused";
}

/** The gateway did not answer in time. */
export class Timeout extends CommunicationError {
  override readonly name = "Timeout";
  override readonly code = "timeout";
}

/** The gateway closed the connection, or violated the protocol. */
export class ProtocolError extends CommunicationError {
  override readonly name = "ProtocolError";
  override readonly code = "protocol_error";
}

/** The gateway refuses this device; a retry is useless while nothing else changes. */
export abstract class ConnectRefusal extends InternalClientError {}

/** A device with the same module, type, role and priority is connected. */
export class AlreadyConnected extends ConnectRefusal {
  override readonly name = "AlreadyConnected";
  override readonly code = "already_connected";
}

/** The gateway has no such module. */
export class ModuleNotSupported extends ConnectRefusal {
  override readonly name = "ModuleNotSupported";
  override readonly code = "module_not_supported";
}

/** The module does not know this type of device. */
export class DeviceNotSupported extends ConnectRefusal {
  override readonly name = "DeviceNotSupported";
  override readonly code = "device_not_supported";
}

/** A device with the same module, type and role, and a higher priority, is connected. */
export class HigherPriorityAlreadyConnected extends ConnectRefusal {
  override readonly name = "HigherPriorityAlreadyConnected";
  override readonly code = "higher_priority_already_connected";
}

/** The gateway expects a token, and has not been given this device's. */
export class NotAuthorized extends ConnectRefusal {
  override readonly name = "NotAuthorized";
  override readonly code = "not_authorized";
}

/** No command has come yet. */
export class NoCommand extends InternalClientError {
  override readonly name = "NoCommand";
  override readonly code = "no_command";
}

/** The client was closed, or had to give up; `cause` says why. */
export class Closed extends InternalClientError {
  override readonly name = "Closed";
  override readonly code = "closed";
}
