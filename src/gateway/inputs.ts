// Inputs and effects of a gateway's session: plain data.
import type { ClientMessage, Command, Device, ServerMessage } from "../protocol/mod.ts";
import type { EndReason, OpenStatus, Phase } from "./state.ts";

/** Everything that can happen to a gateway. */
export type Input =
  | { readonly type: "start" }
  /** Permanently, unless it is started again. */
  | { readonly type: "stop" }
  /** Connected to the broker and subscribed. */
  | { readonly type: "link_up" }
  /** The broker was lost, or could not be reached. */
  | { readonly type: "link_down"; readonly detail: string }
  | { readonly type: "message"; readonly message: ServerMessage }
  /** Bytes that are not a message of the protocol. */
  | { readonly type: "malformed"; readonly detail: string }
  /** The disconnect notification. */
  | { readonly type: "notified" }
  /** A device reports something; an unknown one joins. */
  | {
    readonly type: "status" | "leave";
    readonly device: Device;
    readonly data: Uint8Array;
    readonly errorMessage: Uint8Array;
    readonly tag: number | null;
  }
  /** The current status of a device, for `prepare`; counts if its last one is not known. */
  | { readonly type: "forced"; readonly device: Device; readonly data: Uint8Array }
  /** Statuses that were to be folded were. */
  | { readonly type: "error_message"; readonly device: Device; readonly errorMessage: Uint8Array }
  /** What `prepare` asked for is done. */
  | { readonly type: "prepared" }
  /** The gateway's process ends and comes back. */
  | { readonly type: "restart" }
  /** The network fails. */
  | { readonly type: "drop_link" }
  /** A deadline may have been reached. */
  | { readonly type: "tick" };

/** What a gateway asks its driver to do. */
export type Effect =
  /** Connect to the broker and subscribe; `link_up` or `link_down` follows. */
  | { readonly type: "open_link" }
  /** Leave the broker; no `link_down` follows. */
  | { readonly type: "close_link" }
  | {
    readonly type: "send";
    readonly message: ClientMessage;
    /** Whether it belongs to a connect sequence. */
    readonly inSequence: boolean;
    readonly tag: number | null;
  }
  /** Before the Connect, where `prepares` is set: `forced` statuses, then `prepared` follow. */
  | { readonly type: "prepare" }
  /** Where `prepares` is set: a status that was not sent; an `error_message` may follow. */
  | { readonly type: "fold"; readonly device: Device; readonly data: Uint8Array }
  /** Where `prepares` is set: a device has left. */
  | { readonly type: "forgotten"; readonly device: Device }
  /** A command for a device; its response, of this type, comes next. */
  | { readonly type: "command"; readonly command: Command; readonly responseType: number }
  | { readonly type: "answered"; readonly open: OpenStatus; readonly inSequence: boolean }
  /** A status that is not sent: it is the device's last one, for the next session. */
  | { readonly type: "kept"; readonly tag: number | null }
  | { readonly type: "running"; readonly sessionId: string }
  | { readonly type: "link_failed"; readonly detail: string }
  | {
    readonly type: "violation";
    readonly kind: ViolationKind;
    readonly sessionId: string;
    readonly phase: Phase;
    /** Human-readable, with the values. */
    readonly detail: string;
  }
  | {
    readonly type: "ended";
    readonly sessionId: string;
    readonly reason: EndReason;
    readonly detail: string;
    /** Whether the session had reached normal communication. */
    readonly hadRun: boolean;
    readonly unanswered: readonly OpenStatus[];
  };

/** A rule of the protocol the server has broken. */
export type ViolationKind =
  | "malformed"
  | "foreign_session"
  | "unexpected_connect_response"
  | "unexpected_status_response"
  | "unexpected_command"
  | "command_counter";
