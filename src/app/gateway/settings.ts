// What a Module Gateway is made from, as its configuration says.
import type { GatewayConfig, InternalServerConfig } from "../../config/mod.ts";
import type { InternalServerSettings, ListenAddress } from "../../internal_server/mod.ts";

/** The rules of the internal server. */
export function internalServerSettings(
  { takeover, push, pushOf, tokens, limits }: InternalServerConfig,
): InternalServerSettings {
  return { takeover, push, pushOf, tokens: tokens ?? null, limits };
}

/**
 * Where devices connect: the port, and a Unix socket besides.
 *
 * @param anyPort used where the configuration leaves the choice to the system
 */
export function listenAddresses(
  { internalServer }: GatewayConfig,
  anyPort: number,
): ListenAddress[] {
  const { address: host, tls, unixSocket } = internalServer;
  const port = internalServer.port === 0 ? anyPort : internalServer.port;
  const tcp = { host, port, ...(tls === undefined ? {} : { tls }) };
  return unixSocket === undefined ? [tcp] : [tcp, { path: unixSocket }];
}
