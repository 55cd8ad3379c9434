// The entry: reads arguments, handles signals and exits. In a module host, the last two are left to
// module/host/run_host.ts.
//
// Rooms are imported only when a command needs them: a module host must stay small, so it loads
// neither MQTT nor the command line, and nothing is imported here at the top.

/** The hidden command under which a compiled program runs itself as a module host. */
const MODULE_HOST = "module-host";

/** Exit status after a second signal: 128 and the signal's number, as shells have it. */
const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143 } as const;

async function main(args: readonly string[]): Promise<number> {
  if (args[0] === MODULE_HOST) {
    if (args[1] === "gateway") {
      const { runGatewayHost } = await import("./module/host/gateway/run_gateway_host.ts");
      return await runGatewayHost();
    }
    if (args[1] === "gateway_script") {
      const { runScriptGatewayHost } = await import(
        "./module/script/host/run_script_gateway_host.ts"
      );
      return await runScriptGatewayHost();
    }
    if (args[1] === "script") {
      const { runScriptHost } = await import("./module/script/host/run_script_host.ts");
      return await runScriptHost();
    }
    const { runModuleHost } = await import("./module/host/run_module_host.ts");
    return await runModuleHost();
  }
  // Only module hosts call libraries. A compiled program has the permission for their sake, and
  // the side that talks to the network gives it up before it reads a single byte.
  await Deno.permissions.revoke({ name: "ffi" });
  const [{ runProgram }, { consoleOutput, printText }, { stackOf, reportUncaught }] = await Promise
    .all([
      import("./cli/program.ts"),
      import("./text/output.ts"),
      import("./cli/uncaught_errors.ts"),
    ]);
  const context = {
    output: consoleOutput,
    stop: stopOnSignals(),
    onReload: reloadOnSignal,
    onDefect: (text: string) => printText(text, consoleOutput.err),
  };
  reportUncaught((text) => context.onDefect(text));
  try {
    return await runProgram(args, context);
  } catch (error) {
    context.onDefect(`Defect, the command failed: ${stackOf(error)}`);
    return 1;
  }
}

/** The first signal asks to stop in order, the second one ends the process at once. */
function stopOnSignals(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => {
      if (stop.signal.aborted) Deno.exit(SIGNAL_STATUS[signal]);
      stop.abort(signal);
    });
  }
  return stop.signal;
}

/** SIGHUP asks to reload, where a command can; the others it ends, as it ends most programs. */
function reloadOnSignal(reload: () => void): () => void {
  Deno.addSignalListener("SIGHUP", reload);
  return () => Deno.removeSignalListener("SIGHUP", reload);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
