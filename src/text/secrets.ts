// Keeps secrets out of logs, error texts and printed configurations [CONFIG-SECRETS].
import { createHash, timingSafeEqual } from "node:crypto";

/** Stands in for a secret. */
export const MASK = "***";

/** A key with one of these words in it holds a secret. */
const SECRET_WORDS = wordsOf(
  "auth authorization bearer cert certificate connstr cookie credential credentials dsn hmac jwk " +
    "jwt key keys nonce otp pass pem pin psk pw pwd salt sas session sig signature webhook",
);

/** Secret even inside a word: `apikey`, `mqttPassword2`. */
const SECRET_PARTS =
  /passw|passphrase|secret|token|credential|apikey|accesskey|privatekey|sharedkey|connectionstring/;

/** A key that ends in one of these words names a place or a measure, not a secret. */
const HARMLESS_ENDS = wordsOf(
  "bytes count days dir directory file folder hours interval length limit minutes ms path seconds " +
    "size timeout ttl",
);

/** A key that consists only of these words is known to be harmless. */
const HARMLESS_WORDS = wordsOf(
  "address api base broker car cars company debug delay device devices domain enable enabled " +
    "endpoint environment format host hostname http id interval lang language level locale log max " +
    "min mode module mqtt name number period poll port prefix protocol rate region requests " +
    "retries retry role scheme server service timezone topic tries type unit units uri url user " +
    "username verbose version wait window",
);

function wordsOf(text: string): ReadonlySet<string> {
  return new Set(text.split(" "));
}

/** The words of `apiKey`, `api_key` and `API-KEY`. */
function wordsIn(key: string): string[] {
  return key.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").toLowerCase().split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}

/** Whether the value of `key` must not be shown; errs on the side of hiding. */
export function isSecretKey(key: string): boolean {
  const words = wordsIn(key);
  if (HARMLESS_ENDS.has(words.at(-1) ?? "")) return false;
  return words.some((word) => SECRET_WORDS.has(word)) || SECRET_PARTS.test(words.join(""));
}

/** Whether the value of `key` is known not to be a secret; parts of it may still be. */
function isHarmlessKey(key: string): boolean {
  if (isSecretKey(key)) return false;
  const words = wordsIn(key);
  return HARMLESS_ENDS.has(words.at(-1) ?? "") ||
    (words.length > 0 && words.every((word) => HARMLESS_WORDS.has(word)));
}

/** A key and the separator before its value; anchored, so that long words take linear time. */
const ASSIGNMENT = /(?<![\w.-])([\w.-]+)["']?\s*[=:]\s*["']?/g;
const ASSIGNED = /[^&;,\s"'}]+/y;

/**
 * Masks what looks like a secret inside a string: credentials in addresses, `Bearer ...`,
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

/** A shorter value is not a useful secret, and may occur in any text by chance. */
const MIN_SECRET = 4;
/** The same for values of keys that may not be secret. */
const MIN_UNKNOWN_SECRET = 8;

/**
 * The displayable value of a key of a module's `config`: a value that is not known to be harmless
 * is masked as a whole, as only the module knows what it is; otherwise, parts that look like
 * secrets are.
 */
export function maskValue(key: string, value: string): string {
  if (isHarmlessKey(key)) return maskText(maskUrl(value));
  if (isSecretKey(key)) return MASK;
  return value.length < MIN_SECRET || value === "true" || value === "false" ? value : MASK;
}

/** Masks query and fragment of a URL, and long path segments with digits. */
function maskUrl(text: string): string {
  const address = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)([^?#]*)([?#]?)/i.exec(text);
  if (address === null) return text;
  const [, origin = "", path = "", more = ""] = address;
  const shown = path.replaceAll(/[^/]{16,}/g, (name) => /\d/.test(name) ? MASK : name);
  return `${origin}${shown}${more === "" ? "" : more + MASK}`;
}

/**
 * The values of parameters that must not be shown, longest first. Words of letters alone are masked
 * only if their keys are secret, as they may occur in any text.
 */
export function secretValues(
  parameters: Iterable<readonly [key: string, value: string]>,
): string[] {
  const values = [...parameters].filter(([key, value]) => {
    if (isSecretKey(key)) return value.length >= MIN_SECRET;
    return !isHarmlessKey(key) && value.length >= MIN_UNKNOWN_SECRET && !/^\p{L}*$/u.test(value);
  }).map(([, value]) => value);
  return [...new Set(values)].sort((one, other) => other.length - one.length);
}

/** Masks these values in a string, and everything that looks like a secret. */
export function maskSecrets(text: string, secrets: Iterable<string>): string {
  let masked = text;
  for (const secret of secrets) masked = masked.replaceAll(secret, MASK);
  return maskText(masked);
}

/** Compares in constant time. */
export function sameSecret(given: string | Uint8Array, wanted: string): boolean {
  const digest = (text: string | Uint8Array) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

/** The secret in a file's text: editors end it with a newline. Spaces and further lines are part of it. */
export function secretOf(text: string): string {
  return text.replace(/\r?\n$/, "");
}
