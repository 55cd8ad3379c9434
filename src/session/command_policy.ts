// What a module's commands may be held to while they wait: an age, a newer one in their place, and being
// sent again after a reconnect. Without a policy, nothing of this happens [COMMAND-POLICY].
import type { ModuleCommand } from "../protocol/mod.ts";
import type { SessionSettings } from "./settings.ts";

/** How commands of one module wait; plain data. */
export interface CommandPolicy {
  readonly module: number;
  /** A command that was popped so long ago is not sent, in milliseconds; `null`: it never is too old. */
  readonly ttlMs: number | null;
  /**
   * A newer command takes the place of a waiting one of the same device and the same value at this
   * path of their JSON; empty: of the same device. `null`: never.
   */
  readonly supersede: readonly string[] | null;
  /** How often a command is sent again that had no response when its session ended. */
  readonly redeliver: number;
}

/** A value at {@linkcode CommandPolicy.supersede} with a longer text is no key, in characters. */
const MAX_KEY = 256;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The policy of a module; undefined: it has none. */
export function policyOf(
  { commandPolicies }: SessionSettings,
  module: number,
): CommandPolicy | undefined {
  return commandPolicies?.find((policy) => policy.module === module);
}

/** What newer commands of the device are compared by; `null`: none supersedes this one. */
export function supersedeKey(
  policy: CommandPolicy | undefined,
  { data }: ModuleCommand,
): string | null {
  const path = policy?.supersede ?? null;
  if (path === null) return null;
  if (path.length === 0) return "";
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(data));
  } catch {
    return null;
  }
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return null;
    value = (value as Readonly<Record<string, unknown>>)[name];
  }
  if (typeof value === "object") return null;
  const key = JSON.stringify(value);
  return key.length > MAX_KEY ? null : key;
}

/** When a command that was popped at `at` is too old, in milliseconds; `null`: never. */
export function expiryOf(
  { module, at }: { readonly module: number; readonly at: number },
  settings: SessionSettings,
): number | null {
  const ttlMs = policyOf(settings, module)?.ttlMs ?? null;
  return ttlMs === null ? null : at + ttlMs;
}
