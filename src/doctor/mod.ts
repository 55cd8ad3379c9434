// Examines a machine, a broker and module libraries before a server starts.
export { examine } from "./doctor.ts";
export { CHECKS, countByStatus, type Finding, STATUSES } from "./findings.ts";
export { refusedGatewayLibraries, refusedLibraries } from "./refused_libraries.ts";
export { type ConnectionShares, shareFiles } from "./limits.ts";
