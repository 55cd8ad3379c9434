// A module host of the server: contexts of modules in TypeScript or JavaScript.
import { runModuleHost } from "../../host/run_module_host.ts";
import { ScriptModule } from "../script_module.ts";
import { GRANTABLE } from "./grantable.ts";

/** Runs a host with contexts of scripts. */
export function runScriptHost(): Promise<number> {
  return runModuleHost({
    loader: (timeoutMs) => ScriptModule.loader(timeoutMs),
    keeps: GRANTABLE,
  });
}
