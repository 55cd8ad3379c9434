// Checks whether the state directory can be used.
import type { ServerConfig } from "../config/mod.ts";
import { silentLog } from "../log/mod.ts";
import { Pauses, StateDirectory, StateError } from "../state/mod.ts";
import { describeFileError } from "../text/mod.ts";
import { Findings } from "./findings.ts";
import { probeFolder } from "./logs.ts";

/** Writes a file into the directory, removes it again, and reads which cars are paused. */
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
