// Reads the headers of an ELF file: what it is for, and whether it is complete.

const NOT_REGULAR = "it is not a regular file";
/** The type of program headers of loaded segments. */
const PT_LOAD = 1;

/** `e_ident` and `e_machine`, and what the file lacks. */
export interface ElfFile {
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  readonly machine: number;
  /**
   * What is missing at the end, as after an interrupted copy; undefined for a complete file. The
   * loader does not check this, and reading missing parts raises SIGBUS. Only for 64-bit
   * little-endian files, as others cannot be loaded here.
   */
  readonly truncation: string | undefined;
}

/**
 * Reads a file's headers.
 *
 * @throws {RangeError} when it is not an ELF file or its headers are truncated, and what the system
 * throws.
 */
export function readElf(path: string): ElfFile {
  // Opening a pipe without a writer would block forever.
  const { isFile, isDirectory, size } = Deno.statSync(path);
  if (!isFile) throw new RangeError(isDirectory ? "it is a directory" : NOT_REGULAR);
  using file = Deno.openSync(path);
  const start = read(file, 0, 20, "the file is too short");
  if (start.getUint32(0) !== 0x7f454c46) throw new RangeError("it is not an ELF file");
  const bits = start.getUint8(4) === 2 ? 64 : 32;
  const littleEndian = start.getUint8(5) === 1;
  const machine = start.getUint16(18, littleEndian);
  const promised = bits === 64 && littleEndian ? promisedBytes(file) : 0;
  const truncation = size < promised
    ? `it is truncated: it has ${size} of at least ${promised} bytes`
    : undefined;
  return { bits, littleEndian, machine, truncation };
}

/** The end of the loaded segments. */
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
  // No memory is allocated for a length that a damaged file claims.
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

/** A 64-bit number; beyond the safe integers, precision does not matter. */
function wide(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

/**
 * What is missing at the end of a library's file, or that it is a pipe or a device, in words that
 * follow its name; undefined when it is complete, and when the loader will report the problem. Does
 * not throw.
 */
export function truncationOf(path: string): string | undefined {
  try {
    return readElf(path).truncation;
  } catch (error) {
    return error instanceof RangeError && error.message === NOT_REGULAR ? NOT_REGULAR : undefined;
  }
}
