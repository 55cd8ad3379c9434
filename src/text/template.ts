// Templates: texts with names in braces, such as `telemetry/{car}`, that values are put into.
import { quote } from "./quote.ts";

/** Literal texts and names, in turn; a template begins with a text, which may be empty. */
export interface Template<N extends string> {
  readonly first: string;
  readonly rest: readonly { readonly name: N; readonly text: string }[];
}

/** What {@linkcode parseTemplate} returns. */
export type ParsedTemplate<N extends string> =
  | { readonly ok: true; readonly template: Template<N> }
  | { readonly ok: false; readonly message: string };

/** Reads a template; only these names may stand in braces, and braces nowhere else. */
export function parseTemplate<const N extends string>(
  text: string,
  names: readonly N[],
): ParsedTemplate<N> {
  const [first = "", ...parts] = text.split("{");
  const rest: { name: N; text: string }[] = [];
  const unpaired = {
    ok: false,
    message: `Expected braces in pairs: found ${quote(text)}`,
  } as const;
  if (first.includes("}")) return unpaired;
  for (const part of parts) {
    const [inner = "", after, ...more] = part.split("}");
    if (after === undefined || more.length > 0) return unpaired;
    const name = names.find((each) => each === inner);
    if (name === undefined) {
      const known = names.map((each) => `{${each}}`).join(", ");
      const found = `the string ${quote(`{${inner}}`)}`;
      return { ok: false, message: `Expected no names but ${known}: found ${found}` };
    }
    rest.push({ name, text: after });
  }
  return { ok: true, template: { first, rest } };
}

/** Puts values in. */
export function fillTemplate<N extends string>(
  { first, rest }: Template<N>,
  valueOf: (name: N) => string,
): string {
  let filled = first;
  for (const { name, text } of rest) filled += valueOf(name) + text;
  return filled;
}
