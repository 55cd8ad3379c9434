// The parts of an ELF file, as its program headers place them: numbers and texts by address.
//
// The section headers are not used: they may be stripped, and the loader does not look at them.

/** Tables larger than this are damage, not tables, in bytes. */
const NOT_REGULAR = "it is no regular file";
const MAX_TABLE_BYTES = 64 * 1024 * 1024;
/** The program header of what is loaded, and of the dynamic section. */
const PT_LOAD = 1;
const PT_DYNAMIC = 2;

/** What `e_ident`, `e_type` and `e_machine` say. */
export interface ElfHeader {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  /** `ET_DYN` is 3. */
  readonly type: number;
  readonly machine: number;
}

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly bytes: number;
}

/** An open ELF file. 64-bit little-endian beyond the header: no others can be loaded here. */
export class ElfImage implements Disposable {
  readonly header: ElfHeader;
  readonly #file: Deno.FsFile;
  readonly #segments: readonly Segment[];

  /**
   * Opens a file and reads its headers.
   *
   * @throws {RangeError} when it is no ELF file or is cut short, and what the system throws.
   */
  constructor(path: string) {
    // Opening a pipe without a writer would take forever.
    const { isFile, isDirectory } = Deno.statSync(path);
    if (!isFile) throw new RangeError(isDirectory ? "it is a directory" : NOT_REGULAR);
    this.#file = Deno.openSync(path);
    try {
      const start = this.#read(0, 20, "the file is too short");
      if (start.getUint32(0) !== 0x7f454c46) throw new RangeError("it is no ELF file");
      const littleEndian = start.getUint8(5) === 1;
      this.header = {
        bits: start.getUint8(4) === 2 ? 64 : 32,
        littleEndian,
        type: start.getUint16(16, littleEndian),
        machine: start.getUint16(18, littleEndian),
      };
      this.#segments = this.header.bits === 64 && littleEndian ? this.#readSegments() : [];
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /**
   * What is missing at the end, as after a copy that was interrupted; undefined for a whole file. The
   * loader does not look: whoever reads what is not there is ended by SIGBUS.
   */
  get truncation(): string | undefined {
    const loaded = this.#segments.filter(({ type }) => type === PT_LOAD);
    const promised = Math.max(0, ...loaded.map(({ offset, bytes }) => offset + bytes));
    const { size } = this.#file.statSync();
    if (size >= promised) return undefined;
    return `it is truncated: it has ${size} of at least ${promised} bytes`;
  }

  /** The dynamic section; undefined where there is none. */
  get dynamic(): DataView | undefined {
    const segment = this.#segments.find(({ type }) => type === PT_DYNAMIC);
    return segment && this.#read(segment.offset, segment.bytes, "its dynamic section is cut short");
  }

  /**
   * The bytes that are loaded at an address.
   *
   * @throws {RangeError} when they are not all in the file.
   */
  at(address: number, bytes: number, what: string): DataView {
    const segment = this.#segments.find((each) =>
      each.type === PT_LOAD && address >= each.address && address < each.address + each.bytes
    );
    if (segment === undefined) throw new RangeError(`${what} is not in the file`);
    return this.#read(segment.offset + address - segment.address, bytes, `${what} is cut short`);
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  #readSegments(): Segment[] {
    const header = this.#read(0, 64, "its header is cut short");
    const offset = wide(header, 32);
    const size = header.getUint16(54, true);
    const count = header.getUint16(56, true);
    if (size < 56) throw new RangeError("its program headers are damaged");
    const table = this.#read(offset, size * count, "its program headers are cut short");
    return Array.from({ length: count }, (_, index) => ({
      type: table.getUint32(index * size, true),
      offset: wide(table, index * size + 8),
      address: wide(table, index * size + 16),
      bytes: wide(table, index * size + 32),
    }));
  }

  #read(offset: number, length: number, missing: string): DataView {
    if (length > MAX_TABLE_BYTES || offset > Number.MAX_SAFE_INTEGER) throw new RangeError(missing);
    // A length that a damaged file claims is not taken in memory before the file is that long.
    if (length > 4096 && offset + length > this.#file.statSync().size) {
      throw new RangeError(missing);
    }
    const bytes = new Uint8Array(length);
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    for (let done = 0; done < length;) {
      const count = this.#file.readSync(bytes.subarray(done));
      if (count === null) throw new RangeError(missing);
      done += count;
    }
    return new DataView(bytes.buffer);
  }
}

/**
 * What is missing at the end of a library's file, or that it is a pipe or a device, in words that
 * follow its name; undefined where nothing is, and where the loader itself will say what is wrong.
 * Does not throw.
 */
export function truncationOf(path: string): string | undefined {
  try {
    using image = new ElfImage(path);
    return image.truncation;
  } catch (error) {
    return error instanceof RangeError && error.message === NOT_REGULAR ? NOT_REGULAR : undefined;
  }
}

/** A 64-bit number; what is beyond the safe ones is beyond every file, too. */
export function wide(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}
