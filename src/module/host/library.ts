// A module's shared library, loaded and checked.
import type { CreateFailure } from "../wire/frames.ts";
import { type FunctionName, type ModuleSymbols, SYMBOLS } from "./abi.ts";

/** Why a library cannot be used, in the words of the server's `ModuleLoadError`. */
export class LibraryError extends Error {
  override readonly name = "LibraryError";
  readonly kind: CreateFailure["kind"];

  constructor(kind: CreateFailure["kind"], detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.kind = kind;
  }
}

/** A loaded library. It stays loaded as long as the process: threads may still run its code. */
export interface Library {
  readonly symbols: ModuleSymbols;
  /** Referenced so that no garbage collection closes what is still being called. */
  readonly handle: Deno.DynamicLibrary<typeof SYMBOLS>;
  /** Frees a `struct buffer` the library allocated. */
  readonly deallocate: (buffer: Uint8Array<ArrayBuffer>) => void;
}

/**
 * The names alone, every one optional, so that all that are missing can be named at once. (A
 * nonblocking function that is optional does not become null, at least in Deno 2.9.6.)
 */
const PROBES: Deno.ForeignLibraryInterface = Object.fromEntries(
  Object.keys(SYMBOLS).map((name) => [name, { parameters: [], result: "void", optional: true }]),
);

/** The loader lacks what this process has used up, or another library in it: EMFILE, ENFILE, ENOMEM. */
const EXHAUSTION = /Too many open files|Cannot allocate memory/;

/** The libraries of this process, by path: contexts of one library share it. */
export class Libraries {
  readonly #loaded = new Map<string, Library>();

  /**
   * Loads a library, or takes the one loaded before.
   *
   * @throws {LibraryError} `library` with the loader's text, `symbol` with the missing names, or
   * `number` with both numbers.
   */
  load(libPath: string, module: number): Library {
    const library = this.#loaded.get(libPath) ?? open(libPath);
    this.#loaded.set(libPath, library);
    const number = library.symbols.get_module_number();
    if (number !== module) {
      throw new LibraryError(
        "number",
        `the library is module ${number}, the configuration says ${module}`,
      );
    }
    return library;
  }
}

function open(libPath: string): Library {
  try {
    const probes: Record<string, unknown> = Deno.dlopen(libPath, PROBES).symbols;
    const missing = (Object.keys(SYMBOLS) as FunctionName[]).filter((name) => !probes[name]);
    if (missing.length > 0) {
      const names = missing.map((name) => `"${name}"`).join(", ");
      throw new LibraryError("symbol", `the library has no function ${names}`);
    }
    const handle = Deno.dlopen(libPath, SYMBOLS);
    const { symbols } = handle;
    return { symbols, handle, deallocate: (buffer) => symbols.deallocate(buffer) };
  } catch (cause) {
    if (cause instanceof LibraryError) throw cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    // Deno says so itself, and once more with the loader's text.
    const detail = text.replace(/^(Could not open library: )+/, "cannot open library: ");
    throw new LibraryError(EXHAUSTION.test(detail) ? "host" : "library", detail, { cause });
  }
}
