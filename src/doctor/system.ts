// Facts about this machine. The program itself has no permission to read /proc and /sys, which
// would require all permissions; its children do, and they have the same limits.

/** Deadline for a command, in milliseconds. */
const COMMAND_MS = 3_000;

/** The output of a command; undefined when it is missing, fails, or takes too long. */
export async function outputOf(
  command: string,
  args: readonly string[],
): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      env: { LC_ALL: "C" },
      signal: AbortSignal.timeout(COMMAND_MS),
    }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    return undefined;
  }
}

/** The text of a file in /proc or /sys; undefined when it cannot be read. */
export function kernelFile(path: string): Promise<string | undefined> {
  return outputOf("cat", [path]);
}
