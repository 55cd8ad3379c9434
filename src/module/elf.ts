// What an ELF file says it is, and whether it is all there, read from its headers alone.

const NOT_REGULAR = "it is no regular file";
/** The program header of what is loaded. */
const PT_LOAD = 1;

/** What `e_ident` and `e_machine` say, and what the file lacks of what its headers promise. */
export interface ElfFile {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  readonly machine: number;
  /**
   * What is missing at the end, as after a copy that was interrupted; undefined for a whole file. The
   * loader does not look: whoever reads what is not there is ended by SIGBUS. Known of 64-bit
   * little-endian files, the only ones that can be loaded here.
   */
  readonly truncation: string | undefined;
}

/**
 * Reads a file's headers.
 *
 * @throws {RangeError} when it is no ELF file or its headers are cut short, and what the system throws.
 */
export function readElf(path: string): ElfFile {
  // Opening a pipe without a writer would take forever.
  const { isFile, isDirectory, size } = Deno.statSync(path);
  if (!isFile) throw new RangeError(isDirectory ? "it is a directory" : NOT_REGULAR);
  using file = Deno.openSync(path);
  const start = read(file, 0, 20, "the file is too short");
  if (start.getUint32(0) !== 0x7f454c46) throw new RangeError("it is no ELF file");
  const bits = start.getUint8(4) === 2 ? 64 : 32;
  const littleEndian = start.getUint8(5) === 1;
  const machine = start.getUint16(18, littleEndian);
  const promised = bits === 64 && littleEndian ? promisedBytes(file) : 0;
  const truncation = size < promised
    ? `it is truncated: it has ${size} of at least ${promised} bytes`
    : undefined;
  return { bits, littleEndian, machine, truncation };
}

/** How far what is to be loaded reaches. */
function promisedBytes(file: Deno.FsFile): number {
  const header = read(file, 0, 64, "its header is cut short");
  const size = header.getUint16(54, true);
  const count = header.getUint16(56, true);
  if (count > 0 && size < 56) throw new RangeError("its program headers are damaged");
  const bytes = size * count;
  const table = read(file, wide(header, 32), bytes, "its program headers are cut short");
  let promised = 0;
  for (let at = 0; at < bytes; at += size) {
    if (table.getUint32(at, true) !== PT_LOAD) continue;
    promised = Math.max(promised, wide(table, at + 8) + wide(table, at + 32));
  }
  return promised;
}

function read(file: Deno.FsFile, offset: number, length: number, missing: string): DataView {
  // A length that a damaged file claims is not taken in memory before the file is that long.
  if (offset + length > file.statSync().size) throw new RangeError(missing);
  const bytes = new Uint8Array(length);
  file.seekSync(offset, Deno.SeekMode.Start);
  for (let done = 0; done < length;) {
    const count = file.readSync(bytes.subarray(done));
    if (count === null) throw new RangeError(missing);
    done += count;
  }
  return new DataView(bytes.buffer);
}

/** A 64-bit number; what is beyond the safe ones is beyond every file, too. */
function wide(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

/**
 * What is missing at the end of a library's file, or that it is a pipe or a device, in words that
 * follow its name; undefined where nothing is, and where the loader itself will say what is wrong.
 * Does not throw.
 */
export function truncationOf(path: string): string | undefined {
  try {
    return readElf(path).truncation;
  } catch (error) {
    return error instanceof RangeError && error.message === NOT_REGULAR ? NOT_REGULAR : undefined;
  }
}
