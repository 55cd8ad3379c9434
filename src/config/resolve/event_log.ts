// Resolves the section event_log.
import { resolve } from "node:path";
import type { CommonInput } from "../dialects/dialect.ts";
import type { ConfigPlace } from "../files.ts";
import { defaultOf } from "../keys/key.ts";
import { EVENT_LOG } from "../keys/outbound_keys.ts";
import type { Overrides } from "../overrides.ts";
import type { EventLogConfig } from "./config.ts";

/** Undefined when neither the document nor the command line names a directory. */
export function resolveEventLog(
  { event_log: input }: Pick<CommonInput, "event_log">,
  { eventLog: given }: Overrides,
  { workingDirectory }: ConfigPlace,
): EventLogConfig | undefined {
  const directory = given ?? input?.directory;
  if (directory === undefined) return undefined;
  return {
    directory: resolve(workingDirectory, directory),
    durability: input?.durability ?? defaultOf(EVENT_LOG.durability),
    maxBytes: input?.max_bytes ?? defaultOf(EVENT_LOG.max_bytes),
    maxAgeHours: input?.max_age_hours ?? defaultOf(EVENT_LOG.max_age_hours),
  };
}
