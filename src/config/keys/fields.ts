// Schemas for the values of a configuration. The error text of each says what is expected.
import * as z from "zod";

/** The longest timer, in milliseconds: 24 days. */
const MAX_MS = 2_147_483_647;
const MAX_SECONDS = Math.floor(MAX_MS / 1000);
const MAX_INT32 = 2_147_483_647;

/** A duration in seconds, fractions allowed. */
export function seconds(options: { readonly zero?: boolean } = {}) {
  const least = options.zero ? "0 or more" : "greater than 0";
  const error = `a number of seconds, ${least} and at most ${MAX_SECONDS}`;
  const most = z.lte(MAX_SECONDS, { error });
  return z.number({ error }).check(most, options.zero ? z.gte(0, { error }) : z.gt(0, { error }));
}

/** A duration in milliseconds. */
export function milliseconds() {
  const error = `a number of milliseconds, greater than 0 and at most ${MAX_MS}`;
  return z.number({ error }).check(z.gt(0, { error }), z.lte(MAX_MS, { error }));
}

/** A duration in milliseconds that a C `int` holds. */
export function wholeMilliseconds() {
  return integer("a whole number of milliseconds", 0, MAX_MS);
}

/** A share, in percent. */
export function percent() {
  const error = "a number of percent, greater than 0 and at most 100";
  return z.number({ error }).check(z.gt(0, { error }), z.lte(100, { error }));
}

export function count(least: 0 | 1) {
  return integer("a whole number", least, MAX_INT32);
}

export function fileSize() {
  return integer("a whole number of bytes", 0, Number.MAX_SAFE_INTEGER);
}

/** A host without contexts has 40 to 70 MB: with a lower limit, it would be replaced forever. */
const MIN_HOST_MEMORY = 256 * 1024 * 1024;

/** Memory of a module host, in bytes; 0: unlimited. */
export function hostMemory() {
  const most = Number.MAX_SAFE_INTEGER;
  const error = `0, or a whole number of bytes from ${MIN_HOST_MEMORY} to ${most}`;
  return z.number({ error }).int({ error }).min(0, { error }).max(most, { error })
    .refine((bytes) => bytes === 0 || bytes >= MIN_HOST_MEMORY, { error });
}

/** A TCP port. */
export function port() {
  return integer("a port, a whole number", 1, 65_535);
}

/** A TCP port to listen on; 0 leaves the choice to the system. */
export function anyPort() {
  return integer("a port, a whole number", 0, 65_535);
}

/** A host name or an IP address. */
export function hostName() {
  return patternText("a host name or an IP address, without a port", HOST_NAME);
}

const HOST_NAME =
  /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*)|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/;

/** An address for HTTP requests; a login in it would be shown. */
export function httpUrl() {
  const what = "a URL that begins with http:// or https://, without a login, a query or spaces";
  return patternText(what, /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/)
    .refine((text) => URL.canParse(text), { error: what });
}

