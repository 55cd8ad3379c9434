// Checks whether each sink is reached, lets the server in, and takes what it would publish.
import type { ServerConfig, SinkConfig } from "../config/mod.ts";
import { openSink, SinkError } from "../export/mod.ts";
import { describeFileError } from "../text/mod.ts";
import { deadline, systemClock } from "../time/mod.ts";
import { Findings } from "./findings.ts";
import { probeFolder } from "./logs.ts";

/** Deadline for all that one sink is tried with, in milliseconds. */
const PROBE_MS = 30_000;
const ADVICE = "Check the sink's address and the way to its receiver";

/** Tries all sinks at the same time; a sink that fails does not keep the server from starting. */
export async function checkSinks(
  { sinks = [], company }: Pick<ServerConfig, "sinks" | "company">,
  signal: AbortSignal,
): Promise<Findings[]> {
  return await Promise.all(sinks.map(async (sink) => {
    const findings = new Findings("sinks");
    if (sink.kind === "file") await checkFiles(sink.name, sink.directory, findings);
    else await checkReceiver(sink, company, signal, findings);
    return findings;
  }));
}

async function checkFiles(name: string, directory: string, findings: Findings): Promise<void> {
  try {
    await probeFolder(directory, findings);
  } catch (error) {
    findings.failed(
      name,
      `Cannot write files in "${directory}": ${describeFileError(error)}`,
      "Give the user that runs the server the right to write there, or name another directory",
    );
  }
}

async function checkReceiver(
  config: SinkConfig,
  company: string,
  signal: AbortSignal,
  findings: Findings,
): Promise<void> {
  const { name } = config;
  const stop = new AbortController();
  let target = name;
  try {
    const sink = await openSink(config, company);
    ({ target } = sink);
    const late = () => new SinkError(`no answer within ${PROBE_MS / 1000} s`);
    const probing = Promise.resolve(sink.probe?.(AbortSignal.any([signal, stop.signal])));
    const found = await deadline(probing, PROBE_MS, systemClock, late);
    findings.ok(name, `${target}: ${found ?? "Can be used"}`);
  } catch (error) {
    stop.abort(error);
    const reason = error instanceof Error ? error.message : String(error);
    const advice = error instanceof SinkError ? error.advice : null;
    findings.failed(name, `${target}: ${reason}`, advice ?? ADVICE);
  }
}
