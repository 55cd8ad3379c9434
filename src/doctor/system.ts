// Facts about this machine. The program itself may not read /proc and /sys (that would take every
// permission), but its children may, and they have the same limits.

/** How long a command may take, in milliseconds. */
const COMMAND_MS = 3_000;

/** What a command prints; undefined when it is not there, fails, or takes too long. */
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

/** The text of a file below /proc or /sys; undefined when it cannot be read. */
export function kernelFile(path: string): Promise<string | undefined> {
  return outputOf("cat", [path]);
}
