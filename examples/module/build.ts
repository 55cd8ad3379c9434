// Builds the example module with the C compiler of this machine.

const SOURCE = new URL("example_module.c", import.meta.url).pathname;
const HEADER = new URL("fleet_module.h", import.meta.url).pathname;
const FOLDER = new URL("build/", import.meta.url).pathname;
const NAME = "example_module.so";

/** The example module could not be built; the message says what to do. */
export class ExampleBuildError extends Error {
  override readonly name = "ExampleBuildError";
}

/** How the example module is built. */
export interface BuildOptions {
  /** @default {"cc"} */
  readonly compiler?: string;
  /** Where it goes, with a slash at the end. @default {build/ beside the source} */
  readonly folder?: string;
}

/**
 * Builds the example module where its sources have changed, and returns the library's path. Where
 * the checkout cannot be written, it is built in a temporary folder.
 *
 * @throws {ExampleBuildError} without a C compiler, saying what to install, or with the compiler's
 * own words.
 */
export async function buildExampleModule(options: BuildOptions = {}): Promise<string> {
  const { compiler = "cc", folder: wanted = FOLDER } = options;
  const path = wanted + NAME;
  if (await modified(path) > Math.max(await modified(SOURCE), await modified(HEADER))) return path;
  const folder = await writableFolder(wanted);
  // Whoever builds at the same time gets a whole file, whichever of the two it is.
  const unfinished = `${folder}${NAME}.${crypto.randomUUID()}`;
  await compile(compiler, unfinished);
  await Deno.rename(unfinished, folder + NAME);
  return folder + NAME;
}

async function writableFolder(folder: string): Promise<string> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    const probe = `${folder}.${crypto.randomUUID()}`;
    await Deno.writeTextFile(probe, "");
    await Deno.remove(probe);
    return folder;
  } catch {
    return `${await Deno.makeTempDir({ prefix: "example-module-" })}/`;
  }
}

async function compile(compiler: string, output: string): Promise<void> {
  const args = ["-std=c11", "-O2", "-fPIC", "-shared", "-pthread", "-o", output, SOURCE];
  const { success, stderr } = await run(compiler, args);
  if (!success) {
    const text = new TextDecoder().decode(stderr).trim();
    throw new ExampleBuildError(`Cannot compile "${SOURCE}": ${text}`);
  }
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

async function modified(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).mtime?.getTime() ?? 0;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
