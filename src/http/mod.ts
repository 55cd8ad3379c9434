// The HTTP server: page, API, metrics, health.
export { apiPage, openApiDocument } from "./api/describe.ts";
export { METHODS } from "./api/methods.ts";
export { fetchConfig, RunningConfigError } from "./client.ts";
export { listenHttp } from "./listen.ts";
export { Operators } from "./operators.ts";
