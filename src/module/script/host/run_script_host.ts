// A module host of the server: contexts of modules in TypeScript or JavaScript.
import { runModuleHost } from "../../host/run_module_host.ts";
import { ScriptModule } from "../script_module.ts";

/** What configurations may grant: a script's worker has of that what its own one does. */
export const GRANTABLE = ["net", "read", "write", "env"] as const;

/** Runs a host with contexts of scripts. */
export function runScriptHost(): Promise<number> {
  return runModuleHost({
    loader: (timeoutMs) => ScriptModule.loader(timeoutMs),
    keeps: GRANTABLE,
  });
}
