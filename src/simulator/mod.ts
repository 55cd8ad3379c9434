// Gateways for tests, demos and load.
export { BUTTON_TYPE, EXAMPLE_MODULE, exampleStatuses, LED_TYPE, makeDevices } from "./devices.ts";
export type { Violation } from "./events.ts";
export { Fleet } from "./fleet.ts";
export type { GatewayOptions } from "./gateway_options.ts";
export type { Misbehavior } from "./misbehavior.ts";
export type { GatewayStatsJson } from "./stats.ts";
