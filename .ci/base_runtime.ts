// The base runtime that an executable is made of: `deno compile` takes it from Deno's download
// server, or from a file that the environment names.
//
//   DENORT_BIN_X86_64=FILE DENORT_BIN_AARCH64=FILE    one for each target
//   DENORT_BIN=FILE                                   for the target whose machine it is for
//
// What `deno compile` is given it takes without a look at it, so that is looked at here: an archive
// for one machine never holds an executable for another.
import { closeSync, openSync, readSync } from "node:fs";
import { describeFailure } from "../src/transport/mod.ts";

/** `e_machine` by what targets and variables call the architecture. */
const MACHINES: Readonly<Record<string, number>> = { x86_64: 62, aarch64: 183 };

/** The base runtime for a target cannot be used, or another machine's has been packed. */
export class BaseRuntimeError extends Error {
  override readonly name = "BaseRuntimeError";
}

/**
 * The environment in which `deno compile` is run for a target: with `DENORT_BIN` where a base
 * runtime for its machine is named, else without.
 *
 * @throws {BaseRuntimeError} when what is named for the target is for another machine, or for none
 */
export function compilerEnvironment(
  target: string,
  env: Readonly<Record<string, string>>,
): Record<string, string> {
  const { DENORT_BIN: general, ...others } = env;
  const architecture = architectureOf(target);
  if (architecture === undefined) return others;
  const variable = `DENORT_BIN_${architecture.toUpperCase()}`;
  const own = env[variable];
  if (own !== undefined) {
    expectMachine(own, architecture, variable);
    return { ...others, DENORT_BIN: own };
  }
  if (general === undefined) return others;
  const fits = machineOf(general) === MACHINES[architecture];
  if (!fits && architecture === Deno.build.arch) {
    expectMachine(general, architecture, "DENORT_BIN");
  }
  return fits ? { ...others, DENORT_BIN: general } : others;
}

/**
 * Makes sure that an executable is for a target's machine.
 *
 * @throws {BaseRuntimeError} when it is not
 */
export function checkExecutable(path: string, target: string): void {
  const architecture = architectureOf(target);
  if (architecture !== undefined) expectMachine(path, architecture, "The executable");
}

/**
 * What keeps the compiler from a base runtime, and what to do about it; undefined when it is another
 * problem that it reports.
 *
 * @param said in the compiler's words
 */
export function downloadProblem(said: string, target: string): string | undefined {
  const [, url, why = ""] = /error sending request for url \((\S+)\): (.*)/s.exec(said) ?? [];
  if (url === undefined) return undefined;
  const variable = `DENORT_BIN_${architectureOf(target)?.toUpperCase() ?? "..."}`;
  const { reason } = describeFailure(new Error(why));
  return `Cannot download the base runtime from "${url}": ${reason}. ` +
    `Let this machine reach that server, or name a base runtime with ${variable}`;
}

/** Only Linux is released for; other targets are left to the compiler. */
function architectureOf(target: string): string | undefined {
  const [, architecture] = /^(\w+)-unknown-linux-gnu$/.exec(target) ?? [];
  return architecture !== undefined && architecture in MACHINES ? architecture : undefined;
}

function expectMachine(path: string, architecture: string, what: string): void {
  const machine = machineOf(path);
  if (machine === MACHINES[architecture]) return;
  const name = Object.keys(MACHINES).find((each) => MACHINES[each] === machine);
  const found = machine === undefined ? "no ELF file" : name ?? `machine ${machine}`;
  throw new BaseRuntimeError(
    `${what}: Expected an ELF file for ${architecture}: found ${found} ("${path}")`,
  );
}

/** Undefined for what is no ELF file, or is not there. */
function machineOf(path: string): number | undefined {
  const header = new Uint8Array(20);
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  const count = readSync(file, header);
  closeSync(file);
  const view = new DataView(header.buffer);
  return count === 20 && view.getUint32(0) === 0x7f454c46 ? view.getUint16(18, true) : undefined;
}
