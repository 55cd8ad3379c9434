// `struct buffer`, which both C interfaces pass bytes in, and memory that C code can read and write.

/** Bytes with memory of their own. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** `struct buffer { void *data; size_t size_in_bytes; }` */
export const BUFFER = { struct: ["pointer", "usize"] } as const;

export const BUFFER_BYTES = 16;

/** Strings and data of a call up to this size use memory that is kept; in bytes. */
export const SCRATCH_BYTES = 4096;

/** Memory outside V8's heap, which does not move: even small views have their own buffer. */
export function memory(size: number): Bytes {
  return new Uint8Array(new ArrayBuffer(size));
}

export function addressOf(bytes: Bytes): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}

/** Writes a `struct buffer`. Addresses in user space fit into a double. */
export function setBuffer(view: DataView, offset: number, address: number, size: number): void {
  view.setUint32(offset, address >>> 0, true);
  view.setUint32(offset + 4, Math.floor(address / 0x1_0000_0000), true);
  view.setUint32(offset + 8, size, true);
  view.setUint32(offset + 12, 0, true);
}

export function isNull(view: DataView, offset: number): boolean {
  return view.getUint32(offset, true) === 0 && view.getUint32(offset + 4, true) === 0;
}

/** The size in a `struct buffer`; 0 when its pointer is NULL. */
export function sizeOf(view: DataView, offset: number): number {
  if (isNull(view, offset)) return 0;
  return view.getUint32(offset + 12, true) * 0x1_0000_0000 + view.getUint32(offset + 8, true);
}

/** Copies what a `struct buffer` points to. */
export function copyFrom(view: DataView, offset: number, target: Bytes): void {
  if (target.length === 0) return;
  const pointer = Deno.UnsafePointer.create(view.getBigUint64(offset, true));
  if (pointer !== null) Deno.UnsafePointerView.copyInto(pointer, target);
}
