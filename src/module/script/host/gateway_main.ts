// The entry point of a gateway's host of scripts run by Deno; see ../../host/main.ts.
import { runScriptGatewayHost } from "./run_script_gateway_host.ts";

Deno.exitCode = await runScriptGatewayHost();
