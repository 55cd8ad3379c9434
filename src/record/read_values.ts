// Reads what ValueWriter wrote.
import { MAX_SHARED, TAG } from "./values.ts";
import { DICTIONARY } from "./dictionary.ts";
import { readForm } from "./forms.ts";

/** Deeper values were not written by this program. */
const MAX_DEPTH = 64;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes are not a value; the message has the offset. */
export class ValueError extends Error {
  override readonly name = "ValueError";
}

/** Reads one value. @throws {ValueError} when the bytes are something else, or more than a value */
export function readValue(bytes: Uint8Array): unknown {
  return new ValueReader(bytes).whole();
}

/** Reads the first values of an array. @throws {ValueError} when the bytes are something else */
export function readFirst(bytes: Uint8Array, count: number): unknown[] {
  return new ValueReader(bytes).first(count);
}

class ValueReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  readonly #shared: object[] = [];

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  whole(): unknown {
    const value = this.#value(0);
    if (this.#at < this.#bytes.length) throw this.#error("the end");
    return value;
  }

  first(count: number): unknown[] {
    if (this.#byte() !== TAG.array) throw this.#error("an array");
    const length = Math.min(count, this.#count());
    return Array.from({ length }, () => this.#value(1));
  }

  #value(depth: number): unknown {
    const tag = this.#byte();
    if (tag >= TAG.small) return tag - TAG.small;
    if (tag >= TAG.word) return this.#word(tag);
    switch (tag) {
      case TAG.undefined:
        return undefined;
      case TAG.null:
        return null;
      case TAG.false:
        return false;
      case TAG.true:
        return true;
      case TAG.whole:
        return this.#count();
      case TAG.number:
        return this.#view.getFloat64(this.#skip(8), true);
      case TAG.text:
      case TAG.units:
        return this.#text(tag);
      case TAG.bytes: {
        const length = this.#count();
        const from = this.#skip(length);
        return this.#share(this.#bytes.slice(from, from + length));
      }
      case TAG.array:
        return this.#array(depth);
      case TAG.object:
        return this.#object(depth);
      case TAG.form: {
        if (depth === MAX_DEPTH) throw this.#error("an object");
        const value = readForm(this.#byte(), () => this.#value(depth + 1));
        if (value === undefined) throw this.#error("a form that is known");
        return value;
      }
      case TAG.same: {
        const value = this.#shared[this.#byte()];
        if (value === undefined) throw this.#error("a value that came before");
        return value;
      }
      default:
        throw this.#error("a value");
    }
  }

  #share<T extends object>(value: T): T {
    if (this.#shared.length < MAX_SHARED) this.#shared.push(value);
    return value;
  }

  #array(depth: number): unknown[] {
    const length = this.#count();
    // Each value takes at least one byte.
    if (depth === MAX_DEPTH || length > this.#bytes.length - this.#at) {
      throw this.#error("an array");
    }
    const values: unknown[] = [];
    for (let index = 0; index < length; index++) values.push(this.#value(depth + 1));
    return values;
  }

  #object(depth: number): Record<string, unknown> {
    if (depth === MAX_DEPTH) throw this.#error("an object");
    const value: Record<string, unknown> = this.#share({});
    for (let tag = this.#byte(); tag !== TAG.end; tag = this.#byte()) {
      const key = tag >= TAG.word ? this.#word(tag) : this.#text(tag);
      if (key === "__proto__") throw this.#error("another key");
      value[key] = this.#value(depth + 1);
    }
    return value;
  }

  #text(tag: number): string {
    if (tag === TAG.units) {
      const length = this.#count();
      const from = this.#skip(2 * length);
      let text = "";
      for (let at = from; at < this.#at; at += 2) {
        text += String.fromCharCode(this.#view.getUint16(at, true));
      }
      return text;
    }
    if (tag !== TAG.text) throw this.#error("a string");
    const length = this.#count();
    const from = this.#skip(length);
    try {
      return utf8.decode(this.#bytes.subarray(from, this.#at));
    } catch {
      throw this.#error("UTF-8");
    }
  }

  #word(tag: number): string {
    const word = DICTIONARY[tag - TAG.word];
    if (word === undefined) throw this.#error("a word");
    return word;
  }

  #count(): number {
    let value = 0;
    for (let factor = 1;; factor *= 128) {
      const byte = this.#byte();
      value += (byte % 128) * factor;
      if (byte < 128) break;
    }
    if (!Number.isSafeInteger(value)) throw this.#error("a whole number");
    return value;
  }

  #byte(): number {
    return this.#bytes[this.#skip(1)] as number;
  }

  /** Skips `length` bytes, and returns where they begin. */
  #skip(length: number): number {
    const from = this.#at;
    if (length > this.#bytes.length - from) throw this.#error("more bytes");
    this.#at += length;
    return from;
  }

  #error(expected: string): ValueError {
    return new ValueError(`Expected ${expected}: at byte ${this.#at} of ${this.#bytes.length}`);
  }
}
