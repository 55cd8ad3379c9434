// A Module Gateway as a service: put together from a configuration, reloaded, ended.
export {
  GatewayReloader,
  type GatewayReloaderOptions,
  type GatewayReloadReport,
} from "./gateway_reload.ts";
export type { StartedModule, StartModule } from "./module_slots.ts";
export { gatewayProblems } from "./problems.ts";
export { gatewayRecorderOf, type GatewayRecorderPart } from "./recording.ts";
export {
  type GatewayChange,
  RunningGateway,
  type RunningGatewayOptions,
} from "./running_gateway.ts";
export { startModule, type StartModuleOptions } from "./start_module.ts";
