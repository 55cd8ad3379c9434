// The car's side of the Fleet Protocol: the external session of a gateway, and its link to a broker.
export {
  type GatewayBroker,
  GatewayLink,
  type GatewayLinkListener,
  type GatewayLinkOptions,
} from "./gateway_link.ts";
export { GATEWAY_ENCODING } from "./encoding.ts";
export type { Effect, Input, ViolationKind } from "./inputs.ts";
export { nextDeadline, type Step, step } from "./session.ts";
export {
  createGateway,
  type EndReason,
  type Environment,
  GATEWAY_TIMES,
  GATEWAY_VERSIONS,
  type GatewaySettings,
  type GatewayState,
  type GatewayTimes,
  type GatewayVersion,
  isSaturated,
  knownDevices,
  type OpenStatus,
  type Phase,
  phaseOf,
  type ServedModule,
  sessionIdOf,
} from "./state.ts";
