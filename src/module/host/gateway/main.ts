// The entry point of a gateway's module host run by Deno; see ../main.ts.
import { runGatewayHost } from "./run_gateway_host.ts";

Deno.exitCode = await runGatewayHost();
