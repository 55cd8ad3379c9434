// Encodes plain values without loss: undefined, bytes, -0 and lone surrogates survive.
//
// A value begins with a tag byte; see TAG. Small whole numbers and strings of the DICTIONARY are that
// byte alone.
import { DICTIONARY } from "./dictionary.ts";

export const TAG = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  /** A whole number from 0: seven bits a byte, the lowest first. */
  whole: 4,
  /** Eight bytes, little-endian. */
  number: 5,
  /** Number of bytes, UTF-8. */
  text: 6,
  /** Number of code units, two bytes each: a string that UTF-8 cannot encode. */
  units: 7,
  bytes: 8,
  /** Number of values, values. */
  array: 9,
  /** Keys and values in turn, then `end`. */
  object: 10,
  end: 11,
  /** The number of an object or bytes that this record has written before. */
  same: 12,
  /** The number of a form, and the values of its fields; see forms.ts. */
  form: 13,
  /** The first byte of words, and of whole numbers below {@linkcode SMALL}. */
  word: 64,
  small: 192,
} as const;

const SMALL = 64;
/** Objects and bytes of a record that are written once, however often they occur: the first ones. */
export const MAX_SHARED = 24;
const FIRST_BYTES = 16 * 1024;
/** A buffer is made no larger before it is full. */
const MOST_BYTES = 512 * 1024;
const WORD_NUMBERS = new Map(DICTIONARY.map((word, index) => [word, index]));
/** Longer strings are not in the dictionary. */
const LONGEST_WORD = Math.max(...DICTIONARY.map((word) => word.length));
/** Up to this length, a loop beats the runtime's encoder. */
const SHORT_TEXT = 40;

const utf8 = new TextEncoder();

/** More bytes than the writer may hold. */
export class WriterFullError extends Error {
  override readonly name = "WriterFullError";
}

/** Writes values one after the other. */
export class ValueWriter {
  readonly #maxBytes: number;
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #size = 0;
  /** Objects and bytes since {@linkcode begin}. */
  readonly #shared: (object | null)[] = new Array(MAX_SHARED).fill(null);
  #sharedCount = 0;

  /** @param maxBytes Further ones are refused with a {@linkcode WriterFullError}. */
  constructor(maxBytes = Infinity) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes written so far. Setting it truncates what was written. */
  get size(): number {
    return this.#size;
  }

  set size(bytes: number) {
    this.#size = bytes;
  }

  /** What was written from `from` on; valid until more is written. */
  since(from: number): Uint8Array {
    return this.#bytes.subarray(from, this.#size);
  }

  /** Returns what was written, and starts over. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.subarray(0, this.#size);
    // What comes next is about as much: growing copies it.
    const next = Math.min(Math.max(FIRST_BYTES, this.#size + (this.#size >> 2)), MOST_BYTES);
    this.#bytes = new Uint8Array(Math.min(next, this.#maxBytes));
    this.#view = new DataView(this.#bytes.buffer);
    this.#size = 0;
    return taken;
  }

  /** Reserves room for a number that {@linkcode setUint32} writes; returns its offset. */
  reserve(bytes: number): number {
    this.#need(bytes);
    this.#size += bytes;
    return this.#size - bytes;
  }

  setUint32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  /** Begins a record: what occurs several times in it, the same object or bytes, is written once. */
  begin(): void {
    this.#sharedCount = 0;
  }

  /** Begins an array; this many values must follow. */
  array(length: number): void {
    this.#need(6);
    this.#bytes[this.#size++] = TAG.array;
    this.#count(length);
  }

  /** Begins the object of a form; the values of its fields must follow. @param number below 256 */
  form(number: number): void {
    this.#need(2);
    this.#bytes[this.#size++] = TAG.form;
    this.#bytes[this.#size++] = number;
  }

