// Builds the two sides of the example module with the C compiler of this machine.
//
// In a compiled program the sources are embedded, where a compiler cannot read them: there, and
// where the checkout cannot be written, everything happens in a temporary folder.
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A library, and what it is made from; the source to compile comes first. */
interface Library {
  readonly name: string;
  readonly sources: readonly [string, ...string[]];
}

const SERVER_SIDE: Library = {
  name: "example_module.so",
  sources: ["example_module.c", "fleet_module.h"],
};
const GATEWAY_SIDE: Library = {
  name: "gateway_module.so",
  sources: ["gateway_module.c", "fleet_gateway_module.h"],
};

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
export function buildExampleModule(options: BuildOptions = {}): Promise<ExampleModule> {
  return buildLibrary(SERVER_SIDE, options);
}

/** Builds the side of the example module that a Module Gateway loads, as {@linkcode buildExampleModule}. */
export function buildGatewayModule(options: BuildOptions = {}): Promise<ExampleModule> {
  return buildLibrary(GATEWAY_SIDE, options);
}

async function buildLibrary(library: Library, options: BuildOptions): Promise<ExampleModule> {
  const { compiler = "cc", folder = source("build") } = options;
  const { name, sources } = library;
  const path = join(folder, name);
  const changed = Math.max(...await Promise.all(sources.map((file) => modified(source(file)))));
  if (await modified(path) > changed) return { path, [Symbol.asyncDispose]: nothingLeft };
  if (!Deno.build.standalone && await isWritable(folder)) {
    await build(compiler, source(sources[0]), path);
    return { path, [Symbol.asyncDispose]: nothingLeft };
  }
  return await buildApart(library, compiler);
}

/** Builds from a copy of the sources; the folder goes with the module. */
async function buildApart({ name, sources }: Library, compiler: string): Promise<ExampleModule> {
  const folder = await temporaryFolder();
  const remove = () => Deno.remove(folder, { recursive: true });
  try {
    for (const file of sources) {
      await Deno.writeTextFile(join(folder, file), await Deno.readTextFile(source(file)));
    }
    const path = join(folder, name);
    await build(compiler, join(folder, sources[0]), path);
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
