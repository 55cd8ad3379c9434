// Reads from a shared library's file what it is and needs, as the loader would, without loading it.
import { ElfImage, wide } from "../../module/mod.ts";
import { ElfError } from "../errors.ts";

export interface LibraryDescription {
  /** Such as `x86-64`; `machine 8` for one that has no name here. */
  readonly architecture: string;
  /** Whether this machine's loader accepts files for this architecture. */
  readonly native: boolean;
  /** Whether it is a shared library, not a program, an object or a core dump. */
  readonly shared: boolean;
  /** `DT_SONAME`. */
  readonly soname: string | undefined;
  /** The libraries it needs, in order, with the versions of their symbols. */
  readonly needed: readonly NeededLibrary[];
  /** Names of versions that it provides, such as `GLIBC_2.34`. */
  readonly provides: readonly string[];
  /** Where its libraries are looked up: `DT_RUNPATH`. */
  readonly runPath: readonly string[];
  /** The older `DT_RPATH`, ignored when there is a `DT_RUNPATH`. */
  readonly rPath: readonly string[];
  /** The functions and variables it exports. */
  readonly symbols: ReadonlySet<string>;
}

/** One `DT_NEEDED`. */
export interface NeededLibrary {
  readonly name: string;
  /** Such as `GLIBC_2.34`; weak ones are left out. */
  readonly versions: readonly string[];
}

const ARCHITECTURES: Readonly<Record<number, string>> = {
  3: "x86",
  20: "PowerPC",
  21: "PowerPC 64",
  22: "S/390",
  40: "ARM (32 bit)",
  62: "x86-64",
  183: "ARM64 (aarch64)",
  243: "RISC-V",
  258: "LoongArch",
};

/** `Deno.build.arch` in ELF's terms. */
const OWN_MACHINE = Deno.build.arch === "aarch64" ? 183 : 62;

/** The architecture of this machine. */
export const OWN_ARCHITECTURE = ARCHITECTURES[OWN_MACHINE] ?? "";

const ET_DYN = 3;
/** A list with more entries is damaged. */
const MAX_ENTRIES = 100_000;
/** Tags of the dynamic section. */
const TAG = {
  NEEDED: 1,
  HASH: 4,
  STRTAB: 5,
  SYMTAB: 6,
  STRSZ: 10,
  SONAME: 14,
  RPATH: 15,
  RUNPATH: 29,
  GNU_HASH: 0x6ffffef5,
  FLAGS_1: 0x6ffffffb,
  VERDEF: 0x6ffffffc,
  VERDEFNUM: 0x6ffffffd,
  VERNEED: 0x6ffffffe,
  VERNEEDNUM: 0x6fffffff,
} as const;
const SYMBOL_BYTES = 24;
/** A position-independent program: it has the type of shared libraries, but is none. */
const DF_1_PIE = 0x08000000;
/** The library can do without a version with this flag. */
const VER_FLG_WEAK = 2;

/**
 * Reads what a library is and needs. Reads only tables, so that large libraries are quick as well.
 *
 * @throws {ElfError} when the file cannot be read, is not an ELF file, or is damaged; names it.
 */
export function describeLibrary(path: string): LibraryDescription {
  try {
    using image = new ElfImage(path);
    if (image.truncation !== undefined) throw new RangeError(image.truncation);
    return describe(image);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ElfError(`Cannot read library "${path}": ${reason}`, { cause });
  }
}

function describe(image: ElfImage): LibraryDescription {
  const { bits, littleEndian, type, machine } = image.header;
  const dynamic = image.dynamic;
  const tables = dynamic === undefined ? undefined : new Tables(image, dynamic);
  const paths = (tag: number) =>
    tables?.texts(tag).flatMap((text) => text.split(":")).filter((text) => text !== "") ?? [];
  const versions = tables?.neededVersions() ?? new Map<string, string[]>();
  return {
    architecture: ARCHITECTURES[machine] ?? `machine ${machine}`,
    native: bits === 64 && littleEndian && machine === OWN_MACHINE,
    shared: type === ET_DYN && !(tables?.isProgram ?? false),
    soname: tables?.texts(TAG.SONAME)[0],
    needed: tables?.texts(TAG.NEEDED).map((name) => ({
      name,
      versions: versions.get(name) ?? [],
    })) ?? [],
    provides: tables?.providedVersions() ?? [],
    runPath: paths(TAG.RUNPATH),
    rPath: paths(TAG.RPATH),
    symbols: tables?.symbols() ?? new Set(),
  };
}

/** The tables that the dynamic section points to. */
class Tables {
  readonly #image: ElfImage;
  readonly #entries: readonly (readonly [tag: number, value: number])[];
  readonly #strings: Uint8Array;

