// The entry point of a script's module host run by Deno; see ../../host/main.ts.
import { runScriptHost } from "./run_script_host.ts";

Deno.exitCode = await runScriptHost();
