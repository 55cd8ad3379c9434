// The entry of a module host that Deno runs; a compiled program runs itself under its hidden command
// instead. Deno loads all that an entry could ever import: with src/main.ts as its entry, every host
// would have the whole server in memory.
import { runModuleHost } from "./run_module_host.ts";

Deno.exitCode = await runModuleHost();
