// Finds what keeps a library from being loaded by asking the system's loader: like `ldd`, but
// without a shell, which container images lack. The loader maps the library and all it needs, and
// runs nothing.
import { basename, resolve } from "node:path";
import type { ServerConfig } from "../../config/mod.ts";
import { readElf } from "../../module/mod.ts";
import { Semaphore } from "../../time/mod.ts";
import { type ImageVariant, newestOf, variantFor } from "./image_variants.ts";

/** Something that keeps a library from being loaded. */
export interface LoadProblem {
  /** What is wrong, without the library's own path. */
  readonly message: string;
  /** What to do about it. */
  readonly advice: string;
}

/** A library with everything it needs. */
export interface LoadPlan {
  readonly problems: readonly LoadProblem[];
  /** The machine it is built for, such as `x86-64`; undefined when its file cannot be read. */
  readonly architecture?: string;
  /** Whether this machine's loader accepts files for this architecture. */
  readonly native: boolean;
  /** How many libraries it needs itself; undefined when the loader was not asked. */
  readonly needed?: number;
  /** The newest glibc that it needs itself, such as `2.34`. */
  readonly glibc?: string | undefined;
  /** The newest version of the C++ runtime that it needs itself, such as `3.4.30`. */
  readonly glibcxx?: string | undefined;
  /** The image that it loads in; undefined when there is none, or the loader was not asked. */
  readonly variant?: ImageVariant | undefined;
}

const ARCHITECTURES: Readonly<Record<number, string>> = {
  3: "x86",
  20: "PowerPC",
  21: "PowerPC 64",
  22: "S/390",
  40: "ARM (32 bit)",
  62: "x86-64",
  183: "ARM64 (aarch64)",
  243: "RISC-V",
  258: "LoongArch",
};
/** Machine numbers of ELF, and the path of the loader in the ABI. */
const [OWN_MACHINE, LOADER] = Deno.build.arch === "aarch64"
  ? [183, "/lib/ld-linux-aarch64.so.1"] as const
  : [62, "/lib64/ld-linux-x86-64.so.2"] as const;
const OWN_ARCHITECTURE = ARCHITECTURES[OWN_MACHINE] ?? "";
/** Deadline for the loader, in milliseconds: libraries may be on a network file system. */
const LOADER_MS = 10_000;
/** Loaders that run at the same time. */
const MAX_LOADERS = 8;

/**
 * Plans for the libraries of a configuration, by path. Never rejects.
 *
 * @param running the libraries of this configuration are loaded already, and have no plans
 */
export async function planLibraries(
  config: ServerConfig,
  running?: ServerConfig,
): Promise<ReadonlyMap<string, LoadPlan>> {
  const paths = librariesOf(config).difference(librariesOf(running));
  const semaphore = new Semaphore(MAX_LOADERS);
  const plans = [...paths].map(async (path) => {
    const leave = await semaphore.acquire();
    const plan = await planLoad(path);
    leave();
    return [path, plan] as const;
  });
  return new Map(await Promise.all(plans));
}

/** A script that cannot be run is a problem of the configuration. */
function librariesOf(config: ServerConfig | undefined): Set<string> {
  const modules = config?.cars.flatMap((car) => car.modules);
  return new Set(
    modules?.flatMap(({ libPath, script }) => script === undefined ? [libPath] : []),
  );
}

/** Finds everything that keeps a library from being loaded. Never rejects. */
export async function planLoad(path: string): Promise<LoadPlan> {
  let native = false;
  try {
    const { machine, bits, littleEndian, truncation } = readElf(path);
    const architecture = ARCHITECTURES[machine] ?? `machine ${machine}`;
    native = bits === 64 && littleEndian && machine === OWN_MACHINE;
    if (truncation !== undefined) throw new RangeError(truncation);
    if (native) return { native, architecture, ...await askLoader(resolve(path)) };
    const problem = {
      message: `it is built for ${architecture}, this machine is ${OWN_ARCHITECTURE}`,
      advice: `Build the library for ${OWN_ARCHITECTURE}, 64 bit`,
    };
    return { native, architecture, problems: [problem] };
  } catch (error) {
    return { native: false, problems: [unreadable(error)] };
  }
}

function unreadable(error: unknown): LoadProblem {
  const message = error instanceof Error ? error.message : String(error);
  const advice = error instanceof RangeError
    ? "Copy the library again, in binary mode, and compare its size; or build it again"
    : "Let the user that runs the server read the file and its folders";
  return { message, advice };
}

