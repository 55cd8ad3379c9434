// Checks whether the state directory and what is in it can be used.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { ServerConfig } from "../config/mod.ts";
import { silentLog } from "../log/mod.ts";
import {
  freshName,
  LOCK,
  PAUSES_DOCUMENT,
  setAsideName,
  StateDirectory,
  type StateDocument,
  StateError,
} from "../state/mod.ts";
import { describeFileError } from "../text/mod.ts";
import { Findings } from "./findings.ts";
import { probeFolder } from "./logs.ts";

/** Writes a file into the directory, removes it again, and reads what is kept as the server does. */
export async function checkState({ stateDir }: ServerConfig): Promise<Findings> {
  const findings = new Findings("state");
  if (stateDir === undefined) {
    findings.skipped("state_dir", "Nothing survives a restart of the server: it is not configured");
    return findings;
  }
  try {
    const folder = await probeFolder(stateDir, findings);
    if (folder === stateDir) await checkFiles(stateDir, findings);
  } catch (error) {
    findings.failed(
      stateDir,
      `Cannot keep state: ${describeFileError(error)}`,
      "Make it a directory that the server's user may write, or give state_dir another",
    );
  }
  return findings;
}

async function checkFiles(folder: string, findings: Findings): Promise<void> {
  const names = new Set(await readdir(folder));
  // Whoever only needs the limits of this machine does not load them.
  const [{ ACTIONS_DOCUMENT, LOG_INS_DOCUMENT }, { HISTORY_DOCUMENT, INCIDENTS_DOCUMENT }] =
    await Promise.all([
      import("../http/mod.ts"),
      import("../observe/mod.ts"),
    ]);
  const dispensable = [LOG_INS_DOCUMENT, ACTIONS_DOCUMENT, HISTORY_DOCUMENT, INCIDENTS_DOCUMENT];
  const documents: readonly StateDocument[] = [PAUSES_DOCUMENT, ...dispensable];
  const directory = new StateDirectory({ path: folder, log: silentLog });
  for (const document of documents) {
    const { name } = document;
    if (names.has(name)) await checkDocument(directory, document, findings);
    const aside = setAsideName(name);
    if (!names.has(aside)) continue;
    const advice = `Repair it and rename it to ${name} while no server runs, or remove it`;
    findings.warning(join(folder, aside), "Could not be used at an earlier start", advice);
  }
  for (const name of [LOCK, ...documents.map(({ name }) => freshName(name))]) {
    if (names.has(name)) await checkWritable(join(folder, name), findings);
  }
}

async function checkDocument(
  directory: StateDirectory,
  document: StateDocument,
  findings: Findings,
): Promise<void> {
  const { name } = document;
  const path = join(directory.path, name);
  try {
    await directory.read(document);
    const { size } = await Deno.stat(path);
    findings.ok(path, `Can be used, ${size} bytes`);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    const [message = "", advice = ""] = error.message.split("; ");
    if (document === PAUSES_DOCUMENT) {
      findings.failed(path, message, `${advice.charAt(0).toUpperCase()}${advice.slice(1)}`);
    } else {
      const renamed = setAsideName(name);
      findings.warning(path, message, `Repair it, or the start renames it to ${renamed}`);
    }
  }
}

/** The server opens these files as they are; another user may have left them. */
async function checkWritable(path: string, findings: Findings): Promise<void> {
  let problem: string | undefined;
  try {
    // A pipe would block until somebody reads it.
    if ((await Deno.stat(path)).isFile) (await Deno.open(path, { write: true })).close();
    else problem = "it is no regular file";
  } catch (error) {
    problem = describeFileError(error);
  }
  if (problem === undefined) return;
  const advice = "Give it to the server's user, or remove it while no server runs";
  findings.failed(path, `Cannot be written: ${problem}`, advice);
}
