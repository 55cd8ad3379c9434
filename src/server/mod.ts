// All cars of a company, the module hosts they share, and reloads.
export { ServerStartError } from "./errors.ts";
export type { HostEvents } from "./hosts.ts";
export { placeContexts } from "./supervision/placement.ts";
export { Reloader } from "./reload.ts";
export type { ReloadReport } from "./reload_report.ts";
export { contextSpecs, Server, type ServerSnapshot } from "./server.ts";
