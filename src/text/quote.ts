// Describes paths and values, for problems and warnings.
import { escapeUnsafe } from "./escape.ts";
import { isSecretKey, maskText } from "./secrets.ts";

/** Longer strings are cut; in characters. */
const MAX_SHOWN = 80;

/** The path of the whole document. */
export const DOCUMENT_PATH = "(document)";

/** Appends a key to a path; keys that would be misread are quoted in brackets. */
export function joinPath(path: string, key: string): string {
  const plain = /^[\w-]{1,80}$/.test(key);
  const prefix = path === DOCUMENT_PATH ? "" : path;
  if (!plain) return `${prefix}[${quote(key)}]`;
  return prefix === "" ? key : `${prefix}.${key}`;
}

/** Quotes a string so that it stays on one line, cut when longer than `max` characters. */
export function quote(text: string, max = MAX_SHOWN): string {
  const shown = text.length > max ? `${text.slice(0, max)}...` : text;
  return escapeUnsafe(JSON.stringify(shown));
}

/**
 * Describes a value, without the contents of lists and objects, which may hold secrets, and without
 * the value of a secret `key`.
 */
export function describeValue(value: unknown, key: string): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  const hidden = isSecretKey(key);
  switch (typeof value) {
    case "string":
      return hidden ? "a string (hidden)" : `the string ${quote(maskText(value))}`;
    case "number":
      return hidden ? "a number (hidden)" : `the number ${value}`;
    case "boolean":
      return hidden ? "a boolean (hidden)" : String(value);
    default:
      return "an object";
  }
}

/** Describes only the kind of a value, for places where a whole section was expected. */
export function describeKind(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "a string";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}
