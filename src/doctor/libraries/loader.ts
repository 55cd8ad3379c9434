// Checks whether the loader could load a library: follows what the library needs as the loader does,
// and explains every problem. The loader itself reports only the first, and tersely.
import { dirname, resolve } from "node:path";
import { ElfError } from "../errors.ts";
import {
  describeLibrary,
  type LibraryDescription,
  type NeededLibrary,
  OWN_ARCHITECTURE,
} from "./elf.ts";
import { readLoaderCache } from "./loader_cache.ts";

/** Something that keeps a library from being loaded. */
export interface LoadProblem {
  readonly kind: "unreadable" | "architecture" | "kind" | "missing" | "version";
  /** What is wrong, without the library's own path. */
  readonly message: string;
  /** What to do about it. */
  readonly advice: string;
}

/** A library with everything it needs. */
export interface LoadPlan {
  readonly problems: readonly LoadProblem[];
  /** Undefined when its file cannot be read. */
  readonly description: LibraryDescription | undefined;
  /** Symbols that it provides, itself or through the libraries it needs. */
  readonly symbols: ReadonlySet<string>;
  /** The newest glibc that it needs itself, such as `2.34`. */
  readonly glibc: string | undefined;
}

/** Where the loader looks for libraries; read once for many. */
export interface LoaderView {
  readonly cache: ReadonlyMap<string, readonly string[]>;
  /** `LD_LIBRARY_PATH`. */
  readonly libraryPath: readonly string[];
}

/** So many needed libraries are followed. */
const MAX_LIBRARIES = 500;
const MULTIARCH = `${Deno.build.arch}-linux-gnu`;
const STANDARD_FOLDERS = [`/lib/${MULTIARCH}`, `/usr/lib/${MULTIARCH}`]
  .concat("/lib64", "/usr/lib64", "/lib", "/usr/lib");

/** The view of this process, whose module hosts inherit it. */
export function systemLoaderView(): LoaderView {
  const libraryPath = (Deno.env.get("LD_LIBRARY_PATH") ?? "").split(/[:;]/).filter(Boolean);
  return { cache: readLoaderCache(), libraryPath };
}

interface Visit {
  readonly path: string;
  readonly description: LibraryDescription;
  /** `DT_RPATH` of all libraries on the way here. */
  readonly rPath: readonly string[];
}

/** Finds everything that keeps a library from being loaded. Does not throw. */
export function planLoad(path: string, view: LoaderView = systemLoaderView()): LoadPlan {
  const problems: LoadProblem[] = [];
  const symbols = new Set<string>();
  const plan = (description: LibraryDescription | undefined): LoadPlan => ({
    problems,
    description,
    symbols,
    glibc: description && newestGlibc(description.needed.flatMap(({ versions }) => versions)),
  });
  let first: LibraryDescription;
  try {
    first = describeLibrary(path);
  } catch (error) {
    problems.push(unreadable(error));
    return plan(undefined);
  }
  const wrongKind = judgeKind(first);
  if (wrongKind !== undefined) problems.push(wrongKind);
  if (!first.native) return plan(first);
  const known = new Map<string, LibraryDescription>();
  const queue: Visit[] = [{ path, description: first, rPath: [] }];
  for (let visit = queue.shift(); visit !== undefined; visit = queue.shift()) {
    const rPath = [...visit.description.rPath.map((each) => expand(each, visit)), ...visit.rPath];
    for (const symbol of visit.description.symbols) symbols.add(symbol);
    for (const needed of visit.description.needed) {
      let found = known.get(needed.name);
      if (found === undefined) {
        const place = find(needed.name, visit, rPath, view);
        if (place === undefined) {
          problems.push(missing(needed, visit, path));
          continue;
        }
        found = place.description;
        known.set(needed.name, found);
        if (found.soname !== undefined) known.set(found.soname, found);
        if (known.size < MAX_LIBRARIES) queue.push({ ...place, rPath });
      }
      problems.push(...judgeVersions(needed, found, visit, path));
    }
  }
  return plan(first);
}

