// Parses JSON, and reports errors by line and column, and duplicate keys. The engine's own messages are
// not used, because they quote the document, secrets included.
import { joinPath } from "../../text/mod.ts";
import { type NumberTexts, parseNumbers } from "./number_texts.ts";

/** Deeper documents are refused: no configuration is that deep, and recursion must not exhaust the stack. */
const MAX_DEPTH = 100;

/** A duplicate key in an object; the last one counts. */
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

/** Parses `text`; an error becomes a message with line and column, both from 1. Never throws. */
export function readJson(text: string): JsonResult {
  const scanner = new Scanner(text);
  try {
    scanner.scanDocument();
    return { ok: true, ...parseNumbers(text), duplicates: scanner.duplicates };
  } catch (error) {
    if (error instanceof Mistake) return { ok: false, message: error.message };
    return { ok: false, message: "Expected a JSON document: found something else" };
  }
}

class Mistake extends Error {}

/** Checks the syntax of a JSON text (RFC 8259). */
class Scanner {
  readonly duplicates: DuplicateKey[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scanDocument(): void {
    this.#skipSpace();
    this.#scanValue("", 0);
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail("the end of the file");
  }

  #scanValue(path: string, depth: number): void {
    if (depth > MAX_DEPTH) this.#fail(`at most ${MAX_DEPTH} nested levels`);
    switch (this.#text[this.#at]) {
      case "{":
        return this.#scanObject(path, depth);
      case "[":
        return this.#scanList(path, depth);
      case '"':
        this.#scanText();
        return;
    }
    if (!this.#take(/true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y)) {
      this.#fail("a value");
    }
  }

  #scanObject(path: string, depth: number): void {
    const keys = new Set<string>();
    this.#at++;
    this.#skipSpace();
    if (this.#skip("}")) return;
    do {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') this.#fail("a key in double quotes");
      const start = this.#at;
      this.#scanText();
      const key: string = JSON.parse(this.#text.slice(start, this.#at));
      const keyPath = joinPath(path, key);
      if (keys.has(key)) this.duplicates.push({ path: keyPath, line: this.#position(start).line });
      keys.add(key);
      this.#skipSpace();
      if (!this.#skip(":")) this.#fail('":"');
      this.#skipSpace();
      this.#scanValue(keyPath, depth + 1);
      this.#skipSpace();
    } while (this.#skip(","));
    if (!this.#skip("}")) this.#fail('"," or "}"');
  }

  #scanList(path: string, depth: number): void {
    this.#at++;
    this.#skipSpace();
    if (this.#skip("]")) return;
    let index = 0;
    do {
      this.#skipSpace();
      this.#scanValue(joinPath(path, String(index++)), depth + 1);
      this.#skipSpace();
    } while (this.#skip(","));
    if (!this.#skip("]")) this.#fail('"," or "]"');
  }

  #scanText(): void {
    this.#at++;
    for (;;) {
      // deno-lint-ignore no-control-regex
      this.#take(/[^"\\\u0000-\u001f]+/y);
      if (this.#skip('"')) return;
      if (!this.#take(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y)) {
        this.#fail(this.#text[this.#at] === "\\" ? "a valid escape" : 'a closing "');
      }
    }
  }

  #skipSpace(): void {
    this.#take(/[ \t\r\n]+/y);
  }

  #skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #take(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }

  #position(offset: number): { line: number; column: number } {
    const before = this.#text.slice(0, offset);
    const lineStart = before.lastIndexOf("\n") + 1;
    return { line: before.split("\n").length, column: offset - lineStart + 1 };
  }

  #fail(expected: string): never {
    const { line, column } = this.#position(this.#at);
    throw new Mistake(
      `Expected ${expected} at line ${line}, column ${column}: found ${this.#found()}`,
    );
  }

  /** Shows only punctuation: anything else may be part of a secret. */
  #found(): string {
    const character = this.#text[this.#at];
    if (character === undefined) return "the end of the file";
    if ("{}[],:\"'/\\".includes(character)) return character === '"' ? "'\"'" : `"${character}"`;
    if (character === "\n" || character === "\r") return "the end of the line";
    return /[\w$+.-]/.test(character) ? "a bare word" : "another character";
  }
}
