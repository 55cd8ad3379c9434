// The keys that let in, which a reload may change.
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";
import { API_KEY_NAME, type HttpConfig, type KeyConfig, keyHash } from "../../config/mod.ts";

/** A key that lets in. */
export interface HeldKey extends KeyConfig {
  /** Aborted when the key is revoked. */
  readonly revoked: AbortSignal;
}

interface Entry {
  readonly key: HeldKey;
  readonly digest: Uint8Array;
  readonly abort: AbortController;
}

/** Where keys stand in a configuration. */
export type KeysConfig = Pick<HttpConfig, "apiKey" | "keys">;

/** All keys. */
export class KeyRing {
  #entries: readonly Entry[] = [];
  /** Aborted when there is a first key: then nobody is in without one. */
  #open = new AbortController();

  constructor(config: KeysConfig) {
    this.replace(config);
  }

  /** Whether there is no key. */
  get isEmpty(): boolean {
    return this.#entries.length === 0;
  }

  /** Aborted when a key is required. */
  get locked(): AbortSignal {
    return this.#open.signal;
  }

  /** Takes the keys of another configuration; a key with another name or value is another key. */
  replace({ apiKey, keys = [] }: KeysConfig): void {
    const before = this.#entries;
    const single: readonly KeyConfig[] = apiKey === undefined
      ? []
      : [{ name: API_KEY_NAME, scope: "admin", hash: keyHash(apiKey) }];
    this.#entries = [...single, ...keys].map((config) => {
      const abort = before.find(({ key }) => isSame(key, config))?.abort ?? new AbortController();
      const digest = Buffer.from(config.hash.slice("sha256:".length), "hex");
      return { key: { ...config, revoked: abort.signal }, digest, abort };
    });
    for (const { key, abort } of before) {
      if (!this.#entries.some((entry) => isSame(entry.key, key))) abort.abort();
    }
    if (this.isEmpty) {
      if (this.#open.signal.aborted) this.#open = new AbortController();
    } else this.#open.abort();
  }

  /** The key with this text, found in constant time. */
  find(text: string): HeldKey | undefined {
    const digest = createHash("sha256").update(text).digest();
    let found: HeldKey | undefined;
    for (const entry of this.#entries) {
      if (timingSafeEqual(entry.digest, digest)) found = entry.key;
    }
    return found;
  }

  /** The key, if it has not been revoked; its scope may have changed. */
  current(key: Pick<KeyConfig, "name" | "hash">): HeldKey | undefined {
    return this.#entries.find((entry) => isSame(entry.key, key))?.key;
  }
}

function isSame(
  one: Pick<KeyConfig, "name" | "hash">,
  other: Pick<KeyConfig, "name" | "hash">,
): boolean {
  return one.name === other.name && one.hash === other.hash;
}
