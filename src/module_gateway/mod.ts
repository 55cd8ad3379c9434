// A whole Module Gateway: devices on one side, modules in the middle, the cloud on the other.
export { type GatewayEvent, gatewayEventsOf } from "./events.ts";
export { historyTopic, ModuleGateway } from "./module_gateway.ts";
export type { EndpointOptions, HistoryOptions, ModuleGatewayOptions } from "./options.ts";
export type {
  DeviceCounts,
  DeviceSnapshot,
  EndpointCounts,
  EndpointSnapshot,
  HistoryCounts,
  ModuleGatewaySnapshot,
} from "./snapshot.ts";
export type {
  DeviceTurn,
  ErrorTurn,
  GatewayTurn,
  GatewayTurnSubscriber,
  SessionTurn,
} from "./turn.ts";
