// What a Module Gateway is made from, as its configuration says.
import type { InternalServerConfig } from "../../config/mod.ts";
import type { InternalServerSettings } from "../../internal_server/mod.ts";

/** The rules of the internal server. */
export function internalServerSettings(
  { takeover, push, pushOf, tokens, limits }: InternalServerConfig,
): InternalServerSettings {
  return { takeover, push, pushOf, tokens: tokens ?? null, limits };
}
