// A module host of the server: contexts of modules in TypeScript or JavaScript.
import { runModuleHost } from "../../host/run_module_host.ts";
import { ScriptModule } from "../script_module.ts";

/**
 * Runs a host with contexts of scripts. It keeps the permissions that configurations may grant: each
 * script's worker has only those that its own one does.
 */
export function runScriptHost(): Promise<number> {
  return runModuleHost((timeoutMs) => ScriptModule.loader(timeoutMs), GRANTABLE);
}

const GRANTABLE = ["net", "read", "write", "env"] as const;