function find(
  name: string,
  from: Visit,
  rPath: readonly string[],
  { cache, libraryPath }: LoaderView,
): Pick<Visit, "path" | "description"> | undefined {
  const runPath = from.description.runPath.map((folder) => expand(folder, from));
  const folders = [...(runPath.length > 0 ? [] : rPath), ...libraryPath, ...runPath];
  const candidates = name.includes("/")
    ? [resolve(name)]
    : folders.map((folder) => resolve(folder, name)).concat(
      cache.get(name) ?? [],
      STANDARD_FOLDERS.map((folder) => `${folder}/${name}`),
    );
  for (const path of candidates) {
    try {
      const description = describeLibrary(path);
      // The loader skips libraries for other machines.
      if (description.native) return { path, description };
    } catch {
      // Missing or unusable: try the next one.
    }
  }
  return undefined;
}

/** What stands for the folder of the library itself. */
function expand(folder: string, { path }: Visit): string {
  return folder.replaceAll(/\$ORIGIN\b|\$\{ORIGIN\}/g, dirname(path));
}

function unreadable(error: unknown): LoadProblem {
  const cause = error instanceof ElfError ? error.cause : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  const advice = cause instanceof RangeError
    ? "Copy the library again, in binary mode, and compare its size; or build it again"
    : "Let the user that runs the server read the file and its folders";
  return { kind: "unreadable", message, advice };
}

function judgeKind({ native, architecture, shared }: LibraryDescription): LoadProblem | undefined {
  if (!native) {
    return {
      kind: "architecture",
      message: `it is built for ${architecture}, this machine is ${OWN_ARCHITECTURE}`,
      advice: `Build the library for ${OWN_ARCHITECTURE}, 64 bit`,
    };
  }
  if (shared) return undefined;
  const message = "it is a program or an object file, not a shared library";
  return { kind: "kind", message, advice: "Link it with -shared, compiled with -fPIC" };
}

function missing(needed: NeededLibrary, visit: Visit, first: string): LoadProblem {
  return {
    kind: "missing",
    message: `${wanter(visit, first)} needs "${needed.name}", which is not where the loader looks`,
    advice: `Install the package of "${needed.name}"; or put it into a folder that ` +
      "LD_LIBRARY_PATH names, or that /etc/ld.so.conf names, and run ldconfig",
  };
}

function judgeVersions(
  needed: NeededLibrary,
  found: LibraryDescription,
  visit: Visit,
  first: string,
): LoadProblem[] {
  // The loader accepts a library without any versions as it is.
  if (found.provides.length === 0) return [];
  const lacking = needed.versions.filter((version) => !found.provides.includes(version));
  if (lacking.length === 0) return [];
  const own = newestGlibc(found.provides);
  const wanted = newestGlibc(lacking);
  if (wanted !== undefined && own !== undefined) {
    return [{
      kind: "version",
      message: `${wanter(visit, first)} needs glibc ${wanted}, this machine has ${own} ` +
        `("${needed.name}")`,
      advice: `Build it on a system with glibc ${own} or older, or run the server on a newer one`,
    }];
  }
  return [{
    kind: "version",
    message: `${wanter(visit, first)} needs ${lacking.join(", ")} of "${needed.name}", ` +
      "which the one on this machine does not have",
    advice: `Install a newer "${needed.name}", or build against the installed one`,
  }];
}

function wanter({ path }: Visit, first: string): string {
  return path === first ? "it" : `"${path}", which it needs,`;
}

/** The highest of versions such as `GLIBC_2.34`, as `2.34`. */
export function newestGlibc(versions: readonly string[]): string | undefined {
  let newest: number[] | undefined;
  for (const version of versions) {
    const [, numbers] = /^GLIBC_(\d+(?:\.\d+)+)$/.exec(version) ?? [];
    if (numbers === undefined) continue;
    const parts = numbers.split(".").map(Number);
    if (newest === undefined || isNewer(parts, newest)) newest = parts;
  }
  return newest?.join(".");
}

function isNewer(one: readonly number[], other: readonly number[]): boolean {
  for (let index = 0; index < Math.max(one.length, other.length); index++) {
    const difference = (one[index] ?? 0) - (other[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
