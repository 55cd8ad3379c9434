// Parses JSON and keeps how its numbers are written: JSON.parse makes 5 of 5.0 and rounds what has
// more than 15 digits, while a module's parameters are texts [MODULE-CONFIG].

/** How numbers of a document are written, where the program itself would write them otherwise. */
export interface NumberTexts {
  /** The text of the number that an object or a list has under a key; undefined: the usual one. */
  textOf(holder: object, key: string): string | undefined;
}

/** For documents that were parsed elsewhere. */
export const USUAL_TEXTS: NumberTexts = { textOf: () => undefined };

/** What every supported runtime calls and the types do not know yet: numbers come with their text. */
type Reviver = (
  this: object,
  key: string,
  value: unknown,
  context: { readonly source?: string },
) => unknown;

/**
 * Parses like `JSON.parse`, which gives the same document.
 *
 * @throws {SyntaxError} when it is no JSON.
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
