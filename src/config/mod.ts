// Configurations: one table of keys, three dialects, what they resolve to, and what differs between two.
export { type Bootstrap, readBootstrap } from "./bootstrap.ts";
export type { Dialect } from "./dialects/dialect.ts";
export { externalSchema } from "./dialects/external.ts";
export { ConfigError, type Problem, problemText } from "./errors.ts";
export { systemFiles, withFiles } from "./files.ts";
export { API_KEY_NAME, isKeyName, keyHash, MAX_KEY_LENGTH } from "./resolve/http.ts";
export {
  type BrokerConfig,
  type CarConfig,
  type ClusterConfig,
  type ConfigSourceConfig,
  type EventLogConfig,
  type HttpConfig,
  type KeyConfig,
  type Limits,
  type MqttSinkConfig,
  type NatsSinkConfig,
  type OpenTelemetryConfig,
  type Scope,
  SCOPES,
  type ServerConfig,
  type SinkConfig,
  TOPIC_NAMES,
  type TopicName,
  type WebhookConfig,
} from "./resolve/config.ts";
export { configJsonSchemaText, gatewayJsonSchemaText } from "./keys/json_schema.ts";
export { gatewaySchema } from "./keys/gateway_keys.ts";
export { gatewayKeyTable, keyTable } from "./keys/key_table.ts";
export {
  isForGateway,
  loadAnyConfig,
  loadConfig,
  type LoadedConfig,
  loadGatewayConfig,
  parseConfig,
} from "./load.ts";
export type { GatewayOverrides, LoadedGatewayConfig } from "./resolve/gateway.ts";
export type {
  GatewayConfig,
  GatewayModuleConfig,
  InternalServerConfig,
  ModuleLimits,
} from "./resolve/gateway_config.ts";
export { canaryConfig } from "./plan/canary.ts";
export { compareGateways, gatewayWithoutRestart } from "./plan/compare_gateways.ts";
export type { Overrides } from "./overrides.ts";
export {
  type CarChange,
  compareConfigs,
  type CompareOptions,
  type ConfigDifference,
  isSame,
  type SettingChange,
  withoutRestart,
} from "./plan/compare.ts";
export {
  differenceLines,
  modulesText,
  namesText,
  reconnects,
  settingText,
} from "./plan/difference_text.ts";
export { effectiveDocument, effectiveGatewayDocument } from "./plan/effective.ts";
export { masked, parseEffective, unseenKeys } from "./plan/masked.ts";
export { type ConfigSource, configSource } from "./source.ts";
