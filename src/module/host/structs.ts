// The structs of the native interface in memory [MODULE-ABI], reused from call to call.
import { DEVICE_HEAD_BYTES, type FrameWriter, readLayout } from "../wire/frames.ts";

/** Sizes and offsets of 64-bit Linux. */
const BUFFER_BYTES = 16;
const DEVICE_BYTES = 48;
const KEY_VALUE_BYTES = 32;
const ROLE_OFFSET = 8;
const NAME_OFFSET = 24;

/** Texts and data of one call up to this size share memory that is kept. */
const SCRATCH_BYTES = 4096;

type Bytes = Uint8Array<ArrayBuffer>;

/** Memory outside V8's own heap, where nothing moves: views of own buffers, however small. */
function memory(size: number): Bytes {
  return new Uint8Array(new ArrayBuffer(size));
}

function addressOf(bytes: Bytes): number {
  return Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}

/** Writes a `struct buffer`. Addresses of user space fit into a double. */
function setBuffer(view: DataView, offset: number, address: number, size: number): void {
  view.setUint32(offset, address >>> 0, true);
  view.setUint32(offset + 4, Math.floor(address / 0x1_0000_0000), true);
  view.setUint32(offset + 8, size, true);
  view.setUint32(offset + 12, 0, true);
}

/**
 * The arguments of one call at a time on one context: `struct buffer` and
 * `struct device_identification`, with the bytes they point to.
 *
 * The library may read them until the call has returned: whoever calls keeps this object and
 * changes nothing meanwhile.
 */
export class CallArguments {
  /** `struct buffer`, by value. */
  readonly data: Bytes = memory(BUFFER_BYTES);
  /** `struct device_identification`, by value; its priority stays 0. */
  readonly device: Bytes = memory(DEVICE_BYTES);
  readonly #dataView = new DataView(this.data.buffer);
  readonly #deviceView = new DataView(this.device.buffer);
  #scratch = memory(SCRATCH_BYTES);
  #address = addressOf(this.#scratch);

  /** The device type set last. */
  get deviceType(): number {
    return this.#deviceView.getUint32(4, true);
  }

