// Log-ins of browsers, which last: a browser has a random token in a cookie, the server its hash.
// Neither has the key.
import { createHash, createHmac, randomBytes } from "node:crypto";
import * as z from "zod";
import type { StateDirectory, StateFile } from "../../state/mod.ts";
import { sameSecret } from "../../text/mod.ts";
import type { Clock } from "../../time/mod.ts";
import type { HeldKey, KeyRing } from "./key_ring.ts";

/** A log-in ends when it was not renewed for so long, in milliseconds. */
export const LOG_IN_MS = 90 * 24 * 3600 * 1000;
/** It is renewed at most that often, in milliseconds. */
const RENEW_MS = 24 * 3600 * 1000;
/** Log-ins of one key; the one that was renewed longest ago ends for a further one. */
const MAX_PER_KEY = 100;
const TOKEN_BYTES = 32;

const schema = z.strictObject({
  format: z.literal(1),
  logIns: z.array(z.strictObject({
    id: z.string(),
    name: z.string(),
    hash: z.string(),
    renewedAt: z.number(),
  })),
});
type StoredLogIn = z.output<typeof schema>["logIns"][number];

/** Where they are kept. */
export const LOG_INS_DOCUMENT = { name: "log_ins.json", schema };

/** A log-in. */
export interface LogIn {
  readonly key: HeldKey;
  /** What actions must bring, so that no foreign page can do them. */
  readonly csrfToken: string;
  /** Aborted when the log-in ends, also by {@linkcode LogIns.prune}. */
  readonly ended: AbortSignal;
}

interface Entry {
  readonly stored: StoredLogIn;
  readonly abort: AbortController;
}

/** All log-ins. */
export class LogIns {
  readonly #ring: KeyRing;
  readonly #clock: Clock;
  readonly #directory: StateDirectory | undefined;
  /** By the hash of the token: to look one up reveals nothing about the tokens of others. */
  readonly #entries = new Map<string, Entry>();
  #file: StateFile | undefined;

  /** @param directory absent: log-ins end with the server */
  constructor(ring: KeyRing, clock: Clock, directory: StateDirectory | undefined) {
    this.#ring = ring;
    this.#clock = clock;
    this.#directory = directory;
  }

  /**
   * Reads what was kept.
   *
   * @throws {StateError} when it can neither be used nor set aside.
   */
  async load(): Promise<void> {
    if (this.#directory === undefined) return;
    const kept = await this.#directory.readOrSetAside(LOG_INS_DOCUMENT);
    for (const stored of kept?.logIns ?? []) this.#add(stored);
    this.#file = this.#directory.file(LOG_INS_DOCUMENT.name, () => ({
      format: 1,
      logIns: [...this.#entries.values()].map(({ stored }) => stored),
    }));
    this.prune();
  }

  /** Logs in; resolves with the browser's token when the log-in is on the disk, if there is one. */
  async open({ name, hash }: HeldKey): Promise<string> {
    const own = [...this.#entries.values()].filter(({ stored }) => isOf(stored, { name, hash }));
    const [oldest] = own.sort((a, b) => a.stored.renewedAt - b.stored.renewedAt);
    if (own.length >= MAX_PER_KEY && oldest !== undefined) this.#end(oldest);
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    this.#add({ id: idOf(token), name, hash, renewedAt: Math.floor(this.#clock.now()) });
    await this.#file?.save();
    return token;
  }

  /** The log-in of a token, if it lasts. */
  find(token: string): LogIn | undefined {
    const entry = this.#entries.get(idOf(token));
    if (entry === undefined) return undefined;
    const key = this.#ring.current(entry.stored);
    if (key === undefined || this.#isOver(entry.stored)) return undefined;
    return { key, csrfToken: csrfTokenOf(token), ended: entry.abort.signal };
  }

  /** Makes a log-in last from now on; returns whether it was time for that. */
  renew(token: string): boolean {
    const entry = this.#entries.get(idOf(token));
    const now = Math.floor(this.#clock.now());
    if (entry === undefined || now - entry.stored.renewedAt < RENEW_MS) return false;
    const { stored, abort } = entry;
    this.#entries.set(stored.id, { stored: { ...stored, renewedAt: now }, abort });
    void this.#file?.save();
    return true;
  }

  /** Logs out. */
  async close(token: string): Promise<void> {
    const entry = this.#entries.get(idOf(token));
    if (entry === undefined) return;
    this.#end(entry);
    await this.#file?.save();
  }

  /** Forgets log-ins that are over, or whose key was revoked. */
  prune(): void {
    const over = [...this.#entries.values()].filter(({ stored }) =>
      this.#isOver(stored) || this.#ring.current(stored) === undefined
    );
    for (const entry of over) this.#end(entry);
    if (over.length > 0) void this.#file?.save();
  }

  #isOver({ renewedAt }: StoredLogIn): boolean {
    return this.#clock.now() - renewedAt >= LOG_IN_MS;
  }

  #add(stored: StoredLogIn): void {
    this.#entries.set(stored.id, { stored, abort: new AbortController() });
  }

  #end({ stored, abort }: Entry): void {
    this.#entries.delete(stored.id);
    abort.abort();
  }
}

/** Compares in constant time. */
export function isCsrfToken(given: string | undefined, logIn: LogIn): boolean {
  return given !== undefined && sameSecret(given, logIn.csrfToken);
}

function isOf(stored: StoredLogIn, { name, hash }: { name: string; hash: string }): boolean {
  return stored.name === name && stored.hash === hash;
}

function idOf(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

/** Derived, so that it need not be kept; from it the token cannot be computed. */
function csrfTokenOf(token: string): string {
  return createHmac("sha256", token).update("csrf").digest("base64url");
}
