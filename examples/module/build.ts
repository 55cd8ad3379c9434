// Builds the example module with the C compiler of this machine.
//
// In a compiled program the sources are embedded, where a compiler cannot read them: there, and
// where the checkout cannot be written, everything happens in a temporary folder.
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCES = ["example_module.c", "fleet_module.h"] as const;
const NAME = "example_module.so";

/** The example module could not be built; the message says what to do. */
export class ExampleBuildError extends Error {
  override readonly name = "ExampleBuildError";
}

/** How the example module is built. */
export interface BuildOptions {
  /** @default {"cc"} */
  readonly compiler?: string;
  /** Where it goes. @default {build/ beside the source} */
  readonly folder?: string;
}

/** A library that was built; `await using` it, as it may lie in a temporary folder. */
export interface ExampleModule extends AsyncDisposable {
  readonly path: string;
}

/**
 * Builds the example module where its sources have changed.
 *
 * @throws {ExampleBuildError} without a C compiler, saying what to install, or with the compiler's
 * own words.
 */
export async function buildExampleModule(options: BuildOptions = {}): Promise<ExampleModule> {
  const { compiler = "cc", folder = source("build") } = options;
  const path = join(folder, NAME);
  const changed = Math.max(...await Promise.all(SOURCES.map((name) => modified(source(name)))));
  if (await modified(path) > changed) return { path, [Symbol.asyncDispose]: nothingLeft };
  if (!Deno.build.standalone && await isWritable(folder)) {
    await build(compiler, source(SOURCES[0]), path);
    return { path, [Symbol.asyncDispose]: nothingLeft };
  }
  return await buildApart(compiler);
}

/** Builds from a copy of the sources; the folder goes with the module. */
async function buildApart(compiler: string): Promise<ExampleModule> {
  const folder = await temporaryFolder();
  const remove = () => Deno.remove(folder, { recursive: true });
  try {
    for (const name of SOURCES) {
      await Deno.writeTextFile(join(folder, name), await Deno.readTextFile(source(name)));
    }
    const path = join(folder, NAME);
    await build(compiler, join(folder, SOURCES[0]), path);
    return { path, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function temporaryFolder(): Promise<string> {
  try {
    return await Deno.makeTempDir({ prefix: "example-module-" });
  } catch (cause) {
    const message = "Cannot build the example module: there is no folder to build it in, " +
      "name one that can be written with TMPDIR";
    throw new ExampleBuildError(message, { cause });
  }
}

function source(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

function nothingLeft(): Promise<void> {
  return Promise.resolve();
}

async function isWritable(folder: string): Promise<boolean> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    const probe = join(folder, `.${crypto.randomUUID()}`);
    await Deno.writeTextFile(probe, "");
    await Deno.remove(probe);
    return true;
  } catch {
    return false;
  }
}

/** Whoever builds at the same time gets a whole file, whichever of the two it is. */
async function build(compiler: string, from: string, to: string): Promise<void> {
  const unfinished = `${to}.${crypto.randomUUID()}`;
  const args = ["-std=c11", "-O2", "-fPIC", "-shared", "-pthread", "-o", unfinished, from];
  const { success, stderr } = await run(compiler, args);
  if (!success) {
    const text = new TextDecoder().decode(stderr).trim();
    throw new ExampleBuildError(`Cannot compile "${from}": ${text}`);
  }
  await Deno.rename(unfinished, to);
}

async function run(compiler: string, args: string[]): Promise<Deno.CommandOutput> {
  try {
    return await new Deno.Command(compiler, { args }).output();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new ExampleBuildError(
      "Cannot build the example module: there is no C compiler, " +
        'install one (on Debian and Ubuntu: "apt-get install gcc libc6-dev")',
      { cause },
    );
  }
}

/** When a file was last changed; 0 when there is none. */
async function modified(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? 0;
  } catch {
    // Nothing there yet.
    return 0;
  }
}
