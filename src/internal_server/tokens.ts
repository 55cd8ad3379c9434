// Tokens of devices: an addition to the protocol, for gateways that others than its devices can reach.
import { createHash } from "node:crypto";
import { type DeviceConnect, deviceKey } from "../protocol/mod.ts";
import { sameSecret } from "../text/mod.ts";
import type { InternalServerSettings } from "./settings.ts";

/** Fits no token. */
const NONE = `sha256:${"0".repeat(64)}`;

/** Why a device may not connect with its token; undefined when it may. Takes as long either way. */
export function denialOf(
  { device, token }: DeviceConnect,
  { tokens }: Pick<InternalServerSettings, "tokens">,
): string | undefined {
  if (tokens === null) return undefined;
  const key = deviceKey(device);
  const expected = Object.hasOwn(tokens, key) ? tokens[key] : undefined;
  const isRight = fits(token ?? "", expected ?? NONE);
  if (token === undefined) return "it has no token";
  if (expected === undefined) return "no token is configured for it";
  return isRight ? undefined : "its token is wrong";
}

function fits(token: string, expected: string): boolean {
  return sameSecret(`sha256:${createHash("sha256").update(token).digest("hex")}`, expected);
}
