// Keeps secrets out of logs, error texts and printed configurations (protocol section 5).

/** What stands where a secret was. */
export const MASK = "***";

/** A key with one of these words in it holds a secret. */
const SECRET_WORDS: ReadonlySet<string> = new Set([
  "auth",
  "authorization",
  "bearer",
  "cookie",
  "credential",
  "credentials",
  "jwt",
  "key",
  "keys",
  "pass",
  "pin",
  "pw",
  "pwd",
]);

/** Secret however it is written together: `apikey`, `mqttPassword2`. */
const SECRET_PARTS = /passw|passphrase|secret|token|credential|apikey|accesskey|privatekey/;

/** A key that ends in one of these names a place, not the secret itself. */
const PLACES: ReadonlySet<string> = new Set(["dir", "directory", "file", "path"]);

/** Says whether the value of `key` must not be shown; rather once too often. */
export function isSecretKey(key: string): boolean {
  const words = key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase().split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
  if (PLACES.has(words.at(-1) ?? "")) return false;
  return words.some((word) => SECRET_WORDS.has(word)) || SECRET_PARTS.test(words.join(""));
}

/** A key and what separates it from its value; anchored, so that long words cost no more than once. */
const ASSIGNMENT = /(?<![\w.-])([\w.-]+)["']?\s*[=:]\s*["']?/g;
const ASSIGNED = /[^&;,\s"'}]+/y;

/**
 * Masks what looks like a secret inside a text: credentials in addresses, `Bearer ...`,
 * `password=...` and `"token": ...`.
 */
export function maskText(text: string): string {
  const source = text
    .replaceAll(/\/\/[^/\s]*@/g, `//${MASK}@`)
    .replaceAll(/\b(bearer|basic)\s+[^\s"']+/gi, `$1 ${MASK}`);
  let masked = "";
  let copied = 0;
  for (const assignment of source.matchAll(ASSIGNMENT)) {
    const [whole, key = ""] = assignment;
    if (assignment.index < copied || !isSecretKey(key)) continue;
    ASSIGNED.lastIndex = assignment.index + whole.length;
    if (!ASSIGNED.test(source)) continue;
    masked += source.slice(copied, assignment.index + whole.length) + MASK;
    copied = ASSIGNED.lastIndex;
  }
  return masked + source.slice(copied);
}

/** The value of `key` as it may be shown. */
export function maskValue(key: string, value: string): string {
  return isSecretKey(key) ? MASK : maskText(value);
}

/** A shorter value is no secret worth its name, and may stand in any text by chance. */
const MIN_SECRET = 4;

/** The values that must not be shown, of parameters with their keys; longest first. */
export function secretValues(
  parameters: Iterable<readonly [key: string, value: string]>,
): string[] {
  const values = [...parameters]
    .filter(([key, value]) => value.length >= MIN_SECRET && isSecretKey(key))
    .map(([, value]) => value);
  return [...new Set(values)].sort((one, other) => other.length - one.length);
}

/** Masks these values wherever they stand in a text, and what looks like a secret. */
export function maskSecrets(text: string, secrets: Iterable<string>): string {
  let masked = text;
  for (const secret of secrets) masked = masked.replaceAll(secret, MASK);
  return maskText(masked);
}
