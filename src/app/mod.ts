// Puts a server together from a configuration: starts it, stops it, tells systemd.
export { assembleServer, makeConnector } from "./assemble.ts";
export { clusterOf, type ClusterPart, withClusterKey } from "./cluster.ts";
export { beginConfig, type BegunConfig, remotePart, withSection } from "./config_source.ts";
export { exportOf, type ExportPart } from "./export.ts";
export { type Part, runUntilStopped, whenAborted } from "./lifetime.ts";
export { recorderOf, type RecorderPart, retentionOf } from "./recording.ts";
export { type State, stateDirectoryOf, stateOf } from "./state.ts";
export { servicePart, systemdNotify } from "./systemd/mod.ts";
export { type Running, telemetryOf } from "./telemetry.ts";
export { webhookOf, type WebhookParts } from "./webhook.ts";
