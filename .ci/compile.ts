// Makes the program one executable: `deno task compile [--output FILE] [--target TRIPLE]`.
//
// The modules are bundled first. Every module host is a process of the executable that reads all
// that is embedded into its own memory: bundled that is 2 MB, the packages as they are would be 22.
//
// Deno's compiler takes a base runtime from Deno's download server, or from a file that the
// environment names (see base_runtime.ts). Such a file fits one version of Deno: DENO_COMPILE names
// that Deno where it is not the one that runs this.
//
// Beside the executable go the licenses of the packages in it.
import { cp } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  BaseRuntimeError,
  checkExecutable,
  compilerEnvironment,
  downloadProblem,
} from "./base_runtime.ts";
import { LicenseError, licensesOf } from "./licenses.ts";

/** The folder of the checkout, with a slash at the end. */
export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** What the program may do, and what for. It asks for nothing else while it runs. */
const PERMISSIONS = [
  "--allow-net", // the broker, the embedded broker, HTTP; the loopback link to module hosts
  "--allow-read", // configuration, certificates and keys, libraries' headers, log rotation
  "--allow-write", // log files; the private folder with the sockets of module hosts
  "--allow-env", // the packages read settings such as NODE_DEBUG and NO_COLOR
  "--allow-run", // the program itself as module host; the C compiler for the demo
  "--allow-sys", // the process' own memory and host name, for metrics and logs
  "--allow-ffi", // modules' libraries: the cars' side gives it up first thing, hosts keep only it
];

const FLAGS = [
  "--v8-flags=--max-semi-space-size=4", // what a status leaves behind is small: 30 MB less for it
  "--quiet",
  "--no-check", // `deno task check` does that
  "--no-prompt", // nobody is there to be asked
  "--unstable-worker-options", // a script's worker has fewer permissions than its module host
  // The cache of compiled code lives in the shared temporary folder under a name that everybody
  // can guess, and what stands in it is run.
  "--no-code-cache",
];

/**
 * Files and folders the program reads while it runs: what the demo runs or compiles, and the operators' page.
 * They lie beside the code that reads them, as they do in the source.
 */
const EMBEDDED = [
  "examples/module/example_module.c",
  "examples/module/fleet_module.h",
  "examples/module/gateway_module.c",
  "examples/module/fleet_gateway_module.h",
  "examples/module-ts/example_module.ts",
  "examples/module-ts/gateway_module.ts",
  "src/http/page/static",
];

/**
 * What the bundled entry begins with. In packages that are not bundled, `setTimeout` is Node's, whose
 * timers are objects with methods, and they rely on that; in a bundle it is the runtime's own, whose
 * timers are numbers in older runtimes.
 */
const PREAMBLE = `import * as timers from "node:timers";
for (const name of ["setTimeout", "clearTimeout", "setInterval", "clearInterval"]) {
  globalThis[name] = timers[name];
}
`;

/** The file beside the executable. */
export const LICENSES = "THIRD_PARTY_LICENSES";

/** This platform. */
export const HERE = Deno.build.target;

/** What is to be made. */
export interface CompileOptions {
  /** Where the executable goes. @default {dist/external-server} */
  readonly output?: string;
  /** As Deno names platforms, such as `aarch64-unknown-linux-gnu`. @default {this platform} */
  readonly target?: string;
}

/** An executable could not be made; the message says why, in the compiler's own words or ours. */
export class CompileError extends Error {
  override readonly name = "CompileError";
}

/**
 * Makes an executable, with {@linkcode LICENSES} beside it, and returns its path.
 *
 * @throws {CompileError} when the compiler cannot, or has no base runtime for the target
 */
