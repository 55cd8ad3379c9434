// What an internal server is told once: rules that are a choice, and limits.
import type { Device } from "../protocol/mod.ts";

/**
 * What becomes of a device that connects while a connection of the same identity and priority is
 * registered. `strict`: it is refused. `probe`: it takes over if the registered one has been silent.
 */
export type Takeover = "strict" | "probe";

/**
 * When a device gets a command that it did not ask for. `always`: at once. `between`: not while a
 * status of the device is being answered, but right after. `never`: in place of the next answer that
 * would be empty, for clients that take every command for an answer.
 */
export type PushMode = "always" | "between" | "never";

/** Limits of an internal server. */
export interface InternalServerLimits {
  /** How long a connection may be open without a Connect. */
  readonly connectMs: number;
  /** How long a frame that has begun may take to be whole. */
  readonly frameMs: number;
  /** How long the module handler may take for an answer. */
  readonly answerMs: number;
  /** With `probe`: how long a connection has to be silent to be replaced. */
  readonly silentMs: number;
  /** How long a refused device may take to read its answer and close. */
  readonly closeMs: number;
  /** Maximum length of a message. */
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** Of all connections together: frames that have begun, and statuses that have no answer. */
  readonly maxHeldBytes: number;
  /** Of one connection: what the device has not read. */
  readonly maxUnsentBytes: number;
  /** Commands held back for one device; the oldest makes room. */
  readonly maxHeldCommands: number;
}

/** Defaults; those that the protocol has are the reference gateway's. */
export const INTERNAL_SERVER_LIMITS: InternalServerLimits = {
  connectMs: 10_000,
  frameMs: 5_000,
  answerMs: 250,
  silentMs: 2_000,
  closeMs: 1_000,
  maxMessageBytes: 1024 * 1024,
  maxConnections: 4_096,
  maxHeldBytes: 64 * 1024 * 1024,
  maxUnsentBytes: 4 * 1024 * 1024,
  maxHeldCommands: 3,
};

/** Settings of one internal server; a plain value. */
export interface InternalServerSettings {
  readonly takeover: Takeover;
  /** For types of devices that {@linkcode pushOf} does not name. */
  readonly push: PushMode;
  /** By `module/type`, as in `1000/7`. */
  readonly pushOf: Readonly<Record<string, PushMode>>;
  /**
   * The SHA-256 of each device's token, `sha256:` and hexadecimal digits, by `module/type/role`; a
   * device that is not named here is refused. `null`: tokens are ignored.
   */
  readonly tokens: Readonly<Record<string, string>> | null;
  readonly limits: InternalServerLimits;
}

/** The reference gateway's rules where there is a choice. */
export const INTERNAL_SERVER_SETTINGS: InternalServerSettings = {
  takeover: "strict",
  push: "between",
  pushOf: {},
  tokens: null,
  limits: INTERNAL_SERVER_LIMITS,
};

/** When a device gets commands that it did not ask for. */
export function pushModeOf(
  { module, deviceType }: Device,
  { push, pushOf }: InternalServerSettings,
): PushMode {
  return pushOf[`${module}/${deviceType}`] ?? push;
}
