/**
 * The Internal Client of the Fleet Protocol: connects a device to the Module Gateway of its car.
 *
 * ```ts
 * await using client = await InternalClient.connect({
 *   port: 8888,
 *   module: 1000,
 *   type: 0,
 *   role: "button",
 *   name: "front button",
 * });
 * const command = await client.sendStatus('{"pressed":true}');
 * ```
 *
 * Runs on Deno, Node.js 20 and newer, and Bun.
 *
 * @module
 */
export type { ClientState, ClientStatistics } from "./client_state.ts";
export {
  AlreadyConnected,
  Closed,
  CommunicationError,
  ConnectionRefused,
  ConnectRefusal,
  DeviceNotSupported,
  HigherPriorityAlreadyConnected,
  InternalClientError,
  type InternalClientErrorCode,
  ModuleNotSupported,
  NoCommand,
  NotAuthorized,
  ProtocolError,
  Timeout,
} from "./errors.ts";
export { InternalClient, type SendOptions } from "./internal_client.ts";

export { type JsonDevice, jsonDevice } from "./json.ts";
export type { ClientTlsOptions, ConnectOptions } from "./options.ts";
