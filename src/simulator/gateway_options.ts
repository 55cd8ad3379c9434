// Options of simulated gateways, and their defaults.
import {
  GATEWAY_TIMES,
  type GatewayBroker,
  type GatewaySettings,
  type GatewayTimes,
  type GatewayVersion,
  type ServedModule,
} from "../gateway/mod.ts";
import type { Command, Device } from "../protocol/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import { asBytes, exampleStatuses, makeDevices } from "./devices.ts";
import { type Misbehavior, WELL_BEHAVED } from "./misbehavior.ts";
import { GatewayStats } from "./stats.ts";
import type { StatusLoad } from "./traffic.ts";

/** A gateway's own clocks, and those of its devices, in milliseconds. */
export interface GatewayClocks extends GatewayTimes {
  /** The longest silence of a device. */
  readonly keepAliveMs: number;
}

/** The real gateway's [GATEWAY-TIMES]. */
export const GATEWAY_CLOCKS: GatewayClocks = { ...GATEWAY_TIMES, keepAliveMs: 15_000 };

/** Which commands are answered automatically: all, those of the connect sequence, none. */
export type AnswerPolicy = "always" | "connecting" | "never";

/** {@linkcode GatewayOptions} with nothing left out. */
export interface SimulationOptions {
  readonly settings: GatewaySettings;
  /** At the start; more may join. */
  readonly devices: readonly Device[];
  readonly load?: StatusLoad | undefined;
  readonly keepAliveMs: number;
  readonly payload: (device: Device, counter: number) => Uint8Array;
  /** Empty: none. */
  readonly errorMessage: Uint8Array;
  readonly freshFirstStatuses: boolean;
  readonly answers: AnswerPolicy;
  readonly answerType?: ((command: Command) => number) | undefined;
  readonly misbehavior: Misbehavior;
  /** 0: never. */
  readonly reconnectEveryMs: number;
  readonly seed: number;
  /** Session ids depend on it. */
  readonly sessionSeed: number;
  readonly stats: GatewayStats;
}

/** The data of automatic statuses: a size in bytes, a text, or bytes. */
export type Payload =
  | number
  | string
  | Uint8Array
  | ((device: Device, counter: number) => Uint8Array);

/** Options of a gateway; only the first three are required. */
export interface GatewayOptions {
  readonly company: string;
  readonly car: string;
  readonly broker: GatewayBroker;
  /** @default {`<company>/<car>`, as the real gateway} */
  readonly clientId?: string;
  /** Which version of the real gateway it is. @default {"1.4"} */
  readonly gateway?: GatewayVersion;
  /** Whether its first broker connection fails, as the real one's usually does. @default {false} */
  readonly firstConnectionFails?: boolean;
  /** The devices, or how many of them. @default {1} */
  readonly devices?: number | readonly Device[];
  /** Modules of the devices when only their number is given. @default {[1000]} */
  readonly modules?: readonly number[];
  /** Types of the devices when only their number is given. @default {[0]} */
  readonly deviceTypes?: readonly number[];
  /** Statuses a second over all devices; 0: as fast as the window allows. Absent: none. */
  readonly rate?: number;
  /** Unanswered statuses at which no further one is sent. @default {1 if rate is 0, else 100} */
  readonly window?: number;
  /** @default {"{}"} */
  readonly payload?: Payload;
  /** Goes with every status sent without being asked. @default {none} */
  readonly errorMessage?: string | Uint8Array;
  /**
   * Whether the first statuses of every session carry a payload. Those of the real gateway are
   * empty from the second session on, or repeat what was left without an answer. @default {false}
   */
  readonly freshFirstStatuses?: boolean;
  /** Which commands are answered at once. @default {"always"} */
  readonly answers?: AnswerPolicy;
  /** The type of every answer. @default {what the devices' state says} */
  readonly answerType?: number | ((command: Command) => number);
  /** What goes wrong on purpose. @default {nothing} */
  readonly misbehavior?: Partial<Misbehavior>;
  /** A new session id so often, in milliseconds. @default {0, never} */
  readonly reconnectEveryMs?: number;
  /** The gateway's own clocks, for tests that cannot wait. @default {those of [GATEWAY-TIMES]} */
  readonly clocks?: Partial<GatewayClocks>;
  /** Everything random depends on it, session ids excepted. @default {1} */
  readonly seed?: number;
  /** Counts into this one, which gateways may share. @default {its own} */
  readonly stats?: GatewayStats;
  /** Commands kept for `nextCommand`; the oldest are forgotten. @default {1000} */
  readonly keptCommands?: number;
  readonly clock?: Clock;
}

const DEFAULT_WINDOW = 100;
/** More than any window of a load. */
const MAX_OPEN = 100_000;

function payloadSource(payload: Payload): (device: Device, counter: number) => Uint8Array {
  if (typeof payload === "function") return payload;
  if (typeof payload === "number") return exampleStatuses(payload);
  const bytes = asBytes(payload);
  return () => bytes;
}

/** Modules with the types of these devices. */
export function servedModules(devices: readonly Device[]): ServedModule[] {
  const types = new Map<number, Set<number>>();
  for (const { module, deviceType } of devices) {
    const known = types.get(module) ?? new Set();
    types.set(module, known.add(deviceType));
  }
  return [...types].map(([module, deviceTypes]) => ({ module, deviceTypes: [...deviceTypes] }));
}

/** Fills in defaults. */
export function simulationOptions(options: GatewayOptions): SimulationOptions {
  const { modules, deviceTypes, rate, answerType, errorMessage = "" } = options;
  const { devices: given = 1 } = options;
  const devices = typeof given === "number" ? makeDevices(given, modules, deviceTypes) : given;
  const { keepAliveMs, ...times } = { ...GATEWAY_CLOCKS, ...options.clocks };
  return {
    settings: {
      company: options.company,
      car: options.car,
      version: options.gateway ?? "1.4",
      times,
      modules: servedModules(devices),
      firstLinkFails: options.firstConnectionFails ?? false,
      prepares: false,
      maxOpen: MAX_OPEN,
    },
    devices,
    keepAliveMs,
    load: rate === undefined
      ? undefined
      : { rate, window: options.window ?? (rate === 0 ? 1 : DEFAULT_WINDOW) },
    payload: payloadSource(options.payload ?? "{}"),
    errorMessage: asBytes(errorMessage),
    freshFirstStatuses: options.freshFirstStatuses ?? false,
    answers: options.answers ?? "always",
    answerType: typeof answerType === "number" ? () => answerType : answerType,
    misbehavior: { ...WELL_BEHAVED, ...options.misbehavior },
    reconnectEveryMs: options.reconnectEveryMs ?? 0,
    seed: options.seed ?? 1,
    sessionSeed: crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
    stats: options.stats ?? new GatewayStats(),
  };
}

/** The clock a gateway runs on. */
export function clockOf(options: GatewayOptions): Clock {
  return options.clock ?? systemClock;
}
