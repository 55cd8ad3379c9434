// The gateway's side of its devices.
export { decode, encode } from "./encoding.ts";
export type { CloseReason, Effect, Input } from "./inputs.ts";
export {
  InternalServer,
  type InternalServerOptions,
  type ModuleHandler,
} from "./internal_server.ts";
export {
  closeListener,
  describeAddress,
  type ListenAddress,
  listenAddresses,
  listenAt,
} from "./listen.ts";
export {
  INTERNAL_SERVER_LIMITS,
  INTERNAL_SERVER_SETTINGS,
  type InternalServerLimits,
  type InternalServerSettings,
  type PushMode,
  type Takeover,
} from "./settings.ts";
export {
  createInternalServer,
  type Environment,
  type InternalServerState,
  phaseOf,
} from "./state.ts";
export { deadlineOf, nextDeadline, type Step, step } from "./step.ts";
export type { InternalServerStatistics } from "./statistics.ts";
