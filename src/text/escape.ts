// Makes characters visible that a terminal, an editor or a log viewer would act on.

/**
 * Control, format and separator characters, and lone surrogates. Format characters include
 * invisible ones, and those that change the direction of writing.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const EVERY_UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Escapes characters that could change how a line is displayed, or start another one: `\n`, `\r`,
 * `\t`, otherwise `\uXXXX`, beyond U+FFFF as a pair of them. JSON text keeps its meaning.
 */
export function escapeUnsafe(text: string): string {
  return UNSAFE.test(text) ? text.replace(EVERY_UNSAFE, escapeCharacter) : text;
}

function escapeCharacter(character: string): string {
  const short = SHORT_ESCAPES[character];
  if (short !== undefined) return short;
  let escaped = "";
  for (let index = 0; index < character.length; index++) {
    escaped += `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
  }
  return escaped;
}
