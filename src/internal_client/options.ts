// The options of a client, checked.
import type { Device } from "../protocol/mod.ts";

/** Where the gateway listens, and which device this is. */
export interface ConnectOptions {
  /** Name or address of the gateway. @default {"127.0.0.1"} */
  readonly host?: string;
  /** 1 to 65,535. */
  readonly port: number;
  /** Number of the module that the device belongs to; 0 to 2,147,483,647. */
  readonly module: number;
  /** Type of the device, as the module defines it; uint32. */
  readonly type: number;
  /** What the device does in the car; with module and type, its identity. */
  readonly role: string;
  /** Human-readable. */
  readonly name: string;
  /** 0 is the highest; a device of the same identity and a lower number takes over. @default {0} */
  readonly priority?: number;
  /**
   * For the whole of connecting: name, TCP, the gateway's answer; milliseconds. With
   * `reconnect: "forever"` also for all attempts, and without it there is no limit.
   *
   * @default {1000}
   */
  readonly timeoutMs?: number;
  /**
   * What follows when the connection fails. `"once"`: the next status, or the one that is under way,
   * tries one new connection; if that fails, too, the client ends. `"forever"`: a new connection is
   * tried until there is one, with growing pauses. A refusal of the gateway ends the client in both
   * cases, but for {@linkcode takeoverMs}.
   *
   * @default {"once"}
   */
  readonly reconnect?: "once" | "forever";
  /**
   * With `"forever"`: how long `AlreadyConnected` is taken for the gateway's memory of the client's own lost
   * connection, in milliseconds. @default {10000}
   */
  readonly takeoverMs?: number;
  /** How many unsolicited commands are kept; the oldest makes room. @default {64} */
  readonly maxCommands?: number;
  /** What the device proves its identity with, where the gateway expects that. */
  readonly token?: string;
  /** TLS, for gateways that have it; `true` trusts what the runtime trusts. @default {false} */
  readonly tls?: boolean | ClientTlsOptions;
  /** Ends connecting. Has no effect later. */
  readonly signal?: AbortSignal;
}

/** TLS of a client. */
export interface ClientTlsOptions {
  /** Authorities to trust instead, as PEM text. */
  readonly ca?: string;
  /** The name in the gateway's certificate. @default {the host} */
  readonly serverName?: string;
}

/** Options with all defaults. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly device: Device;
  readonly token: string | null;
  /** `null`: no TLS. */
  readonly tls: ClientTlsOptions | null;
  readonly connectTimeoutMs: number;
  readonly reconnect: "once" | "forever";
  readonly takeoverMs: number;
  readonly maxCommands: number;
}

/** How long connecting, and a new connection for a status, may take by default. */
export const CONNECT_TIMEOUT_MS = 1000;
const UINT32_MAX = 0xffff_ffff;
/** The module's number is an enum of the protocol: what is larger would come back as a negative one. */
const INT32_MAX = 0x7fff_ffff;
/** As long as names may be in the Fleet Protocol, in characters. */
const MAX_NAME = 1024;

/** @throws {RangeError} that names the option and its value. */
export function settingsOf(options: ConnectOptions): Settings {
  if (!isObject(options)) throw new RangeError(`Cannot use options ${options}: expected an object`);
  const { host = "127.0.0.1", reconnect = "once" } = options;
  if (typeof host !== "string" || host === "") {
    throw new RangeError(`Cannot use host "${host}": expected a name or an address`);
  }
  if (reconnect !== "once" && reconnect !== "forever") {
    throw new RangeError(`Cannot use reconnect "${reconnect}": expected "once" or "forever"`);
  }
  const timeoutMs = options.timeoutMs ??
    (reconnect === "once" ? CONNECT_TIMEOUT_MS : Number.POSITIVE_INFINITY);
  if (options.timeoutMs !== undefined) checkTimeout(timeoutMs);
  checkSignal(options.signal);
  return {
    host,
    port: whole("port", options.port, 1, 65_535),
    device: {
      module: whole("module", options.module, 0, INT32_MAX),
      deviceType: whole("type", options.type, 0, UINT32_MAX),
      deviceRole: text("role", options.role),
      deviceName: text("name", options.name),
      priority: whole("priority", options.priority ?? 0, 0, UINT32_MAX),
    },
    token: options.token === undefined ? null : filled("token", text("token", options.token)),
    tls: tlsOf(options.tls),
    connectTimeoutMs: timeoutMs,
    reconnect,
    takeoverMs: whole("takeoverMs", options.takeoverMs ?? 10_000, 0, Number.MAX_SAFE_INTEGER),
    maxCommands: whole("maxCommands", options.maxCommands ?? 64, 1, 1_000_000),
  };
}

function tlsOf(tls: ConnectOptions["tls"]): ClientTlsOptions | null {
  if (tls === undefined || tls === false) return null;
  if (tls === true) return {};
  if (!isObject(tls)) {
    throw new RangeError(`Cannot use tls ${tls}: expected an object or a boolean`);
  }
  return {
    ...(tls.ca === undefined ? {} : { ca: filled("tls.ca", tls.ca) }),
    ...(tls.serverName === undefined
      ? {}
      : { serverName: filled("tls.serverName", tls.serverName) }),
  };
}

function filled(name: string, value: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new RangeError(`Cannot use ${name}: expected a string that is not empty`);
}

/** @throws {RangeError} unless it is a positive number of milliseconds. */
export function checkTimeout(timeoutMs: number): void {
  if (timeoutMs > 0 && timeoutMs <= 0x7fff_ffff) return;
  throw new RangeError(
    `Cannot use timeoutMs ${timeoutMs}: expected more than 0 and at most ${0x7fff_ffff} milliseconds`,
  );
}

/** @throws {RangeError} unless it is a signal, or absent. */
export function checkSignal(signal: AbortSignal | undefined): void {
  // Not by its class: signals of another realm, and those of a library, are as good.
  if (signal === undefined || isObject(signal) && typeof signal.throwIfAborted === "function") {
    return;
  }
  throw new RangeError(`Cannot use signal: expected an AbortSignal: got ${typeof signal}`);
}

/** @throws {RangeError} unless it is a whole number within the limits. */
export function whole(name: string, value: number, min: number, max: number): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(
    `Cannot use ${name} ${value}: expected a whole number from ${min} to ${max}`,
  );
}

function text(name: string, value: string): string {
  if (typeof value === "string" && value.length <= MAX_NAME) return value;
  const found = typeof value === "string" ? `${value.length} characters` : typeof value;
  throw new RangeError(
    `Cannot use ${name}: expected a string of at most ${MAX_NAME} characters: got ${found}`,
  );
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
