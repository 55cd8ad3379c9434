// Reads a script with all files that it imports, and compiles them.
import { dirname, extname, relative, resolve } from "node:path";
import { describeFileError, quote, readText } from "../text/mod.ts";
import { isScriptPath, type Script, ScriptError, type ScriptFile } from "./script.ts";

/** All files of a script, in bytes: it goes to every host that runs it, whole. */
const MAX_BYTES = 4 * 1024 * 1024;

/** Reads a file's text. */
export type ReadFile = (path: string, options: { readonly maxBytes?: number }) => Promise<string>;

/** Node's modules that a script may import: none that could run other code, past the permissions. */
const OPEN = new Set(
  ("assert assert/strict async_hooks buffer console crypto dns dns/promises events fs fs/promises " +
    "http http2 https net os path path/posix perf_hooks process querystring readline stream " +
    "stream/promises stream/web string_decoder timers timers/promises tls url util util/types zlib")
    .split(" "),
);

/**
 * Reads a script. It may import files in its own folder and below, `.json` included, and Node's
 * built-in modules.
 *
 * @throws {ScriptError} when a file cannot be read, is no valid code, or imports something else.
 */
export async function readScript(path: string, read: ReadFile = readText): Promise<Script> {
  return await new Reading(path, read).run();
}

class Reading {
  readonly #entry: string;
  readonly #read: ReadFile;
  readonly #files: ScriptFile[] = [];
  /** Files that were begun: import cycles end there. */
  readonly #begun = new Set<string>();
  readonly #sources: string[] = [];
  #bytes = 0;

  constructor(entry: string, read: ReadFile) {
    this.#entry = entry;
    this.#read = read;
  }

  async run(): Promise<Script> {
    await this.#add(this.#entry);
    const text = new TextEncoder().encode(JSON.stringify(this.#sources));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return { files: this.#files, hash };
  }

  async #add(path: string): Promise<void> {
    if (this.#begun.has(path)) return;
    this.#begun.add(path);
    const source = await this.#text(path);
    this.#sources.push(relative(dirname(this.#entry), path), source);
    const { code, imports } = await compiled(path, source);
    const paths: Record<string, string> = {};
    for (const specifier of imports) {
      const target = isOpen(specifier) ? specifier : this.#resolve(path, specifier);
      paths[specifier] = target;
      if (target !== specifier) await this.#add(target);
    }
    this.#files.push({ path, code, imports: paths });
  }

  #resolve(importer: string, specifier: string): string {
    const target = resolve(dirname(importer), specifier);
    const isInside = !relative(dirname(this.#entry), target).startsWith("..");
    const isKnown = isScriptPath(target) || extname(target) === ".json";
    if (/^\.{1,2}\//.test(specifier) && isInside && isKnown) return target;
    throw new ScriptError(
      `${importer}: Expected imports of .ts, .mts, .js, .mjs and .json files in the module's own ` +
        `folder, or of those of Node's modules that run no code: found ${quote(specifier)}`,
    );
  }

  async #text(path: string): Promise<string> {
    try {
      const text = await this.#read(path, { maxBytes: MAX_BYTES - this.#bytes });
      this.#bytes += new TextEncoder().encode(text).length;
      return text;
    } catch (cause) {
      throw new ScriptError(`${path}: Cannot be read: ${describeFileError(cause)}`, { cause });
    }
  }
}

async function compiled(path: string, source: string) {
  if (extname(path) !== ".json") {
    const { compileScript } = await import("./compile_script.ts");
    return await compileScript(path, source);
  }
  try {
    JSON.parse(source);
  } catch (cause) {
    throw new ScriptError(`${path}: Expected JSON: ${(cause as Error).message}`, { cause });
  }
  return { code: source, imports: [] };
}

/** Whether that is a module of Node's that may be imported. */
function isOpen(specifier: string): boolean {
  return specifier.startsWith("node:") && OPEN.has(specifier.slice("node:".length));
}
