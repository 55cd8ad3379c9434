// The external session of a Module Gateway as a value: its states, and its settings.
import type { Device, Status } from "../protocol/mod.ts";
import { allDevices, type DeviceMap, NO_DEVICES } from "./device_map.ts";

/** Gateways in the field; 1.3 does not subscribe to the disconnect notification. */
export const GATEWAY_VERSIONS = ["1.3", "1.4"] as const;

/** See {@linkcode GATEWAY_VERSIONS}. */
export type GatewayVersion = typeof GATEWAY_VERSIONS[number];

/** The gateway's own clocks [GATEWAY-TIMES], in milliseconds. */
export interface GatewayTimes {
  /** For each message of the connect sequence. */
  readonly sequenceMs: number;
  /** For the response to a status. */
  readonly responseMs: number;
  /** Between a connect sequence that failed and the next one. */
  readonly retryMs: number;
  /** Between two looks at the queue of reconnects while no status comes. */
  readonly lookMs: number;
  /** How long nothing is sent after a device has left. */
  readonly leaveMs: number;
  /** How long a gateway that is restarted is away. */
  readonly restartMs: number;
}

/** The real gateway's clocks; the last one is a guess. */
export const GATEWAY_TIMES: GatewayTimes = {
  sequenceMs: 5_000,
  responseMs: 30_000,
  retryMs: 10_000,
  lookMs: 3_000,
  leaveMs: 10_000,
  restartMs: 1_000,
};

/** A module number, and the device types its module supports. */
export interface ServedModule {
  readonly module: number;
  readonly deviceTypes: readonly number[];
}

/** Settings of one gateway's sessions. */
export interface GatewaySettings {
  readonly company: string;
  readonly car: string;
  readonly version: GatewayVersion;
  readonly times: GatewayTimes;
  readonly modules: readonly ServedModule[];
  /**
   * Whether the first broker connection of the gateway's process fails, as that of the real gateway
   * usually does.
   */
  readonly firstLinkFails: boolean;
  /**
   * Whether the driver completes first statuses before each Connect [GATEWAY-PREPARE]. Without that
   * they are empty, as those of other gateways are, unless a status was left without an answer
   * [CONNECT-STATUS-FORWARD].
   */
  readonly prepares: boolean;
  /**
   * Statuses without an answer; with more, reports only update their device's last status. Each
   * report costs time that grows with them.
   */
  readonly maxOpen: number;
}

/** Passed along with every input. */
export interface Environment {
  /** Milliseconds; any clock that does not go back. */
  readonly now: number;
  readonly settings: GatewaySettings;
}

/** A device that has not left. */
export interface KnownDevice {
  readonly device: Device;
  /** What its first status of the next session says. */
  readonly data: Uint8Array;
  readonly errorMessage: Uint8Array;
  /** Whether it is connected in the current session. */
  readonly connected: boolean;
}

/** A status that was sent and has no answer. */
export interface OpenStatus {
  readonly status: Status;
  readonly sentAt: number;
  /** Identifies it for its caller. */
  readonly tag: number | null;
}

/** What a device reports, or that it leaves. */
export interface Report {
  readonly device: Device;
  readonly data: Uint8Array;
  readonly errorMessage: Uint8Array;
  readonly leaves: boolean;
  readonly tag: number | null;
}

/** What outlives a session. */
export interface Base {
  readonly devices: DeviceMap;
  /** Where the next session id comes from. */
  readonly seed: number;
  /** Whether this process of the gateway has tried to connect to the broker. */
  readonly linked: boolean;
}

/** Not started, or stopped. */
export interface Stopped {
  readonly kind: "stopped";
  readonly base: Base;
}

/** The next status begins a connect sequence. */
export interface NotInitialized {
  readonly kind: "not_initialized";
  readonly base: Base;
  /** A reconnect is queued, and looked at by then. */
  readonly lookAt: number | null;
}

