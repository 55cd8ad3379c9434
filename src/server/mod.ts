// All cars of a company, the module hosts they share, and reloads.
export { contextSpecs } from "./car_settings.ts";
export { ChangeRefusedError, ServerStartError } from "./errors.ts";
export type { HostLoss, LostContext, ServerSubscriber } from "./host_losses.ts";
export type { HostEvents } from "./hosts.ts";
export { placeContexts } from "./supervision/placement.ts";
export { Reloader } from "./reload.ts";
export type { ReloadReport } from "./reload_report.ts";
export { Server, type ServerSnapshot } from "./server.ts";
export type { MissingModules } from "./supervision/state.ts";
