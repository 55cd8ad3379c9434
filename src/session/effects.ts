// Inputs and effects of a session: plain data.
import type {
  CallOutcome,
  ClientMessage,
  Device,
  DisconnectType,
  ModuleCommand,
  ServerMessage,
  Status,
} from "../protocol/mod.ts";
import type { Failure } from "./failure.ts";
import type { SessionSettings } from "./settings.ts";
import type { Session } from "./state.ts";

/** Everything that can happen to a car. */
export type Input =
  /** The broker has accepted the connection; what is published now goes out before SUBSCRIBE. */
  | { readonly type: "broker_connected" }
  /** Subscribed. */
  | { readonly type: "broker_up" }
  /** The connection is about to be replaced, but still works. */
  | { readonly type: "broker_leaving"; readonly detail: string }
  | { readonly type: "broker_lost"; readonly detail: string }
  | { readonly type: "message"; readonly message: ClientMessage }
  /** A payload is not a message of the protocol, or is too large. */
  | { readonly type: "rejected"; readonly why: Rejected; readonly detail: string }
  /** A `connect_device` effect has ended. */
  | {
    readonly type: "device_result";
    readonly epoch: number;
    readonly device: Device;
    readonly outcome: CallOutcome;
  }
  /** A `forward` effect has ended, whatever the module returned. */
  | { readonly type: "forwarded"; readonly epoch: number; readonly counter: number }
  /** A module returned something else than OK; what follows from it comes as another input. */
  | {
    readonly type: "call_failed";
    readonly call: string;
    readonly device: Device;
    readonly outcome: CallOutcome;
  }
  /** `id`: unique, for those who follow the command; absent: nobody does. */
  | {
    readonly type: "command";
    readonly module: number;
    readonly command: ModuleCommand;
    readonly id?: string;
  }
  /** The car has all its contexts. */
  | { readonly type: "modules_ready" }
  | { readonly type: "module_lost"; readonly detail: string }
  /** The environment has new timeouts, limits or modules; company and car stay the same. */
  | { readonly type: "settings" }
  /** An operator restarts the session. */
  | { readonly type: "restart" }
  /** An operator pauses the car, until `resume`. */
  | { readonly type: "pause" }
  | { readonly type: "resume" }
  /** Another process continues the session: leave silently, without module contexts from now on. */
  | { readonly type: "hand_over" }
  /**
   * The session comes from another process, and the car has contexts of its modules here unless the
   * session is offline. `missed` came meanwhile. Without `session`, the present value is that session.
   */
  | {
    readonly type: "take_over";
    readonly session?: Session;
    readonly missed: readonly ClientMessage[];
  }
  /** A deadline may have been reached. */
  | { readonly type: "tick" }
  /**
   * The end. `detail` says why (human-readable) when the car is removed and the server stays; the
   * gateway is then told. A server that stops may be back before its gateways notice.
   */
  | { readonly type: "stop"; readonly detail?: string };

/** What a step gets besides state and input; the state keeps none of it. */
export interface Environment {
  /** The time, in milliseconds of a clock that never goes back. */
  readonly now: number;
  readonly settings: SessionSettings;
}

/** Shared by the functions of one step. */
export interface StepContext extends Environment {
  /** The effects so far, in order; functions append to them. */
  readonly effects: Effect[];
}

/** What a session asks its driver to do. */
export type Effect =
  /** `answers`: the status that a StatusResponse is for. `commandId`: of a module's command. */
  | {
    readonly type: "publish";
    readonly message: ServerMessage;
    readonly answers?: Status;
    readonly commandId?: string;
  }
  /** Publish the disconnect notification. */
  | { readonly type: "notify" }
  /** `device_connected`; answered by a `device_result` of the same epoch. */
  | { readonly type: "connect_device"; readonly epoch: number; readonly device: Device }
  | {
    readonly type: "disconnect_device";
    readonly disconnect: DisconnectType;
    readonly device: Device;
    /** Only if the module has the device by then: `device_connected` may still fail. */
    readonly ifConnected: boolean;
  }
  /**
   * `forward_status`, then `forward_error_message` if not empty; answered by `forwarded`. When
   * `answered`, the gateway will not send the status again, so it is not withdrawn.
   */
  | {
    readonly type: "forward";
    readonly answered: boolean;
    readonly epoch: number;
    readonly counter: number;
    readonly device: Device;
    readonly data: Uint8Array;
    readonly errorMessage: Uint8Array;
  }
  /**
   * Calls of the ended session that have not begun are withdrawn, so that the next session does not
   * wait for them: the gateway keeps what was not answered, and sends it again.
   */
  | { readonly type: "withdraw_calls" }
  /** `command_ack` to the module the command came from. */
  | {
    readonly type: "acknowledge";
    readonly module: number;
    readonly command: ModuleCommand;
    /** Of a command with an id, and its counter. */
    readonly commandId?: string;
    readonly counter?: number;
  }
  /** The module keeps its commands until `release_commands`. */
  | { readonly type: "hold_commands"; readonly module: number }
  | { readonly type: "release_commands"; readonly module: number }
  /** Only informs people: the protocol does not need it. */
  | { readonly type: "note"; readonly note: Note }
  /** A session ended, or a connect sequence failed. */
  | { readonly type: "ended"; readonly failure: Failure };