  /**
   * Takes device and data from a frame's payload, copying it.
   *
   * @throws {FrameError} when the payload is shorter than it says.
   */
  set(bytes: Bytes, view: DataView, start: number, end: number): void {
    const { roleStart, nameStart, dataStart } = readLayout(view, start, end);
    const length = end - roleStart;
    if (length > this.#scratch.length) this.#replaceScratch(length);
    this.#scratch.set(bytes.subarray(roleStart, end));
    this.#deviceView.setUint32(0, view.getUint32(start, true), true);
    this.#deviceView.setUint32(4, view.getUint32(start + 4, true), true);
    setBuffer(this.#deviceView, ROLE_OFFSET, this.#address, nameStart - roleStart);
    const nameAddress = this.#address + (nameStart - roleStart);
    setBuffer(this.#deviceView, NAME_OFFSET, nameAddress, dataStart - nameStart);
    setBuffer(this.#dataView, 0, this.#address + (dataStart - roleStart), end - dataStart);
  }

  /** The call has returned: memory that one large call needed is given up. */
  release(): void {
    if (this.#scratch.length > SCRATCH_BYTES) this.#replaceScratch(SCRATCH_BYTES);
  }

  #replaceScratch(size: number): void {
    this.#scratch = memory(size);
    this.#address = addressOf(this.#scratch);
  }
}

/** Where `pop_command` puts a command; what the library allocated for it is given back from here. */
export class PoppedCommand {
  /** `struct buffer *`, out. */
  readonly data: Bytes = memory(BUFFER_BYTES);
  /** `struct device_identification *`, out. */
  readonly device: Bytes = memory(DEVICE_BYTES);
  readonly #role: Bytes = this.device.subarray(ROLE_OFFSET, ROLE_OFFSET + BUFFER_BYTES);
  readonly #name: Bytes = this.device.subarray(NAME_OFFSET, NAME_OFFSET + BUFFER_BYTES);
  readonly #dataView = new DataView(this.data.buffer);
  readonly #deviceView = new DataView(this.device.buffer);

  /** Empties the structs, so that what a library leaves alone is seen as NULL. */
  clear(): void {
    this.data.fill(0);
    this.device.fill(0);
  }

  /** The bytes of data, role and name together. */
  get size(): number {
    return sizeOf(this.#dataView, 0) + sizeOf(this.#deviceView, ROLE_OFFSET) +
      sizeOf(this.#deviceView, NAME_OFFSET);
  }

  /** Copies device and data into a frame that has been begun. */
  writeTo(out: FrameWriter): void {
    const roleSize = sizeOf(this.#deviceView, ROLE_OFFSET);
    const nameSize = sizeOf(this.#deviceView, NAME_OFFSET);
    const dataSize = sizeOf(this.#dataView, 0);
    const room = out.room(DEVICE_HEAD_BYTES + roleSize + nameSize + dataSize);
    const view = new DataView(room.buffer, room.byteOffset, DEVICE_HEAD_BYTES);
    view.setUint32(0, this.#deviceView.getUint32(0, true), true);
    view.setUint32(4, this.#deviceView.getUint32(4, true), true);
    view.setUint32(8, roleSize, true);
    view.setUint32(12, nameSize, true);
    let at = DEVICE_HEAD_BYTES;
    copyFrom(this.#deviceView, ROLE_OFFSET, room.subarray(at, at + roleSize));
    at += roleSize;
    copyFrom(this.#deviceView, NAME_OFFSET, room.subarray(at, at + nameSize));
    at += nameSize;
    copyFrom(this.#dataView, 0, room.subarray(at));
  }

  /** Gives each of the three buffers that is not NULL back to the library that allocated it. */
  giveBack(deallocate: (buffer: Bytes) => void): void {
    if (this.#dataView.getBigUint64(0, true) !== 0n) deallocate(this.data);
    if (this.#deviceView.getBigUint64(ROLE_OFFSET, true) !== 0n) deallocate(this.#role);
    if (this.#deviceView.getBigUint64(NAME_OFFSET, true) !== 0n) deallocate(this.#name);
    this.clear();
  }
}

/** The size in a `struct buffer`; 0 when its pointer is NULL. */
function sizeOf(view: DataView, offset: number): number {
  if (view.getUint32(offset, true) === 0 && view.getUint32(offset + 4, true) === 0) return 0;
  return view.getUint32(offset + 12, true) * 0x1_0000_0000 + view.getUint32(offset + 8, true);
}

/** Copies what a `struct buffer` points to. */
function copyFrom(view: DataView, offset: number, destination: Bytes): void {
  if (destination.length === 0) return;
  const pointer = Deno.UnsafePointer.create(view.getBigUint64(offset, true));
  if (pointer !== null) Deno.UnsafePointerView.copyInto(pointer, destination);
}

/** `struct config` with all it points to; kept as long as the context that got it. */
export class ConfigArgument {
  /** `struct config`, by value. */
  readonly config: Bytes = memory(BUFFER_BYTES);
  /** What the struct points to must live as long as the struct. */
  readonly #memory: Bytes;

  constructor(parameters: readonly (readonly [key: string, value: string])[]) {
    const encoder = new TextEncoder();
    const texts = parameters.flat().map((text) => encoder.encode(text));
    const tableBytes = parameters.length * KEY_VALUE_BYTES;
    const textBytes = texts.reduce((sum, text) => sum + text.length, 0);
    // One byte more: a pointer behind the last text still points into this memory.
    this.#memory = memory(tableBytes + textBytes + 1);
    const address = addressOf(this.#memory);
    const view = new DataView(this.#memory.buffer);
    let at = tableBytes;
    texts.forEach((text, index) => {
      setBuffer(view, index * BUFFER_BYTES, address + at, text.length);
      this.#memory.set(text, at);
      at += text.length;
    });
    setBuffer(new DataView(this.config.buffer), 0, address, parameters.length);
  }
}

/** `void **context`, for `destroy`. */
export function contextArgument(context: Deno.PointerObject): Bytes {
  const bytes = memory(8);
  new DataView(bytes.buffer).setBigUint64(0, Deno.UnsafePointer.value(context), true);
  return bytes;
}
