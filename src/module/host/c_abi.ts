// The C interface of modules [MODULE-ABI], System V ABI, 64-bit Linux: functions, return codes, and
// structs in memory. Of the server's side, no other file knows it.
import type { CallOutcome } from "../../protocol/mod.ts";
import { DEVICE_HEAD_BYTES, type DeviceData } from "../wire/device_data.ts";
import {
  addressOf,
  BUFFER,
  BUFFER_BYTES,
  type Bytes,
  copyFrom,
  isNull,
  memory,
  SCRATCH_BYTES,
  setBuffer,
  sizeOf,
} from "./c_memory.ts";
import type { InitParameters, PoppedCommand } from "./module.ts";

/**
 * `struct device_identification { int module; unsigned device_type; struct buffer device_role;
 * struct buffer device_name; unsigned priority; }`
 */
const DEVICE = { struct: ["i32", "u32", BUFFER, BUFFER, "u32"] } as const;

/** `struct config { struct key_value *parameters; size_t size; }` */
const CONFIG = { struct: ["pointer", "usize"] } as const;

/**
 * The functions of a module that are called. All that may block are nonblocking: they run on the
 * thread pool of the process. (`allocate` is only called by modules themselves.)
 */
export const SYMBOLS = {
  get_module_number: {
    parameters: [],
    result: "i32", // the module's number
  },
  is_device_type_supported: {
    parameters: [
      "u32", // unsigned device_type
    ],
    result: "i32", // OK or NOT_OK
    nonblocking: true,
  },
  init: {
    parameters: [
      CONFIG, // struct config
    ],
    result: "pointer", // void *context, NULL on error
    nonblocking: true,
  },
  destroy: {
    parameters: [
      "buffer", // void **context
    ],
    result: "i32",
    nonblocking: true,
  },
  forward_status: {
    parameters: [
      BUFFER, // struct buffer device_status
      DEVICE, // struct device_identification device
      "pointer", // void *context
    ],
    result: "i32",
    nonblocking: true,
  },
  forward_error_message: {
    parameters: [
      BUFFER, // struct buffer error_message
      DEVICE, // struct device_identification device
      "pointer", // void *context
    ],
    result: "i32",
    nonblocking: true,
  },
  device_connected: {
    parameters: [
      DEVICE, // struct device_identification device
      "pointer", // void *context
    ],
    result: "i32",
    nonblocking: true,
  },
  device_disconnected: {
    parameters: [
      "i32", // int disconnect_type
      DEVICE, // struct device_identification device
      "pointer", // void *context
    ],
    result: "i32",
    nonblocking: true,
  },
  wait_for_command: {
    parameters: [
      "i32", // int timeout_ms
      "pointer", // void *context
    ],
    result: "i32",
    nonblocking: true,
  },
  pop_command: {
    parameters: [
      "buffer", // struct buffer *command
      "buffer", // struct device_identification *device
      "pointer", // void *context
    ],
    result: "i32", // commands that remain, negative on error
    nonblocking: true,
  },
  command_ack: {
    parameters: [
      BUFFER, // struct buffer command
      DEVICE, // struct device_identification device
      "pointer", // void *context
    ],
    result: "i32",
    nonblocking: true,
  },
  deallocate: {
    parameters: [
      "buffer", // struct buffer *buffer
    ],
    result: "void",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** A module's functions, ready to be called. */
export type ModuleSymbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** What a return code means [MODULE-CODES]. */
export function outcomeOf(code: number): CallOutcome {
  switch (code) {
    case 0:
      return "ok";
    case -1:
      return "not_ok";
    case -10:
      return "reserved";
    case -11:
      return "context_incorrect";
    case -12:
      return "timeout_occurred";
    default:
      return "unknown_code";
  }
}

/** Sizes of structs, and the offsets of `struct buffer`s in `struct device_identification`. */
const DEVICE_BYTES = 48;
const KEY_VALUE_BYTES = 32;
const ROLE_OFFSET = 8;
const NAME_OFFSET = 24;

/**
 * The arguments of one call at a time on one context: `struct buffer` and
 * `struct device_identification`, with the bytes they point to.
 * The library may read them until the call has returned: until then the caller keeps this object and
 * does not change it.
 */
export class CallArguments {
  /** `struct buffer`, by value. */
  readonly data: Bytes = memory(BUFFER_BYTES);
  /** `struct device_identification`, by value; its priority stays 0 [DEVICE-PRIORITY]. */
  readonly device: Bytes = memory(DEVICE_BYTES);
  readonly #dataView = new DataView(this.data.buffer);
  readonly #deviceView = new DataView(this.device.buffer);
  #scratch = memory(SCRATCH_BYTES);
  #address = addressOf(this.#scratch);

  /** Takes a copy of what the call is about. */
  set({ bytes, view, start, roleStart, nameStart, dataStart, end }: DeviceData): void {
    const length = end - roleStart;
    if (length > this.#scratch.length) this.#replaceScratch(length);
    this.#scratch.set(bytes.subarray(roleStart, end));
    const offset = this.#address - roleStart;
    this.#deviceView.setUint32(0, view.getUint32(start, true), true);
    this.#deviceView.setUint32(4, view.getUint32(start + 4, true), true);
    setBuffer(this.#deviceView, ROLE_OFFSET, this.#address, nameStart - roleStart);
    setBuffer(this.#deviceView, NAME_OFFSET, offset + nameStart, dataStart - nameStart);
    setBuffer(this.#dataView, 0, offset + dataStart, end - dataStart);
  }

  /** The call has returned: drops memory that only a large call needed. */
  release(): void {
    if (this.#scratch.length > SCRATCH_BYTES) this.#replaceScratch(SCRATCH_BYTES);
  }

  #replaceScratch(size: number): void {
    this.#scratch = memory(size);
    this.#address = addressOf(this.#scratch);
  }
}

/** The output of `pop_command`; frees what the library has allocated. */
export class CommandBuffers implements PoppedCommand {
  /** `struct buffer *`, out. */
  readonly data: Bytes = memory(BUFFER_BYTES);
  /** `struct device_identification *`, out. */
  readonly device: Bytes = memory(DEVICE_BYTES);
  remaining = 0;
  readonly #role: Bytes = this.device.subarray(ROLE_OFFSET, ROLE_OFFSET + BUFFER_BYTES);
  readonly #name: Bytes = this.device.subarray(NAME_OFFSET, NAME_OFFSET + BUFFER_BYTES);
  readonly #dataView = new DataView(this.data.buffer);
  readonly #deviceView = new DataView(this.device.buffer);

  /** Clears the structs, so that fields that a library does not set are NULL. */
  clear(): void {
    this.data.fill(0);
    this.device.fill(0);
  }

  get byteLength(): number {
    return DEVICE_HEAD_BYTES + sizeOf(this.#deviceView, ROLE_OFFSET) +
      sizeOf(this.#deviceView, NAME_OFFSET) + sizeOf(this.#dataView, 0);
  }

  copyTo(target: Bytes): void {
    const roleSize = sizeOf(this.#deviceView, ROLE_OFFSET);
    const nameStart = DEVICE_HEAD_BYTES + roleSize;
    const dataStart = nameStart + sizeOf(this.#deviceView, NAME_OFFSET);
    const head = new DataView(target.buffer, target.byteOffset, DEVICE_HEAD_BYTES);
    head.setUint32(0, this.#deviceView.getUint32(0, true), true);
    head.setUint32(4, this.#deviceView.getUint32(4, true), true);
    head.setUint32(8, roleSize, true);
    head.setUint32(12, dataStart - nameStart, true);
    copyFrom(this.#deviceView, ROLE_OFFSET, target.subarray(DEVICE_HEAD_BYTES, nameStart));
    copyFrom(this.#deviceView, NAME_OFFSET, target.subarray(nameStart, dataStart));
    copyFrom(this.#dataView, 0, target.subarray(dataStart));
  }

  /** Returns each of the three buffers that is not NULL to the library [MODULE-MEMORY]. */
  giveBack({ deallocate }: { readonly deallocate: (buffer: Bytes) => void }): void {
    if (!isNull(this.#dataView, 0)) deallocate(this.data);
    if (!isNull(this.#deviceView, ROLE_OFFSET)) deallocate(this.#role);
    if (!isNull(this.#deviceView, NAME_OFFSET)) deallocate(this.#name);
    this.clear();
  }
}

/** `struct config` with all that it points to; kept as long as its context. */
export class ConfigArgument {
  /** `struct config`, by value. */
  readonly config: Bytes = memory(BUFFER_BYTES);
  /** What the struct points to; must live as long as the struct. */
  readonly #memory: Bytes;

  constructor(parameters: InitParameters) {
    const encoder = new TextEncoder();
    const texts = parameters.flat().map((text) => encoder.encode(text));
    const tableBytes = parameters.length * KEY_VALUE_BYTES;
    const textBytes = texts.reduce((sum, text) => sum + text.length, 0);
    // One byte more, so that a pointer past the last string still points into this memory.
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
