// Parses JSON and keeps the text of its numbers: JSON.parse turns 5.0 into 5 and rounds numbers of
// more than 15 digits, while a module's parameters are strings [MODULE-CONFIG].

/** The text of a document's numbers, where it differs from what the program would write. */
export interface NumberTexts {
  /** The text of the number at a key of an object or list; undefined: the usual one. */
  textOf(holder: object, key: string): string | undefined;
}

/** For documents that were parsed without it. */
export const USUAL_TEXTS: NumberTexts = { textOf: () => undefined };

/** A reviver that gets the text of numbers; supported by all runtimes, but not by the types yet. */
type Reviver = (
  this: object,
  key: string,
  value: unknown,
  context: { readonly source?: string },
) => unknown;

/**
 * Parses like `JSON.parse`, which gives the same document.
 *
 * @throws {SyntaxError} when it is not JSON.
 */
export function parseNumbers(text: string): { document: unknown; numbers: NumberTexts } {
  const texts = new WeakMap<object, Map<string, string>>();
  const reviver: Reviver = function (key, value, { source }) {
    if (typeof value === "number" && source !== undefined && source !== String(value)) {
      const known = texts.get(this) ?? new Map<string, string>();
      texts.set(this, known.set(key, source));
    }
    return value;
  };
  const document: unknown = JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
  return { document, numbers: { textOf: (holder, key) => texts.get(holder)?.get(key) } };
}
