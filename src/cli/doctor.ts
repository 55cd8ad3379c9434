// `doctor`: tests everything the server will need, and says what to fix.
import { CHECKS, countByStatus, examine, type Finding, STATUSES } from "../doctor/mod.ts";
import type { ConfigOptions } from "./config_options.ts";
import type { ProgramContext } from "./program_context.ts";
import { explainDefault, printWarning } from "./problems.ts";
import { printText, type Tone } from "../text/mod.ts";
import { firstOf } from "../time/mod.ts";

/** The options of `doctor`. */
export interface DoctorOptions extends ConfigOptions {
  /** Whether the result is one JSON document. */
  readonly json: boolean;
  readonly init: boolean;
  readonly publish: boolean;
  /** How long gateways are listened for, in milliseconds; 0: nothing is published. */
  readonly listenMs: number;
}

/** Subjects with the same result that are named; the rest are only counted. */
const MAX_SUBJECTS = 4;

/** @returns the exit status: 1 when something failed, or when it was stopped before the end */
export async function doctorCommand(
  options: DoctorOptions,
  { output, stop }: ProgramContext,
): Promise<number> {
  if (options.publish) {
    printWarning("--publish: connected gateways will have to reconnect", output);
  }
  const stopped = Promise.withResolvers<undefined>();
  stop.addEventListener("abort", () => stopped.resolve(undefined), { once: true });
  const findings = await firstOf(examine({ ...options, signal: stop }), stopped.promise);
  if (findings === undefined) {
    output.err("Stopped before the end");
    return 1;
  }
  const counts = countByStatus(findings);
  if (options.json) {
    const document = { ok: counts.failed === 0, counts, findings };
    printText(JSON.stringify(document, null, 2), (line) => output.out(line));
  } else {
    for (const { text, tone } of report(findings)) output.out(text, tone);
  }
  if (findings.some(({ subject, status }) => status === "failed" && subject === options.config)) {
    explainDefault(options.config, output);
  }
  return counts.failed === 0 ? 0 : 1;
}

/** A line of the report, and the color of its first word. */
export interface ReportLine {
  readonly text: string;
  readonly tone?: Tone;
}

/** The human-readable report: grouped by check and by result, with totals at the end. */
export function report(findings: readonly Finding[]): ReportLine[] {
  const lines: ReportLine[] = [];
  for (const check of CHECKS) {
    const own = findings.filter((finding) => finding.check === check);
    if (own.length > 0) lines.push({ text: check }, ...describe(own), { text: "" });
  }
  const { ok, warning, failed, skipped } = countByStatus(findings);
  const warnings = warning === 1 ? "1 warning" : `${warning} warnings`;
  const text = `${ok} ok, ${warnings}, ${failed} failed, ${skipped} skipped`;
  return [...lines, { text, tone: failed > 0 ? "failed" : warning > 0 ? "warning" : "ok" }];
}

function describe(findings: readonly Finding[]): ReportLine[] {
  const alike = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = JSON.stringify([finding.status, finding.message, finding.advice]);
    const same = alike.get(key);
    if (same) same.push(finding);
    else alike.set(key, [finding]);
  }
  const width = Math.max(...STATUSES.map((status) => status.length));
  return [...alike.values()].flatMap((same) => {
    const [{ status, message, advice }] = same as [Finding];
    const text = `  ${status.padEnd(width)}  ${subjectsOf(same)}: ${message}`;
    const line = status === "skipped" ? { text } : { text, tone: status };
    return advice === undefined ? [line] : [line, { text: `  ${" ".repeat(width)}  -> ${advice}` }];
  });
}

function subjectsOf(findings: readonly Finding[]): string {
  const named = findings.slice(0, MAX_SUBJECTS).map(({ subject }) => subject).join(", ");
  const more = findings.length - MAX_SUBJECTS;
  return more > 0 ? `${named} and ${more} more` : named;
}