/** After a connect sequence that failed: the next one begins on its own. */
export interface NotConnected {
  readonly kind: "not_connected";
  readonly base: Base;
  readonly retryAt: number;
}

/** In the connect sequence, the broker connection included. */
export interface Connecting {
  readonly kind: "connecting";
  readonly base: Base;
  /** What is awaited: the broker, the driver, the ConnectResponse, status responses, first commands. */
  readonly step: "link" | "prepare" | "connect" | "statuses" | "commands";
  /** Empty while the broker is awaited. */
  readonly sessionId: string;
  /** Identities of the devices the Connect named. */
  readonly listed: readonly string[];
  /** When the awaited message has to be there; null while the broker is awaited. */
  readonly by: number | null;
  readonly open: readonly OpenStatus[];
  /** Listed devices whose first command has not come. */
  readonly awaited: readonly string[];
  readonly lastCommand: number | null;
  /** What devices reported since the Connect; sent when the sequence is done. */
  readonly waiting: readonly Report[];
}

/** Normal communication. */
export interface Connected {
  readonly kind: "connected";
  readonly base: Base;
  readonly sessionId: string;
  /** The counter of the next status. */
  readonly counter: number;
  /** Oldest first. */
  readonly open: readonly OpenStatus[];
  /** Bytes of data they hold. */
  readonly openBytes: number;
  readonly lastCommand: number | null;
  /** When a status was sent, or the session began: the queue of reconnects was looked at then. */
  readonly lookedAt: number;
  /** A queued reconnect, done at the next look or after the next status. */
  readonly reconnect:
    | { readonly reason: EndReason; readonly detail: string; readonly at: number }
    | null;
  /** A device has left: nothing is sent until then. */
  readonly silentUntil: number | null;
  /** What devices reported meanwhile. */
  readonly waiting: readonly Report[];
}

/** The state of one gateway. */
export type GatewayState = Stopped | NotInitialized | NotConnected | Connecting | Connected;

/** Why a session, or an attempt at one, ended. */
export type EndReason =
  /** A ConnectResponse in normal communication. */
  | "told_to_reconnect"
  /** The disconnect notification. */
  | "notified"
  | "already_logged"
  | "unexpected_message"
  | "connect_unanswered"
  | "first_status_unanswered"
  | "first_command_missing"
  | "status_unanswered"
  | "unknown_module"
  | "violation"
  | "all_devices_gone"
  | "link_lost"
  | "link_dropped"
  | "restarted"
  | "stopped";

/** Where a gateway stands; those of the connect sequence are its steps. */
export type Phase = Exclude<GatewayState["kind"], "connecting"> | Connecting["step"];

/** Bytes of data that statuses without an answer may hold. */
const MAX_OPEN_BYTES = 256 * 1024 * 1024;
/** Reports kept while nothing may be sent; with more, the oldest become last statuses. */
export const MAX_WAITING = 1_000;
/** The same, in bytes. */
export const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** A gateway that was not started. Sessions of gateways with the same seed have the same ids. */
export function createGateway(seed: number): GatewayState {
  return { kind: "stopped", base: { devices: NO_DEVICES, seed: seed >>> 0, linked: false } };
}

/** Where the gateway stands. */
export function phaseOf(state: GatewayState): Phase {
  return state.kind === "connecting" ? state.step : state.kind;
}

/** Whether a status would not be sent at once though there is a session. */
export function isSaturated(
  { silentUntil, open, openBytes }: Connected,
  { maxOpen }: GatewaySettings,
): boolean {
  return silentUntil !== null || open.length >= maxOpen || openBytes >= MAX_OPEN_BYTES;
}

/** Devices that have not left, in the order in which they came. */
export function knownDevices({ base }: GatewayState): Device[] {
  return [...allDevices(base.devices)].map(({ device }) => device);
}

/** The current session's id; null between sessions. */
export function sessionIdOf(state: GatewayState): string | null {
  if (state.kind === "connected") return state.sessionId;
  return state.kind === "connecting" && state.sessionId !== "" ? state.sessionId : null;
}
