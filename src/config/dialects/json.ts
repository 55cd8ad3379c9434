// Reads JSON so that a mistake is named by line and column, and keys written twice are seen.
// The engine's own error texts are not used: they quote the document, and so its secrets.
import { printParseErrorCode, visit } from "jsonc-parser";
import { joinPath } from "../../text/mod.ts";
import { type NumberTexts, parseNumbers } from "./number_texts.ts";

/** Deeper documents are refused: no configuration is, and a walk must not run out of stack. */
const MAX_DEPTH = 100;

/** A key that stands twice in one object; the last one counts. */
export interface DuplicateKey {
  readonly path: string;
  readonly line: number;
}

/** What {@linkcode readJson} found. */
export type JsonResult =
  | {
    readonly ok: true;
    readonly document: unknown;
    readonly numbers: NumberTexts;
    readonly duplicates: readonly DuplicateKey[];
  }
  | { readonly ok: false; readonly message: string };

/** What the parser misses, by its name for the error; where it is not said: a value. */
const EXPECTED: Readonly<Record<string, string>> = {
  InvalidSymbol: "a value or a quoted key",
  PropertyNameExpected: "a key in double quotes",
  ColonExpected: '":"',
  CommaExpected: '",", "]" or "}"',
  CloseBraceExpected: '"," or "}"',
  CloseBracketExpected: '"," or "]"',
  EndOfFileExpected: "the end of the file",
  InvalidCommentToken: "no comment",
  UnexpectedEndOfComment: "no comment",
  UnexpectedEndOfString: 'a closing " for the string that begins',
  InvalidUnicode: "valid escapes in the string that begins",
  InvalidEscapeCharacter: "valid escapes in the string that begins",
  InvalidCharacter: "no control characters in the string that begins",
};

class Mistake extends Error {}

/** Parses `text`; a mistake becomes a message with line and column (both from 1). Never throws. */
export function readJson(text: string): JsonResult {
  try {
    const duplicates = findDuplicates(text);
    return { ok: true, ...parseNumbers(text), duplicates };
  } catch (error) {
    if (error instanceof Mistake) return { ok: false, message: error.message };
    return { ok: false, message: "Expected a JSON document: found something else" };
  }
}

/** @throws {Mistake} at the first one. */
function findDuplicates(text: string): DuplicateKey[] {
  const duplicates: DuplicateKey[] = [];
  /** The keys of what is open at the moment; a list has none. */
  const open: Set<string>[] = [];
  const fail = (expected: string, offset: number, line: number, column: number): never => {
    const place = `line ${line + 1}, column ${column + 1}`;
    throw new Mistake(`Expected ${expected} at ${place}: found ${describeFound(text[offset])}`);
  };
  const begin = (offset: number, _length: number, line: number, column: number) => {
    if (open.push(new Set()) <= MAX_DEPTH) return;
    fail(`at most ${MAX_DEPTH} nested levels`, offset, line, column);
  };
  visit(text, {
    onObjectBegin: begin,
    onArrayBegin: begin,
    onObjectEnd: () => void open.pop(),
    onArrayEnd: () => void open.pop(),
    onObjectProperty(key, _offset, _length, line, _column, pathOfObject) {
      const keys = open.at(-1);
      if (keys?.has(key)) {
        const path = [...pathOfObject(), key].map(String).reduce(joinPath, "");
        duplicates.push({ path, line: line + 1 });
      }
      keys?.add(key);
    },
    onError: (code, offset, _length, line, column) =>
      fail(EXPECTED[printParseErrorCode(code)] ?? "a value", offset, line, column),
  }, { disallowComments: true });
  return duplicates;
}

/** Only punctuation is shown: anything else may be part of a secret. */
function describeFound(character: string | undefined): string {
  if (character === undefined) return "the end of the file";
  if ("{}[],:\"'/\\".includes(character)) return character === '"' ? "'\"'" : `"${character}"`;
  return /[\w$+.-]/.test(character) ? "a bare word" : "another character";
}
