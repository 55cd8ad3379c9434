// The entry: the only file that reads arguments, handles signals and exits.
//
// Rooms are imported only when a command needs them: a module host must stay small, so it loads
// neither MQTT nor the command line.

/** The hidden command under which the program runs itself as a module host. */
const MODULE_HOST = "module-host";

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === MODULE_HOST) {
    const { runModuleHost } = await import("./module/host/run.ts");
    return await runModuleHost();
  }
  const { runProgram } = await import("./cli/program.ts");
  return await runProgram(args);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
