// What a Module Gateway is made from, as its configuration says.
import type { GatewayConfig, InternalServerConfig } from "../../config/mod.ts";
import type { InternalServerSettings, ListenAddress } from "../../internal_server/mod.ts";

/** The rules of the internal server. */
export function internalServerSettings(
  { takeover, push, pushOf, tokens, limits }: InternalServerConfig,
): InternalServerSettings {
  return { takeover, push, pushOf, tokens: tokens ?? null, limits };
}

/** Where devices connect: the port, and a Unix socket besides. */
export function listenAddresses({ internalServer }: GatewayConfig): ListenAddress[] {
  const { address: host, port, tls, unixSocket } = internalServer;
  const tcp = { host, port, ...(tls === undefined ? {} : { tls }) };
  return unixSocket === undefined ? [tcp] : [tcp, { path: unixSocket }];
}
