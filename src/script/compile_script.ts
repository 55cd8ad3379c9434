// TypeScript to JavaScript that a host can run, line by line in the same place. The packages are
// loaded with the first script: a server without any does without them.
import { init, parse } from "es-module-lexer";
import { type Transform, transform } from "sucrase";
import { ScriptError } from "./script.ts";

/** A file's JavaScript, and what it imports. */
export interface Compiled {
  readonly code: string;
  /** Specifiers as written, without those of types. */
  readonly imports: readonly string[];
}

/**
 * Compiles one file. Imports become calls of `require`, so that running the code reads no file: in a
 * compiled program, Deno lets a worker import any file, whatever its permissions.
 *
 * @throws {ScriptError} for a syntax error, naming the place.
 */
export async function compileScript(path: string, source: string): Promise<Compiled> {
  await init;
  const types: readonly Transform[] = /ts$/.test(path) ? ["typescript"] : [];
  const module = strip(path, source, types);
  const imports = importsOf(path, module).flatMap(({ specifier, start }) => {
    if (specifier !== undefined) return [specifier];
    throw at(path, module, start, "Expected an import of a literal: found an expression");
  });
  const code = strip(path, source, [...types, "imports"]);
  for (const { start } of importsOf(path, code)) {
    throw at(path, code, start, "Expected imports that can be resolved: found another one");
  }
  return { code, imports: [...new Set(imports)] };
}

function strip(path: string, source: string, transforms: readonly Transform[]): string {
  try {
    return transform(source, { transforms: [...transforms], disableESTransforms: true }).code;
  } catch (cause) {
    const { message, pos } = cause as Error & { pos?: number };
    const text = message.replace(/^Error transforming [^:]*: /, "").replace(/ \(\d+:\d+\)$/, "");
    throw at(path, source, pos ?? 0, text, { cause });
  }
}

/** Imports, static and dynamic. `import.meta` is refused: a script has no URL. */
function importsOf(path: string, source: string) {
  try {
    return parse(source)[0].flatMap(({ type, specifier, start }) => {
      if (type !== "import-meta") return [{ specifier, start }];
      throw at(path, source, start, "Expected no import.meta: a module has no URL");
    });
  } catch (cause) {
    if (cause instanceof ScriptError) throw cause;
    const { message, idx } = cause as Error & { idx?: number };
    throw at(path, source, idx ?? 0, message.replace(/^Parse error [^:]*:[\d:]*\s*/, ""), {
      cause,
    });
  }
}

function at(path: string, source: string, offset: number, what: string, options?: ErrorOptions) {
  const before = source.slice(0, offset).split("\n");
  const column = (before.at(-1)?.length ?? 0) + 1;
  return new ScriptError(`${path}:${before.length}:${column}: ${what}`, options);
}
