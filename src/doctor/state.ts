// Checks whether the state directory can be used.
import { readdir } from "node:fs/promises";
import * as z from "zod";
import type { ServerConfig } from "../config/mod.ts";
import { silentLog } from "../log/mod.ts";
import { Pauses, StateDirectory, StateError } from "../state/mod.ts";
import { describeFileError } from "../text/mod.ts";
import { Findings } from "./findings.ts";
import { probeFolder } from "./logs.ts";

/** What every document has: the others are not read before the server starts. */
const KEPT = z.looseObject({ format: z.literal(1) });

/** Writes a file into the directory, removes it again, and reads what is kept. */
export async function checkState({ stateDir }: ServerConfig): Promise<Findings> {
  const findings = new Findings("state");
  if (stateDir === undefined) {
    findings.skipped("state_dir", "Nothing survives a restart of the server: it is not configured");
    return findings;
  }
  try {
    const folder = await probeFolder(stateDir, findings);
    if (folder !== stateDir) return findings;
    const directory = new StateDirectory({ path: stateDir, log: silentLog });
    await new Pauses(directory, silentLog).load();
    for (const name of await documentsIn(stateDir)) await directory.read(name, KEPT);
  } catch (error) {
    if (error instanceof StateError) {
      const [message = "", advice = ""] = error.message.split("; ");
      findings.failed(stateDir, message, `${advice.charAt(0).toUpperCase()}${advice.slice(1)}`);
    } else {
      findings.failed(
        stateDir,
        `Cannot keep state: ${describeFileError(error)}`,
        "Make it a directory that the server's user may write, or give state_dir another",
      );
    }
  }
  return findings;
}

/** The names of its documents. */
async function documentsIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith(".json")).sort();
}