  /** @throws {TypeError} when it is not a plain value: a Map, an instance of a class, a function, ... */
  value(value: unknown): void {
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return this.#number(value);
      case "boolean":
        return this.#tag(value ? TAG.true : TAG.false);
      case "undefined":
        return this.#tag(TAG.undefined);
      case "object":
        return value === null ? this.#tag(TAG.null) : this.#compound(value);
      default:
        throw new TypeError(`Expected a plain value: found a ${typeof value}`);
    }
  }

  #compound(value: object): void {
    if (this.#isShared(value)) return;
    // Cheaper than reading the prototype, and right for nearly all values.
    if (value.constructor === Object) return this.#object(value);
    if (value instanceof Uint8Array) return this.#raw(value);
    if (Array.isArray(value)) {
      this.array(value.length);
      for (const each of value) this.value(each);
      return;
    }
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw new TypeError(`Expected a plain value: found a ${prototype.constructor?.name}`);
    }
    this.#object(value);
  }

  /** Writes the number of an object that was written before; false: it has not been. */
  #isShared(value: object): boolean {
    const count = this.#sharedCount;
    for (let index = 0; index < count; index++) {
      if (this.#shared[index] !== value) continue;
      this.#need(2);
      this.#bytes[this.#size++] = TAG.same;
      this.#bytes[this.#size++] = index;
      return true;
    }
    if (count < MAX_SHARED && !Array.isArray(value)) this.#shared[this.#sharedCount++] = value;
    return false;
  }

  #object(value: object): void {
    this.#tag(TAG.object);
    for (const key in value) {
      this.#text(key);
      this.value((value as Readonly<Record<string, unknown>>)[key]);
    }
    this.#tag(TAG.end);
  }

  #tag(tag: number): void {
    this.#need(1);
    this.#bytes[this.#size++] = tag;
  }

  #number(value: number): void {
    this.#need(10);
    if (Number.isSafeInteger(value) && value >= 0 && !Object.is(value, -0)) {
      if (value < SMALL) {
        this.#bytes[this.#size++] = TAG.small + value;
        return;
      }
      this.#bytes[this.#size++] = TAG.whole;
      return this.#count(value);
    }
    this.#bytes[this.#size++] = TAG.number;
    this.#view.setFloat64(this.#size, value, true);
    this.#size += 8;
  }

  #text(text: string): void {
    const { length } = text;
    const word = length <= LONGEST_WORD ? WORD_NUMBERS.get(text) : undefined;
    if (word !== undefined) return this.#tag(TAG.word + word);
    // Three bytes for each code unit are enough.
    this.#need(6 + 3 * length);
    const at = this.#size;
    if (length <= SHORT_TEXT && this.#ascii(text)) return;
    this.#size = at;
    if (!text.isWellFormed()) return this.#units(text);
    // The length is only known afterwards, so five bytes are always reserved for it.
    const { written } = utf8.encodeInto(text, this.#bytes.subarray(at + 6));
    this.#bytes[at] = TAG.text;
    for (let index = 0, rest = written; index < 5; index++, rest >>>= 7) {
      this.#bytes[at + 1 + index] = (rest & 127) | (index < 4 ? 128 : 0);
    }
    this.#size = at + 6 + written;
  }

  /** Writes a short ASCII string; false when it has other characters. */
  #ascii(text: string): boolean {
    const { length } = text;
    this.#bytes[this.#size++] = TAG.text;
    this.#bytes[this.#size++] = length;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 127) return false;
      this.#bytes[this.#size++] = code;
    }
    return true;
  }

  #units(text: string): void {
    this.#bytes[this.#size++] = TAG.units;
    this.#count(text.length);
    for (let index = 0; index < text.length; index++) {
      this.#view.setUint16(this.#size, text.charCodeAt(index), true);
      this.#size += 2;
    }
  }

  #raw(bytes: Uint8Array): void {
    this.#need(6 + bytes.length);
    this.#bytes[this.#size++] = TAG.bytes;
    this.#count(bytes.length);
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  /** The caller has made room. */
  #count(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#bytes[this.#size++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#size++] = rest;
  }

  #need(bytes: number): void {
    const wanted = this.#size + bytes;
    if (wanted <= this.#bytes.length) return;
    if (wanted > this.#maxBytes) {
      throw new WriterFullError(`Expected at most ${this.#maxBytes} bytes: found ${wanted}`);
    }
    const larger = new Uint8Array(
      Math.min(Math.max(wanted, 2 * this.#bytes.length), this.#maxBytes),
    );
    larger.set(this.since(0));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
