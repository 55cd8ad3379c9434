// Makes characters visible that a terminal, an editor or a log viewer would act on.

/**
 * Control, format and separator characters, and surrogates without their other half. Among the
 * format characters are those that change the direction of writing, and those nobody sees.
 */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const EVERY_UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const SHORT_ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Escapes what could change how a line is shown, or begin another one: `\n`, `\r`, `\t`, otherwise
 * `\uXXXX`, beyond U+FFFF as two of them. Inside a JSON text, the result means the same.
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