/** An HTTP address in which `{instance}` stands for an instance's id. */
export function instanceUrl() {
  const what =
    "a URL that begins with http:// or https://, without a login, a query or spaces; {instance} may be in it";
  return patternText(what, /^https?:\/\/[^\s/?#@]+(?:\/[^\s?#]*)?$/)
    .refine((text) => URL.canParse(text.replaceAll("{instance}", "i")), { error: what });
}

/** The id of an instance of a cluster: a part of keys in etcd and of host names. */
export function instanceId() {
  return patternText(
    "an id of 1 to 64 letters, digits, underscores, dots and hyphens",
    /^[A-Za-z0-9_.-]{1,64}$/,
  );
}

/** What the keys of a cluster begin with. */
export function keyPrefix() {
  return patternText(
    "1 to 200 letters, digits, underscores, dots, hyphens and slashes, none at the end",
    /^[A-Za-z0-9_./-]{0,199}[A-Za-z0-9_.-]$/,
  );
}

/** etcd's shortest lease is 2 s; cars wait as long as it lasts. */
export function leaseSeconds() {
  return integer("a whole number of seconds", 2, 60);
}

/** The weight of an instance. */
export function capacity() {
  const error = "a number from 0 to 1000000";
  return z.number({ error }).check(z.gte(0, { error }), z.lte(1_000_000, { error }));
}

/** Where a configuration is pulled from; a login in it would be shown. */
export function sourceUrl() {
  const what = "a URL that begins with https://, http:// or file:///, without a login or spaces";
  return patternText(what, /^(?:https?:\/\/[^\s/?#@]+(?:[/?][^\s#]*)?|file:\/\/\/[^\s?#]+)$/)
    .refine((text) => URL.canParse(text), { error: what });
}

/** A public key, as `external-server config keygen` prints it: 32 bytes in base64. */
export function publicKey() {
  return patternText(
    "a public key, ed25519: and 44 characters of base64",
    /^ed25519:[A-Za-z0-9+/]{43}=$/,
  );
}

/** Names from the outside to the inside of a JSON value, parted by dots. */
export function jsonPath() {
  return patternText(
    "names parted by dots, such as position.latitude",
    /^[^\s.]+(?:\.[^\s.]+)*$/,
  );
}

/** The address of map tiles; empty: none. It goes into a Content-Security-Policy, so no separators. */
export function tileUrl() {
  const what =
    "a URL that begins with http:// or https:// and has {z}, {x} and {y} after the host, or an empty string";
  return patternText(what, /^(?:https?:\/\/[A-Za-z0-9.:[\]-]+\/[^\s;,'"#]*)?$/)
    .refine(
      (text) =>
        text === "" ||
        (URL.canParse(text) && ["{z}", "{x}", "{y}"].every((it) => text.includes(it))),
      { error: what },
    );
}

/** A part of a whole. */
export function share() {
  const error = "a number from 0 to 1";
  return z.number({ error }).check(z.gte(0, { error }), z.lte(1, { error }));
}

/** A number that is not negative. */
export function atLeastZero() {
  const error = "a number, 0 or more";
  return z.number({ error }).check(z.gte(0, { error }));
}

function integer(what: string, least: number, most: number) {
  const error = `${what} from ${least} to ${most}`;
  return z.int({ error }).check(z.gte(least, { error }), z.lte(most, { error }));
}

/** True or false. */
export function flag() {
  return z.boolean({ error: "true or false" });
}

/** Any string. */
export function text(what: string) {
  return z.string({ error: what });
}

/** A string that is not empty. */
export function filledText(what: string) {
  const error = `${what}, not empty`;
  return z.string({ error }).min(1, { error });
}

/** A list of names, none of them empty. */
export function names(what: string) {
  const error = `a list of ${what}, none of them empty`;
  return z.array(z.string({ error }).min(1, { error }), { error });
}

/** A string that matches `pattern`. */
function patternText(what: string, pattern: RegExp) {
  return z.string({ error: what }).regex(pattern, { error: what });
}

/** Two names and a suffix must fit into a topic of at most 65,535 bytes. */
const MAX_NAME = 30_000;

/** The hash of a key of the API, as `external-server key new` prints it. */
export function keyHash() {
  return patternText(
    "a hash, sha256: and 64 hexadecimal digits in lower case",
    /^sha256:[0-9a-f]{64}$/,
  );
}

/** A company's or a car's name: it is a level of a topic [CONFIG-DOCUMENTED]. */
export function fleetName(what: string) {
  const error = `${what} of at most ${MAX_NAME} characters`;
  return patternText(
    `${what}: lowercase letters, digits and underscores, not empty`,
    /^[a-z0-9_]+$/,
  ).max(MAX_NAME, { error });
}

/** One of a few words, in any letter case. */
export function anyCaseWord(words: readonly string[]) {
  const alternatives = words.map((word) =>
    [...word].map((letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`).join("")
  );
  const what = words.length === 1
    ? `the string "${words[0]}"`
    : `one of ${words.join(", ")}, in any letter case`;
  return patternText(what, new RegExp(`^(?:${alternatives.join("|")})$`));
}

/**
 * One of a few words, exactly.
 *
 * @param absent words that one might expect among them, and why they are not
 */
export function word<const W extends readonly string[]>(
  words: W,
  absent: Readonly<Record<string, string>> = {},
) {
  const expected = `one of ${words.map((each) => `"${each}"`).join(", ")}`;
  return z.enum(words, {
    error({ input }) {
      const isAbsent = typeof input === "string" && Object.hasOwn(absent, input);
      return isAbsent ? `${expected} (${absent[input]})` : expected;
    },
  });
}

/** Schemas of values that become text: numbers keep the text of the document. */
export const AS_WRITTEN = z.registry();

/** A value of a module's `config`: everything becomes text. */
export function moduleValue() {
  const error = "a string, a number, true or false";
  return z.union([z.string(), z.number(), z.boolean()], { error }).register(AS_WRITTEN);
}
