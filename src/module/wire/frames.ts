// The frames between the server and a module host: what each of them says.
//
// A frame is a header of 8 bytes, little-endian, and a payload:
//
//   u32 length of what follows | u8 kind | u8 argument | u16 context | payload

import type { Script, ScriptPermissions } from "../../script/mod.ts";

/** Kinds of frames: up to 31 from the server to the host, from 32 the other way. */
export const FrameKind = {
  /** Make a context; payload: `CreateRequest` as JSON. Answered with CREATED or CREATE_FAILED. */
  CREATE: 1,
  /** Destroy a context; payload: u32, the deadline in milliseconds. */
  DESTROY: 2,
  HOLD_COMMANDS: 3,
  RELEASE_COMMANDS: 4,
  /** Answered with PONG, to detect a host whose event loop is stuck. */
  PING: 5,
  /** Ends calls that have not begun and {@linkcode mayWithdraw} names as `withdrawn`, in their turn. */
  WITHDRAW_CALLS: 6,
  /**
   * The calls; payload: device and data. The argument of DISCONNECT_DEVICE is its type, perhaps
   * with {@linkcode IF_CONNECTED}; that of statuses and their errors is 1 when they have been
   * answered.
   */
  CONNECT_DEVICE: 8,
  DISCONNECT_DEVICE: 9,
  FORWARD_STATUS: 10,
  FORWARD_ERROR_MESSAGE: 11,
  ACKNOWLEDGE_COMMAND: 12,
  /** A call too large for a frame: is not made, and ends as `not_ok` in its turn. */
  REFUSED_CALL: 13,
  /**
   * A call of a gateway: see gateway_frames.ts. Its host has one module, made by CREATE as its only
   * context, makes one call after the other, and answers WITHDRAW_CALLS with WITHDRAWN.
   */
  GATEWAY_CALL: 14,

  CREATED: 32,
  /** Argument: index of the kind in `LOAD_ERROR_KINDS`; payload: what is wrong, as text. */
  CREATE_FAILED: 33,
  /** A call has returned; argument: index of its outcome; payload: u32, its duration in microseconds. */
  DONE: 34,
  /** The module has a command; payload: device and data. */
  COMMAND: 35,
  /** Destroying has ended; argument: 1 when the context could not be destroyed. */
  DESTROYED: 36,
  /** Such a context is destroyed now: its place is free. */
  FREED: 37,
  /** A call executes for too long; payload: u32, for how many milliseconds; the C function, as text. */
  OVERDUE: 38,
  /** Something to log; payload: text. */
  NOTICE: 39,
  /** Payload: u32, the resident memory of the process in KiB. */
  PONG: 40,
  /** The library of a context that is being made is loaded and complete. */
  LOADED: 41,
  /** The oldest call of a gateway has returned; see gateway_frames.ts. */
  GATEWAY_RETURN: 42,
  /** Payload: u32, how many of a gateway's calls, the last ones, will not be made. */
  WITHDRAWN: 43,
  /** The module of a context cannot go on, and the host is about to end; payload: why, as text. */
  FAILED: 44,
} as const;
/** See {@linkcode FrameKind}. */
export type FrameKind = typeof FrameKind[keyof typeof FrameKind];

/** In the argument of DISCONNECT_DEVICE: only if the module has the device by then. */
export const IF_CONNECTED = 0x80;

/** Whether a call that has not begun may be withdrawn, as the gateway will repeat it. */
export function mayWithdraw(kind: number, argument: number): boolean {
  return kind === FrameKind.CONNECT_DEVICE ||
    (kind === FrameKind.FORWARD_STATUS || kind === FrameKind.FORWARD_ERROR_MESSAGE) &&
      argument === 0;
}

/** A module in TypeScript or JavaScript, and what it may do. */
export interface ScriptRequest {
  readonly script?: Script;
  /** @default {none} */
  readonly permissions?: ScriptPermissions;
}

/** Payload of CREATE to the host of a gateway. */
export interface LoadRequest extends ScriptRequest {
  readonly module: number;
  readonly libPath: string;
}

/** Payload of CREATE. */
export interface CreateRequest extends LoadRequest {
  readonly parameters: readonly (readonly [key: string, value: string])[];
  readonly waitTimeoutMs: number;
  /** The purpose; the two trials leave no context behind. */
  readonly purpose: CreatePurpose;
}

/**
 * A `context` to be used; or a trial: `load` the library and check it, or also `init` a context and
 * destroy it, without asking it for commands.
 */
export type CreatePurpose = "context" | "load" | "init";

/** The header of a frame, its length field included. */
export const HEADER_BYTES = 8;
/** The data of one status, error message or command, in bytes. */
export const MAX_DATA_BYTES = 16 * 1024 * 1024;
/** A whole frame without its length field: header, the device's role and name, data. */
export const MAX_FRAME_BYTES = MAX_DATA_BYTES + 64 * 1024;
