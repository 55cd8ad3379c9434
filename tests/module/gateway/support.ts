// What the tests of gateways' modules share: modules that end with their test, calls, what is logged.
import type { Connect } from "../../../src/module/gateway/gateway_host.ts";
import { HostedGatewayModule } from "../../../src/module/gateway/hosted_module.ts";
import type { GatewayModuleSpec, HostedModuleOptions } from "../../../src/module/gateway/model.ts";
import type { GatewayCall, GatewayModule } from "../../../src/module/gateway_call.ts";
import { connectHost } from "../../../src/module/process/connect_host.ts";
import { waitFor } from "../../support/wait.ts";
import { fixtures, listLog, textOf } from "../support.ts";

export { fixtures, textOf };

/** A hosted module that is stopped with its test, with what it said. */
export interface TestModule extends AsyncDisposable {
  readonly module: HostedGatewayModule;
  readonly logged: string[];
  readonly printed: string[];
}

/** Starts a module; the fixture, unless told otherwise. */
export async function startModule(
  options: HostedModuleOptions = {},
  spec: Partial<GatewayModuleSpec> = {},
  connect: Connect = connectHost,
): Promise<TestModule> {
  const logged: string[] = [];
  const printed: string[] = [];
  const module = await HostedGatewayModule.start(
    { module: 1000, libPath: fixtures.gateway, ...spec },
    {
      startTimeoutMs: 60_000,
      callTimeoutMs: 60_000,
      // A busy machine is not a slow module.
      slowCallMs: 20_000,
      log: listLog(logged),
      onOutput: (line, stream) => printed.push(`${stream}: ${line}`),
      ...options,
    },
    connect,
  );
  return {
    module,
    logged,
    printed,
    [Symbol.asyncDispose]: () => waitFor(module.stop(), "the module to stop"),
  };
}

/** Bytes of a text. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A call that the fixture does as `word` says, and answers with data. */
export function aggregate(word: string, current = "a"): GatewayCall {
  return { name: "aggregate_status", type: 0, current: bytes(current), fresh: bytes(word) };
}

/** Makes a call; returns `code data`, or the error's message. */
export async function said(module: GatewayModule, call: GatewayCall | string): Promise<string> {
  const made = module.call(typeof call === "string" ? aggregate(call) : call);
  try {
    const { code, data } = await waitFor(made, "the call to return");
    return data.length > 0 ? `${code} ${textOf(data)}` : `${code}`;
  } catch (error) {
    return String(error);
  }
}
