// Module contexts in host processes; host/ is the child process.
export {
  type Blame,
  type ContextHostKind,
  type ContextListener,
  type ContextSpec,
  hostKindOf,
  isSameSpec,
  type ModuleContext,
} from "./context.ts";
export { readElf } from "./elf.ts";
export {
  loadErrorLines,
  ModuleHostError,
  ModuleLoadError,
  type ModuleLoadErrorKind,
} from "./errors.ts";
export { SYMBOLS } from "./host/c_abi.ts";
export { HostedGatewayModule, tryGatewayModule } from "./gateway/hosted_module.ts";
export type {
  GatewayHostState,
  GatewayModuleSpec,
  HostedModuleOptions,
  HostedModuleSnapshot,
} from "./gateway/model.ts";
export {
  GATEWAY_NOT_OK,
  GATEWAY_OK,
  type GatewayCall,
  type GatewayFunction,
  type GatewayModule,
  type GatewayOutcome,
  type GatewayReturn,
} from "./gateway_call.ts";
export { CONTEXTS_PER_HOST } from "./host_contexts.ts";
export type { ModuleHostSnapshot } from "./host_model.ts";
export { ModuleHost } from "./module_host.ts";
export { EarlyHost } from "./process/connect_host.ts";
export { type CallCounts, CallStatistics, GatewayStatistics } from "./statistics.ts";