  constructor(image: ElfImage, dynamic: DataView) {
    this.#image = image;
    const entries: [number, number][] = [];
    for (let at = 0; at + 16 <= dynamic.byteLength; at += 16) {
      const tag = wide(dynamic, at);
      if (tag === 0) break;
      entries.push([tag, wide(dynamic, at + 8)]);
    }
    this.#entries = entries;
    const address = this.#value(TAG.STRTAB);
    const what = "its table of names";
    this.#strings = address === undefined
      ? new Uint8Array(0)
      : new Uint8Array(image.at(address, this.#value(TAG.STRSZ) ?? 0, what).buffer);
  }

  /** Whether it is a program, not a library. */
  get isProgram(): boolean {
    return ((this.#value(TAG.FLAGS_1) ?? 0) & DF_1_PIE) !== 0;
  }

  /** The texts of every entry with a tag. */
  texts(tag: number): string[] {
    return this.#entries.filter(([each]) => each === tag).map(([, value]) => this.#text(value));
  }

  /** `.gnu.version_r`: needed versions by library. */
  neededVersions(): Map<string, string[]> {
    const found = new Map<string, string[]>();
    const what = "its table of needed versions";
    this.#chain(TAG.VERNEED, TAG.VERNEEDNUM, 16, what, (entry, address) => {
      const versions: string[] = [];
      let next = address + entry.getUint32(8, true);
      for (let left = entry.getUint16(2, true); left > 0; left--) {
        const version = this.#image.at(next, 16, what);
        const weak = (version.getUint16(4, true) & VER_FLG_WEAK) !== 0;
        if (!weak) versions.push(this.#text(version.getUint32(8, true)));
        next += version.getUint32(12, true);
      }
      found.set(this.#text(entry.getUint32(4, true)), versions);
      return entry.getUint32(12, true);
    });
    return found;
  }

  /** `.gnu.version_d`: provided versions. */
  providedVersions(): string[] {
    const found: string[] = [];
    const what = "its table of versions";
    this.#chain(TAG.VERDEF, TAG.VERDEFNUM, 20, what, (entry, address) => {
      const name = this.#image.at(address + entry.getUint32(12, true), 8, what);
      found.push(this.#text(name.getUint32(0, true)));
      return entry.getUint32(16, true);
    });
    return found;
  }

  /** Names of the exported symbols. */
  symbols(): Set<string> {
    const address = this.#value(TAG.SYMTAB);
    const count = address === undefined ? 0 : this.#countSymbols();
    const names = new Set<string>();
    if (address === undefined || count === 0) return names;
    const table = this.#image.at(address, count * SYMBOL_BYTES, "its table of symbols");
    for (let at = 0; at < table.byteLength; at += SYMBOL_BYTES) {
      const local = table.getUint8(at + 4) >> 4 === 0;
      const undefinedHere = table.getUint16(at + 6, true) === 0;
      if (!local && !undefinedHere) names.add(this.#text(table.getUint32(at, true)));
    }
    return names;
  }

  /** The number of symbols is not stored, but follows from the hash tables. */
  #countSymbols(): number {
    const hash = this.#value(TAG.HASH);
    if (hash !== undefined) return this.#image.at(hash, 8, "its hash table").getUint32(4, true);
    const gnu = this.#value(TAG.GNU_HASH);
    if (gnu === undefined) return 0;
    const what = "its hash table";
    const header = this.#image.at(gnu, 16, what);
    const bucketCount = header.getUint32(0, true);
    const firstHashed = header.getUint32(4, true);
    const bucketStart = gnu + 16 + 8 * header.getUint32(8, true);
    const buckets = this.#image.at(bucketStart, 4 * bucketCount, what);
    let last = 0;
    for (let at = 0; at < buckets.byteLength; at += 4) {
      last = Math.max(last, buckets.getUint32(at, true));
    }
    if (last < firstHashed) return firstHashed;
    // The chain of the last bucket ends with the last symbol: its lowest bit is set.
    const chains = bucketStart + 4 * bucketCount - 4 * firstHashed;
    for (let steps = 0; steps < MAX_ENTRIES; steps++, last++) {
      if ((this.#image.at(chains + 4 * last, 4, what).getUint32(0, true) & 1) === 1) {
        return last + 1;
      }
    }
    throw new RangeError(`${what} is damaged`);
  }

  /** Visits a list whose entries say how far the next one is. */
  #chain(
    startTag: number,
    countTag: number,
    bytes: number,
    what: string,
    visit: (entry: DataView, address: number) => number,
  ): void {
    let address = this.#value(startTag);
    if (address === undefined) return;
    const count = Math.min(this.#value(countTag) ?? 0, MAX_ENTRIES);
    for (let left = count; left > 0; left--) {
      const distance = visit(this.#image.at(address, bytes, what), address);
      if (distance === 0) return;
      address += distance;
    }
  }

  #value(tag: number): number | undefined {
    return this.#entries.find(([each]) => each === tag)?.[1];
  }

  #text(at: number): string {
    const end = this.#strings.indexOf(0, at);
    return new TextDecoder().decode(this.#strings.subarray(at, end < 0 ? undefined : end));
  }
}
