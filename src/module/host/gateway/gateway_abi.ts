// The C interface of a Module Gateway's modules, System V ABI, 64-bit Linux. Of the gateway's side,
// no other file knows it.
import { GATEWAY_NOT_OK, GATEWAY_OK, type GatewayReturn } from "../../gateway_call.ts";
import { MAX_DATA_BYTES } from "../../wire/frames.ts";
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
} from "../c_memory.ts";

const OUT = "buffer"; // struct buffer *, made by the library with its `allocate`
const TYPE = "u32"; // unsigned int device_type

/**
 * The functions of a module that are called. Those that may block are nonblocking: they run on the
 * thread pool of the process.
 */
export const REQUIRED = {
  get_module_number: { parameters: [], result: "i32" },
  is_device_type_supported: { parameters: [TYPE], result: "i32", nonblocking: true },
  generate_first_command: { parameters: [OUT, TYPE], result: "i32", nonblocking: true },
  status_data_valid: {
    parameters: [
      BUFFER, // struct buffer status
      TYPE,
    ],
    result: "i32",
    nonblocking: true,
  },
  command_data_valid: {
    parameters: [
      BUFFER, // struct buffer command
      TYPE,
    ],
    result: "i32",
    nonblocking: true,
  },
  send_status_condition: {
    parameters: [
      BUFFER, // struct buffer current_status
      BUFFER, // struct buffer new_status
      TYPE,
    ],
    result: "i32",
    nonblocking: true,
  },
  aggregate_status: {
    parameters: [
      OUT,
      BUFFER, // struct buffer current_status
      BUFFER, // struct buffer new_status
      TYPE,
    ],
    result: "i32",
    nonblocking: true,
  },
  generate_command: {
    parameters: [
      OUT,
      BUFFER, // struct buffer new_status
      BUFFER, // struct buffer current_status
      BUFFER, // struct buffer current_command
      TYPE,
    ],
    result: "i32",
    nonblocking: true,
  },
  aggregate_error: {
    parameters: [
      OUT,
      BUFFER, // struct buffer current_error_message
      BUFFER, // struct buffer status
      TYPE,
    ],
    result: "i32",
    nonblocking: true,
  },
  // Modules call it themselves; one without it could not be called by other gateways.
  allocate: { parameters: ["buffer", "usize"], result: "i32" },
  deallocate: {
    parameters: [
      "buffer", // struct buffer *buffer
    ],
    result: "void",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** What a module may lack: then no command is forwarded at once. */
export const OPTIONAL = {
  forward_command_on_receive: { parameters: [TYPE], result: "i32", nonblocking: true },
} as const satisfies Deno.ForeignLibraryInterface;

/** `struct buffer`s, by value, for one call at a time. */
export class GatewayArguments {
  /** As many as a function takes at most. */
  readonly buffers: readonly [Bytes, Bytes, Bytes] = [
    memory(BUFFER_BYTES),
    memory(BUFFER_BYTES),
    memory(BUFFER_BYTES),
  ];
  readonly #views = this.buffers.map((buffer) => new DataView(buffer.buffer));
  #scratch = memory(SCRATCH_BYTES);
  #address = addressOf(this.#scratch);

  /** Takes copies. What is absent or empty becomes NULL and 0. */
  set(...data: readonly (Uint8Array | null)[]): void {
    const length = data.reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0);
    if (length > this.#scratch.length) this.#replaceScratch(length);
    let at = 0;
    this.#views.forEach((view, index) => {
      const bytes = data[index] ?? null;
      if (bytes === null || bytes.length === 0) return setBuffer(view, 0, 0, 0);
      this.#scratch.set(bytes, at);
      setBuffer(view, 0, this.#address + at, bytes.length);
      at += bytes.length;
    });
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

/** What became of the data that a function should have made. */
export interface Made extends GatewayReturn {
  /** The function said OK and made none. */
  readonly isMissing: boolean;
  /** Why data that it made could not be taken. */
  readonly refusal?: string;
}

const NO_BYTES = new Uint8Array(0);

/** `struct buffer *`, out; one for all calls. */
export class OutBuffer {
  readonly bytes: Bytes = memory(BUFFER_BYTES);
  readonly #view = new DataView(this.bytes.buffer);

  /** Before a call: NULL, for a library that does not set it. */
  clear(): void {
    this.bytes.fill(0);
  }

  /** Copies what the library has made, and returns it to the library, whatever the code is. */
  take(code: number, deallocate: (buffer: Bytes) => void): Made {
    if (isNull(this.#view, 0)) {
      return { code, data: NO_BYTES, isMissing: code === GATEWAY_OK };
    }
    const size = sizeOf(this.#view, 0);
    const isTooLarge = size > MAX_DATA_BYTES;
    const data = code === GATEWAY_OK && !isTooLarge ? memory(size) : NO_BYTES;
    if (data.length > 0) copyFrom(this.#view, 0, data as Bytes);
    deallocate(this.bytes);
    if (code !== GATEWAY_OK || !isTooLarge) return { code, data, isMissing: false };
    const refusal = `it made ${size} bytes: ${MAX_DATA_BYTES} at most`;
    return { code: GATEWAY_NOT_OK, data, isMissing: false, refusal };
  }
}
