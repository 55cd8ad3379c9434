// The native module interface [MODULE-ABI]: System V ABI, 64-bit Linux.

/** `struct buffer { void *data; size_t size_in_bytes; }` */
const BUFFER = { struct: ["pointer", "usize"] } as const;

/**
 * `struct device_identification { int module; unsigned device_type; struct buffer device_role;
 * struct buffer device_name; unsigned priority; }`
 */
const DEVICE = { struct: ["i32", "u32", BUFFER, BUFFER, "u32"] } as const;

/** `struct config { struct key_value *parameters; size_t size; }` */
const CONFIG = { struct: ["pointer", "usize"] } as const;

/**
 * Every function of a module this server calls. All that may block are nonblocking: they run on
 * the thread pool of the process. (`allocate` is only called by modules themselves.)
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

/** The names of the functions. */
export type FunctionName = keyof typeof SYMBOLS;
