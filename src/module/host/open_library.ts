// Opens a module's library, and says in one message everything that it lacks.
import { LibraryError } from "../errors.ts";

/** The process has run out of a resource: EMFILE, ENFILE, ENOMEM. */
const EXHAUSTION = /Too many open files|Cannot allocate memory/;

/**
 * Opens a library with all the given functions. It stays loaded as long as the result is referenced.
 *
 * @throws {LibraryError} `library` with the loader's text, `symbol` with the missing names, or
 * `host` when this process has used up what the loader needs.
 */
export function openLibrary<Symbols extends Deno.ForeignLibraryInterface>(
  path: string,
  symbols: Symbols,
): Deno.DynamicLibrary<Symbols> {
  const names = Object.keys(symbols);
  try {
    const missing = missingFrom(path, names);
    if (missing.length > 0) {
      const list = missing.map((name) => `"${name}"`).join(", ");
      throw new LibraryError("symbol", `the library has no function ${list}`);
    }
    return Deno.dlopen(path, symbols);
  } catch (cause) {
    if (cause instanceof LibraryError) throw cause;
    const text = cause instanceof Error ? cause.message : String(cause);
    // Deno repeats this before the loader's text.
    const detail = text.replace(/^(Could not open library: )+/, "cannot open library: ");
    throw new LibraryError(EXHAUSTION.test(detail) ? "host" : "library", detail, { cause });
  }
}

/**
 * Which functions a library lacks. Asked for by their names, all optional, so that every missing one
 * can be reported at once. (A nonblocking function that is optional does not become null, at least
 * in Deno 2.9.6.)
 *
 * @throws whatever the loader does.
 */
export function missingFrom(path: string, names: readonly string[]): string[] {
  const probes: Record<string, unknown> = Deno.dlopen(
    path,
    Object.fromEntries(
      names.map((name) => [name, { parameters: [], result: "void", optional: true }]),
    ) satisfies Deno.ForeignLibraryInterface,
  ).symbols;
  return names.filter((name) => !probes[name]);
}
