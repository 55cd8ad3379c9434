// What remote configuration keeps on the disk: the last good document, the one before, and a journal.
// Each is replaced as a whole, so that a crash at any moment leaves the old one or the new one.
import { join } from "node:path";
import * as z from "zod";
import { keptTime, replaceFile } from "../state/mod.ts";
import { describeFileError, readText } from "../text/mod.ts";
import { type Clock, deadline } from "../time/mod.ts";
import type { Journal } from "./state.ts";

/** A document in the cache. */
export interface CachedDocument {
  readonly text: string;
  readonly fetchedAt: number;
}

/** Which of the two it is. */
export type CacheName = "good" | "previous";

/** A larger file is not read, in bytes: a document as a JSON string, at most six bytes a character. */
const MAX_BYTES = 6 * 64 * 1024 * 1024;
/** How long the disk may take, in milliseconds. */
const DISK_MS = 5000;

const hash = z.string();
const version = z.int().nullable();
const Document = z.strictObject({ format: z.literal(1), fetchedAt: keptTime, text: z.string() });
const JournalDocument = z.strictObject({
  format: z.literal(1),
  url: z.string(),
  version,
  refused: z.array(z.strictObject({ hash, version, at: keptTime, why: z.string() })),
  attempts: z.array(z.strictObject({ hash, at: keptTime })),
  pin: z.strictObject({ hash, by: z.string(), at: keptTime }).nullable(),
  share: z.strictObject({ value: z.number().min(0).max(1), at: keptTime }).nullable(),
});

export interface CacheOptions {
  /** An absolute path; made when it is not there. */
  readonly directory: string;
  readonly clock: Clock;
  /** Replaces a file; tests have some that fail. @default {the disk's} */
  readonly replace?: typeof replaceFile;
}

/** The directory. What cannot be read is as if it were not there, which is told. */
export class Cache {
  readonly #options: CacheOptions;
  readonly #replace: typeof replaceFile;
  /** Why files were left out, in words. */
  readonly troubles: string[] = [];

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#replace = options.replace ?? replaceFile;
  }

  /** Never rejects. */
  async journal(): Promise<Journal | null> {
    const read = await this.#read("journal.json", JournalDocument);
    if (read === null) return null;
    const { format: _, ...journal } = read;
    return journal;
  }

  /** Never rejects. */
  async document(name: CacheName): Promise<CachedDocument | null> {
    return await this.#read(`${name}.json`, Document);
  }

  /** @throws when it is not on the disk. */
  async writeJournal(journal: Journal): Promise<void> {
    await this.#write("journal.json", { format: 1, ...journal });
  }

  /** @throws when it is not on the disk. */
  async writeDocument(name: CacheName, { text, fetchedAt }: CachedDocument): Promise<void> {
    await this.#write(`${name}.json`, { format: 1, fetchedAt, text });
  }

  async #read<S extends z.ZodType>(name: string, schema: S): Promise<z.output<S> | null> {
    const path = join(this.#options.directory, name);
    try {
      return schema.parse(JSON.parse(await readText(path, { maxBytes: MAX_BYTES })));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      const isText = error instanceof SyntaxError || error instanceof z.ZodError;
      const why = isText ? "not what was written there" : describeFileError(error);
      this.troubles.push(`Left out ${JSON.stringify(path)}: ${why}`);
      return null;
    }
  }

  async #write(name: string, document: unknown): Promise<void> {
    const { directory, clock } = this.#options;
    const path = join(directory, name);
    const work = async () => {
      await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
      await this.#replace(path, [new TextEncoder().encode(JSON.stringify(document))]);
    };
    const late = () => new Error(`the disk did not answer within ${DISK_MS} ms`);
    try {
      await deadline(work(), DISK_MS, clock, late);
    } catch (cause) {
      const why = describeFileError(cause);
      throw new Error(`Cannot write ${JSON.stringify(path)}: ${why}`, { cause });
    }
  }
}