/** Why a payload was rejected. */
export type Rejected = "malformed" | "too_large";

/** Why a status was not forwarded, though answered [STATUS-UNSERVED]. */
export const NOT_FORWARDED_REASONS = [
  "unknown_module",
  "unsupported_type",
  "device_refused",
  "too_many_devices",
  "device_not_connected",
  "unknown_state",
] as const;

/** See {@linkcode NOT_FORWARDED_REASONS}. */
export type NotForwarded = typeof NOT_FORWARDED_REASONS[number];

/** Why a message was ignored. */
export type Ignored =
  | "no_session"
  | "other_session"
  | "device_not_listed"
  | "counter_handled"
  | "unexpected_here"
  | "no_room"
  | "unknown_counter"
  | "modules_away"
  | "paused"
  | "bad_connect"
  | "other_car";

/** Why a command was not sent. */
export const DROPPED_REASONS = [
  "stale",
  "superseded",
  "device_not_listed",
  "other_module",
  "queue_full",
  "module_removed",
  "expired",
  "replaced",
  "stopped",
] as const;

/** See {@linkcode DROPPED_REASONS}. */
export type Dropped = typeof DROPPED_REASONS[number];

/** What was wrong with a command that was sent anyway. */
export type Doubtful = "other_module" | "device_not_connected" | "empty";

export type Note =
  | { readonly code: "connect_accepted"; readonly devices: number }
  /** A Connect waits, because too many connect sequences have begun before it. */
  | { readonly code: "connect_held"; readonly pauseMs: number }
  | { readonly code: "running"; readonly connected: number; readonly listed: number }
  | { readonly code: "identity_mismatch"; readonly company: string; readonly vehicle: string }
  | { readonly code: "device_connected"; readonly device: Device }
  | { readonly code: "device_disconnected"; readonly device: Device }
  | {
    readonly code: "device_not_connected";
    readonly device: Device;
    readonly why: NotForwarded;
    readonly outcome: CallOutcome | null;
  }
  | { readonly code: "ignored"; readonly why: Ignored; readonly message: ClientMessage }
  | {
    readonly code: "not_forwarded";
    readonly why: NotForwarded;
    readonly device: Device;
    /** The first time in this session for this device and reason. */
    readonly first: boolean;
  }
  | {
    readonly code: "call_failed";
    readonly call: string;
    readonly device: Device;
    readonly outcome: CallOutcome;
  }
  | { readonly code: "rejected"; readonly why: Rejected; readonly detail: string }
  | { readonly code: "counter_restarted"; readonly expected: number; readonly counter: number }
  | {
    readonly code: "command_dropped";
    readonly why: Dropped;
    readonly device: Device;
    readonly count: number;
    /** Of those that have one; absent: none has. */
    readonly commandIds?: readonly string[];
  }
  /** Published commands that were unanswered when their session ended. */
  | {
    readonly code: "commands_unanswered";
    readonly count: number;
    /** Those with an id that the session had published; absent: none has. */
    readonly left?: readonly LeftCommand[];
  }
  | { readonly code: "command_doubtful"; readonly why: Doubtful; readonly device: Device }
  | {
    readonly code: "command_refused";
    readonly device: Device;
    readonly responseType: number;
    readonly counter: number;
    readonly commandId?: string;
  };

/** A published command whose session ended before it was settled. */
export interface LeftCommand {
  readonly commandId: string;
  readonly counter: number;
  readonly device: Device;
  /** The type of its response; `null`: none has come. */
  readonly response: number | null;
  /** Whether it waits to be sent again. */
  readonly again: boolean;
}
