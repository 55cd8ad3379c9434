// Checks whether the log file can be written, and whether there is room for it.
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import type { ServerConfig } from "../config/mod.ts";
import { logDirectoryAdvice } from "../log/mod.ts";
import { describeFileError } from "../text/mod.ts";
import { Findings } from "./findings.ts";

const MIB = 1024 * 1024;
/** When the file has no limit, less free space than this is a warning, in bytes. */
const LITTLE_BYTES = 1024 * MIB;

/** Writes a file into the log directory, and removes it again. */
export async function checkLogs(
  { logging: { file } }: Pick<ServerConfig, "logging">,
): Promise<Findings> {
  const findings = new Findings("logs");
  if (!file.use) {
    findings.skipped(file.directory, "No log file is written (logging.file.use)");
    return findings;
  }
  const { directory } = file;
  let folder;
  try {
    folder = await probeFolder(directory, findings);
  } catch (error) {
    findings.failed(
      directory,
      `Cannot write log files: ${describeFileError(error)}`,
      logDirectoryAdvice(),
    );
    return findings;
  }
  const { bavail, bsize } = statfsSync(folder);
  judgeSpace(directory, bavail * bsize, file.maxBytes * (file.keep + 1), findings);
  return findings;
}

/**
 * Writes a file into a directory that the server makes when it is not there, and removes it again.
 *
 * @returns the nearest existing folder, which shows whether it could.
 * @throws what the system throws.
 */
export async function probeFolder(directory: string, findings: Findings): Promise<string> {
  let folder = directory;
  while (!await exists(folder)) folder = dirname(folder);
  await Deno.remove(await Deno.makeTempFile({ dir: folder, prefix: ".external-server-" }));
  findings.ok(
    directory,
    folder === directory ? "Can be written" : `Does not exist yet, can be created in "${folder}"`,
  );
  return folder;
}

/** @param wantedBytes 0: the file grows without a limit */
export function judgeSpace(
  directory: string,
  freeBytes: number,
  wantedBytes: number,
  findings: Findings,
): void {
  const free = `${Math.floor(freeBytes / MIB)} MiB free`;
  if (wantedBytes === 0) {
    const message = `${free}; the log file grows without a limit`;
    if (freeBytes >= LITTLE_BYTES) return findings.ok(directory, message);
    return findings.warning(directory, message, "Set log_file_max_size_bytes, or make room");
  }
  const message = `${free}, up to ${Math.ceil(wantedBytes / MIB)} MiB for log files`;
  if (freeBytes >= wantedBytes) findings.ok(directory, message);
  else findings.warning(directory, message, "Make room, or keep fewer or smaller files");
}

async function exists(folder: string): Promise<boolean> {
  try {
    await Deno.stat(folder);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && folder !== dirname(folder)) return false;
    throw error;
  }
}
