// A module host of a Module Gateway: one module in TypeScript or JavaScript.
import { runGatewayHost } from "../../host/gateway/run_gateway_host.ts";
import { ScriptGateway } from "../script_gateway.ts";
import { GRANTABLE } from "./grantable.ts";

/** Runs a gateway's host of a script. */
export function runScriptGatewayHost(): Promise<number> {
  return runGatewayHost({
    loader: (timeoutMs) => ScriptGateway.loader(timeoutMs),
    keeps: GRANTABLE,
  });
}
