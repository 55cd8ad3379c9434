// Compares two configurations of a Module Gateway.
import { GATEWAY } from "../keys/gateway_keys.ts";
import { type KeyAt, keysOf } from "../keys/key.ts";
import type { GatewayConfig } from "../resolve/gateway_config.ts";
import {
  canExport,
  compareSettings,
  isHttpTurned,
  keepRestarts,
  type SettingChange,
} from "./compare.ts";

const SETTINGS: readonly KeyAt<GatewayConfig>[] = keysOf(GATEWAY);

/** Every setting that differs, in the order of the table. */
export function compareGateways(from: GatewayConfig, to: GatewayConfig): SettingChange[] {
  return compareSettings(SETTINGS, from, to, takesBetween(from, to));
}

/** What runs after a change to `to` without a restart: settings that need one stay as in `from`. */
export function gatewayWithoutRestart(from: GatewayConfig, to: GatewayConfig): GatewayConfig {
  return keepRestarts(SETTINGS, from, to, takesBetween(from, to));
}

function takesBetween(from: GatewayConfig, to: GatewayConfig) {
  const turned = isHttpTurned(from, to);
  const exports = canExport(from);
  return ({ path, key: { takes } }: KeyAt<GatewayConfig>) => {
    const restarts = (turned && path.startsWith("http.")) || (!exports && path === "sinks");
    return restarts ? "restart" : takes;
  };
}
