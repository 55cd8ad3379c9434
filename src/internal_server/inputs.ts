// Inputs and effects of an internal server: plain data.
import type { Device, DeviceMessage, GatewayMessage } from "../protocol/mod.ts";

/**
 * Everything that can happen to an internal server. A connection is known by the number its driver
 * gives it: small, and used again only after the connection is gone.
 */
export type Input =
  | { readonly type: "accepted"; readonly connection: number }
  | {
    readonly type: "received";
    readonly connection: number;
    readonly message: DeviceMessage;
    /** Of a Connect: why its token does not admit the device; absent when it does, or need not. */
    readonly denial?: string;
  }
  /** More bytes came, but the frame they belong to is not whole; `bytes` of it are there. */
  | { readonly type: "partial"; readonly connection: number; readonly bytes: number }
  /** Bytes that are no frame, or no message. */
  | { readonly type: "malformed"; readonly connection: number; readonly detail: string }
  /** The device does not read: so many bytes wait for it. */
  | { readonly type: "unsent"; readonly connection: number; readonly bytes: number }
  /** By the device or the network; `error` is null when it was in order. */
  | { readonly type: "closed"; readonly connection: number; readonly error: string | null }
  /** The module handler answers the `connected` of that number. */
  | {
    readonly type: "answer_connect";
    readonly request: number;
    readonly device: Device;
    readonly responseType: number;
  }
  /** The module handler answers the `status` of that number; an empty command: nothing new. */
  | {
    readonly type: "answer_status";
    readonly request: number;
    readonly device: Device;
    readonly command: Uint8Array;
  }
  /** A command that the device did not ask for. */
  | { readonly type: "push"; readonly device: Device; readonly command: Uint8Array }
  /** The device has said nothing for too long. */
  | { readonly type: "dead"; readonly device: Device }
  /** A deadline may have been reached. */
  | { readonly type: "tick" }
  | { readonly type: "stop" };

/** Why a connection was closed. */
export type CloseReason =
  | "already_connected"
  | "answer_timeout"
  | "connected_twice"
  | "connection_limit"
  | "dead"
  | "foreign_device"
  | "frame_timeout"
  | "higher_priority_connected"
  | "malformed"
  | "memory_limit"
  | "network_error"
  | "no_connect"
  | "not_authorized"
  | "not_connected"
  | "peer_closed"
  | "refused"
  | "replaced"
  | "stopped"
  | "unread_answers";

/** What an internal server wants done. */
export type Effect =
  | {
    readonly type: "send";
    readonly connection: number;
    /** In a segment of its own. */
    readonly message: GatewayMessage;
  }
  | {
    readonly type: "close";
    readonly connection: number;
    readonly device: Device | null;
    readonly reason: CloseReason;
    /** In words, with the values. */
    readonly detail: string;
    /** `sent`: half-close when all is sent, and discard what comes; a `drop` follows. */
    readonly when: "now" | "sent";
  }
  /** Close at once what was to be closed when all was sent. */
  | { readonly type: "drop"; readonly connection: number }
  /** To the module handler: may this device connect? */
  | { readonly type: "connected"; readonly request: number; readonly device: Device }
  /** To the module handler: what is the command for this status? */
  | {
    readonly type: "status";
    readonly request: number;
    readonly device: Device;
    readonly data: Uint8Array;
  }
  /** To the module handler: a device it was told of, and did not refuse, has gone. */
  | { readonly type: "disconnected"; readonly device: Device }
  /** The module of this device took too long. */
  | { readonly type: "slow_answer"; readonly device: Device; readonly waitedMs: number }
  /** An answer nobody waits for any more; it is not sent. */
  | { readonly type: "late_answer"; readonly device: Device }
  /** A command that the device did not ask for, and will not get. */
  | { readonly type: "dropped_command"; readonly device: Device; readonly detail: string };
