// The entry point of a module host run by Deno; a compiled program runs itself with a hidden
// command instead. Deno loads everything that an entry point could import: with src/main.ts, every
// host would have the whole server in memory.
import { runModuleHost } from "./run_module_host.ts";

Deno.exitCode = await runModuleHost();
