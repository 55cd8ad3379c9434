// Messages of the Fleet Protocol, their encoding, and the words of the module interface.
export { counterDistance, nextCounter } from "./counter.ts";
export { deviceKey, isDeviceKey, sameDevice, withoutPriority } from "./device.ts";
export {
  type DeviceCommand,
  type DeviceConnect,
  type DeviceConnectResponse,
  DeviceConnectResponseType,
  type DeviceMessage,
  type DeviceStatus,
  type GatewayMessage,
} from "./internal_messages.ts";
export {
  type ClientMessage,
  type Command,
  type CommandResponse,
  CommandResponseType,
  type Connect,
  type ConnectResponse,
  ConnectResponseType,
  type Device,
  DeviceState,
  NO_BYTES,
  type ServerMessage,
  type Status,
} from "./messages.ts";
export {
  CALL_OUTCOMES,
  type CallOutcome,
  DisconnectType,
  type ModuleCommand,
  wasMade,
} from "./module_interface.ts";
export { type CarTopics, carTopics } from "./topics.ts";
