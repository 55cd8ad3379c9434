// The HTTP server: page, API, metrics, health.
export { ACTIONS_DOCUMENT, type OnAction } from "./access/audit.ts";
export { LOG_INS_DOCUMENT } from "./access/log_ins.ts";
export { apiPage, openApiDocument } from "./api/describe.ts";
export { METHODS } from "./api/methods.ts";
export type { OperatedCluster } from "./api/cluster.ts";
export { askMembers, Peers } from "./api/peers.ts";
export { callServer, fetchConfig, RunningServerError } from "./client.ts";
export { listenHttp } from "./listen.ts";
export { GatewayOperators } from "./gateway/gateway_operators.ts";
export type { OperatedGateway } from "./gateway/methods.ts";
export { Operators } from "./operators.ts";