async function askLoader(path: string): Promise<Omit<LoadPlan, "native">> {
  const answer = await runLoader([path], {
    LD_TRACE_LOADED_OBJECTS: "1",
    LD_VERBOSE: "1",
    LD_DEBUG: "files",
  });
  // Without a loader at that path, module hosts report what is wrong.
  if (answer === undefined) return { problems: [] };
  const { out, err, failure } = answer;
  if (failure !== undefined) return { problems: [failure] };
  const wanted = [...err.matchAll(/file=(.+) \[\d+\];\s+needed by (.+) \[\d+\]$/gm)];
  const problems: LoadProblem[] = [];
  for (const [, name = ""] of out.matchAll(/^\t(\S.*) => not found$/gm)) {
    const [, , by = path] = wanted.find(([, one]) => one === name) ?? [];
    problems.push(missing(name, wanter(by, path)));
  }
  problems.push(...await judgeVersions(err, path));
  const [, own = ""] = out.split(`\n\t${path}:\n`);
  const listed = own.split(/\n\t\S/, 1).join().matchAll(/\((.+)\) => /g);
  const versions = Array.from(listed, ([, version = ""]) => version);
  return {
    problems,
    needed: wanted.filter(([, , by]) => by === path).length,
    glibc: newestOf("GLIBC", versions),
    glibcxx: newestOf("GLIBCXX", versions),
    variant: variantFor(versions),
  };
}

interface LoaderAnswer {
  readonly out: string;
  readonly err: string;
  readonly failure: LoadProblem | undefined;
}

/** Undefined when there is no loader at its path, or it takes too long. */
async function runLoader(
  args: string[],
  env: Record<string, string>,
): Promise<LoaderAnswer | undefined> {
  const signal = AbortSignal.timeout(LOADER_MS);
  try {
    const options = { args, env: { ...env, LC_ALL: "C" }, stdin: "null", signal } as const;
    const { success, signal: ended, stdout, stderr } = await new Deno.Command(LOADER, options)
      .output();
    if (signal.aborted) return undefined;
    const err = new TextDecoder().decode(stderr);
    const said = /error while loading shared libraries: (.*)/.exec(err)?.[1];
    const failure = success ? undefined : {
      message: ended === null ? `the loader says: ${said ?? err}` : `the loader ends by ${ended}`,
      advice: "Copy the library again, in binary mode, and compare its size; or build it again",
    };
    return { out: new TextDecoder().decode(stdout), err, failure };
  } catch {
    return undefined;
  }
}

function missing(name: string, wanter: string): LoadProblem {
  return {
    message: `${wanter} needs "${name}", which is not where the loader looks`,
    advice: `Install the package of "${name}"; or put it into a folder that ` +
      "LD_LIBRARY_PATH names, or that /etc/ld.so.conf names, and run ldconfig",
  };
}

/** Missing versions of symbols, by the library that needs them and the one that lacks them. */
async function judgeVersions(err: string, path: string): Promise<LoadProblem[]> {
  // Lines that begin with spaces are the trace's, which says it once more.
  const said = err.matchAll(/^\S.*: (\S+): version `(.+)' not found \(required by (.+)\)$/gm);
  const lacking = Map.groupBy(said, ([, library = "", , by = ""]) => `${by}\n${library}`);
  const own = lacking.size === 0 ? "" : await ownGlibc();
  return [...lacking].map(([key, found]) => {
    const [by = "", library = ""] = key.split("\n");
    const versions = found.map(([, , version = ""]) => version);
    const name = basename(library);
    const wanted = newestOf("GLIBC", versions);
    const message = `${wanter(by, path)} needs `;
    return wanted === undefined
      ? {
        message: `${message}${versions.join(", ")} of "${name}", ` +
          "which the one on this machine does not have",
        advice: `Install a newer "${name}", or build against the installed one` +
          orVariant(versions),
      }
      : {
        message: `${message}glibc ${wanted}, this machine has ${own} ("${name}")`,
        advice:
          `Build it on a system with glibc ${own} or older, or run the server on a newer one` +
          orVariant(versions),
      };
  });
}

async function ownGlibc(): Promise<string> {
  const answer = await runLoader(["--version"], {});
  return /version (\d+\.\d+)/.exec(answer?.out ?? "")?.[1] ?? "an older one";
}

function wanter(path: string, first: string): string {
  return path === first ? "it" : `"${path}", which it needs,`;
}

/** Where versions of the runtimes are missing, an image that has them. */
function orVariant(versions: readonly string[]): string {
  const known = versions.some((version) => /^(GLIBC|GLIBCXX|CXXABI)_/.test(version));
  const variant = known ? variantFor(versions) : undefined;
  return variant === undefined ? "" : `; in containers, build the image on ${variant.base}`;
}
