// Inputs and effects of the module handler for one device: plain data.
import type { GatewayCall, GatewayReturn } from "../module/mod.ts";
import type { Device } from "../protocol/mod.ts";

/** Everything that can happen to a device of a gateway. */
export type Input =
  /** It asks to be connected; the answer carries the number of the request. */
  | { readonly type: "connected"; readonly device: Device; readonly request: number }
  | {
    readonly type: "status";
    readonly device: Device;
    readonly request: number;
    readonly data: Uint8Array;
  }
  | { readonly type: "disconnected"; readonly device: Device }
  /** The cloud has a command for it. */
  | { readonly type: "command"; readonly device: Device; readonly data: Uint8Array }
  /** What came of the call of that number. */
  | { readonly type: "returned"; readonly id: number; readonly outcome: CallResult }
  /** Its current status is asked for, whatever its module says. */
  | { readonly type: "force" }
  /** A deadline may have been reached. */
  | { readonly type: "tick" };

/** What came of a call: what the module returned, or why it did not. */
export type CallResult = GatewayReturn | { readonly failure: string };

/** What the module handler wants done. */
export type Effect =
  /** Call the module; `returned` follows. */
  | {
    readonly type: "call";
    readonly id: number;
    readonly module: number;
    readonly call: GatewayCall;
  }
  | {
    readonly type: "answer_connect";
    readonly device: Device;
    readonly request: number;
    readonly responseType: number;
  }
  /** The answer to a status; an empty command: nothing new. */
  | {
    readonly type: "answer_status";
    readonly device: Device;
    readonly request: number;
    readonly command: Uint8Array;
  }
  /** To the device, which did not ask for it. */
  | { readonly type: "push"; readonly device: Device; readonly command: Uint8Array }
  /** To the cloud. */
  | {
    readonly type: "report";
    readonly device: Device;
    readonly data: Uint8Array;
    readonly why: ReportReason;
  }
  /** It has said nothing for too long: its connection is to be closed. */
  | { readonly type: "dead"; readonly device: Device }
  | {
    readonly type: "dropped";
    readonly what: "connect" | "status" | "command" | "error";
    readonly device: Device;
    readonly reason: DropReason;
    /** In words, with the values. */
    readonly detail: string;
  }
  /** A call that is no reason to drop anything did not succeed; what was there stays. */
  | {
    readonly type: "call_failed";
    readonly device: Device;
    readonly name: GatewayCall["name"];
    readonly detail: string;
  };

/** Why the cloud is told of a status. */
export type ReportReason =
  /** The first one of its device. */
  | "first"
  /** The module says that it is worth it. */
  | "condition"
  /** Nothing was reported for a while. */
  | "timer"
  /** It was asked for. */
  | "forced"
  /** The device has gone: this is its last one. */
  | "disconnected";

/** Why something was dropped. */
export type DropReason =
  | "command_empty"
  | "command_invalid"
  | "command_queue_full"
  | "device_gone"
  | "device_unknown"
  | "module_failed"
  | "module_unknown"
  | "queue_full"
  | "status_invalid";