export async function compile(options: CompileOptions = {}): Promise<string> {
  const { output = join(ROOT, "dist/external-server"), target = HERE } = options;
  await Deno.mkdir(dirname(output), { recursive: true });
  const folder = await Deno.makeTempDir({ prefix: "external-server-compile-" });
  try {
    const env = compilerEnvironment(target, Deno.env.toObject());
    const { entry, options: embed, licenses } = await bundle(folder);
    const { success, text } = await run(
      Deno.env.get("DENO_COMPILE") ?? Deno.execPath(),
      ["compile", ...FLAGS, ...PERMISSIONS, ...embed, "--target", target, "-o", output, entry],
      env,
    );
    if (!success) {
      throw new CompileError(
        `Cannot compile for ${target}: ${downloadProblem(text, target) ?? text}`,
      );
    }
    checkExecutable(output, target);
    if (licenses !== undefined) {
      await Deno.writeTextFile(join(dirname(output), LICENSES), licenses);
    }
    return output;
  } catch (error) {
    if (!(error instanceof BaseRuntimeError || error instanceof LicenseError)) throw error;
    throw new CompileError(`Cannot compile for ${target}: ${error.message}`, { cause: error });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What the compiler is given. */
interface Bundle {
  readonly entry: string;
  readonly options: readonly string[];
  /** Undefined where nothing could be bundled. */
  readonly licenses?: string;
}

/** Bundles into a folder; where Deno cannot, the source is compiled as it is. */
async function bundle(folder: string): Promise<Bundle> {
  const main = join(ROOT, "src/main.ts");
  const flags = ["--quiet", "--platform", "deno", "--code-splitting", "--outdir", folder];
  const { success, text } = await run(Deno.execPath(), ["bundle", ...flags, main]);
  if (!success) {
    say(`Not bundled, the executable will be larger: Deno ${Deno.version.deno} cannot: ${text}`);
    return { entry: main, options: includes(EMBEDDED.map((path) => join(ROOT, path))) };
  }
  const licenses = await licensesOf(folder, ROOT);
  const embedded = EMBEDDED.map((path) => join(folder, basename(path)));
  for (const [index, path] of EMBEDDED.entries()) {
    await cp(join(ROOT, path), embedded[index] ?? "", { recursive: true });
  }
  // What is bundled needs no packages.
  const options = [...includes(embedded), "--no-config", "--no-npm", "--no-remote"];
  const entry = join(folder, "main.js");
  await Deno.writeTextFile(entry, PREAMBLE + await Deno.readTextFile(entry));
  return { entry, options, licenses };
}

function includes(paths: readonly string[]): string[] {
  return paths.flatMap((path) => ["--include", path]);
}

/** Runs a command in the checkout; returns what it said of importance. */
async function run(
  command: string,
  args: string[],
  variables = Deno.env.toObject(),
): Promise<{ success: boolean; text: string }> {
  const env = { ...variables, NO_COLOR: "1" };
  const options = { args, env, clearEnv: true, cwd: ROOT, stdin: "null" } as const;
  const { success, stderr } = await new Deno.Command(command, options).output();
  const lines = new TextDecoder().decode(stderr).split("\n");
  const errors = lines.filter((line) => /error/i.test(line));
  return { success, text: (errors.length > 0 ? errors : lines).slice(0, 2).join(" ").trim() };
}

/** Prints a line of progress. */
export function say(line: string): void {
  // deno-lint-ignore no-console -- a script's progress belongs on standard error
  console.error(line);
}

/** The value behind an option on the command line. */
export function option(name: string): string | undefined {
  const index = Deno.args.indexOf(name);
  return index < 0 ? undefined : Deno.args[index + 1];
}

if (import.meta.main) {
  const [output, target] = [option("--output"), option("--target")];
  try {
    const made = await compile({
      ...(output === undefined ? {} : { output }),
      ...(target === undefined ? {} : { target }),
    });
    say(`${made} (${((await Deno.stat(made)).size / 1e6).toFixed(0)} MB)`);
  } catch (error) {
    if (!(error instanceof CompileError)) throw error;
    say(error.message);
    Deno.exitCode = 1;
  }
}
