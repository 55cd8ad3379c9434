// Reads the loader's index of libraries, written by `ldconfig`.

const CACHE = "/etc/ld.so.cache";
const MAGIC = "glibc-ld.so.cache1.1";
const HEADER_BYTES = 48;
const ENTRY_BYTES = 24;

/** Paths by name, in the order of the index; empty when there is no index, or one in another format. */
export function readLoaderCache(path = CACHE): ReadonlyMap<string, readonly string[]> {
  try {
    return parseLoaderCache(Deno.readFileSync(path));
  } catch {
    // Without it, the loader uses the standard folders only.
    return new Map();
  }
}

/** @throws {RangeError} when the index is damaged. */
export function parseLoaderCache(bytes: Uint8Array): Map<string, string[]> {
  const found = new Map<string, string[]>();
  // An index in the older format may come first; offsets count from the beginning of the newer one.
  const start = new TextDecoder("latin1").decode(bytes).indexOf(MAGIC);
  if (start < 0) return found;
  const own = bytes.subarray(start);
  const view = new DataView(own.buffer, own.byteOffset, own.byteLength);
  const count = view.getUint32(MAGIC.length, true);
  const text = (offset: number) => {
    const end = own.indexOf(0, offset);
    return new TextDecoder().decode(own.subarray(offset, end < 0 ? undefined : end));
  };
  for (let index = 0; index < count; index++) {
    const at = HEADER_BYTES + index * ENTRY_BYTES;
    const name = text(view.getUint32(at + 4, true));
    const paths = found.get(name) ?? [];
    paths.push(text(view.getUint32(at + 8, true)));
    found.set(name, paths);
  }
  return found;
}
