// What a simulated gateway is made from, and what it is when nothing is said.
import type { Command, Device } from "../protocol/messages.ts";
import { type Clock, systemClock } from "../time/clock.ts";
import { asBytes, filledPayload, makeDevices } from "./devices.ts";
import type { GatewayBroker } from "./gateway_link.ts";
import { type Misbehavior, WELL_BEHAVED } from "./misbehavior.ts";
import {
  type AnswerPolicy,
  GATEWAY_CLOCKS,
  type GatewayClocks,
  type SessionOptions,
} from "./session_types.ts";
import { GatewayStats } from "./stats.ts";

/** What a status carries that is sent without being asked: a size in bytes, a text, or whatever. */
export type Payload =
  | number
  | string
  | Uint8Array
  | ((device: Device, counter: number) => Uint8Array);

/** Everything that can be said about a gateway; only the first three must be. */
export interface GatewayOptions {
  readonly company: string;
  readonly car: string;
  readonly broker: GatewayBroker;
  /** @default {`<company>/<car>`, as the real gateway} */
  readonly clientId?: string;
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
  /** Which commands are answered at once. @default {"always"} */
  readonly answers?: AnswerPolicy;
  /** The type of every answer. @default {what the devices' state says} */
  readonly answerType?: number | ((command: Command) => number);
  /** What goes wrong on purpose. @default {nothing} */
  readonly misbehavior?: Partial<Misbehavior>;
  /** A new session id so often, in milliseconds. @default {0, never} */
  readonly reconnectEveryMs?: number;
  /** The gateway's own clocks, for tests that cannot wait. @default {those of section 4.5} */
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

function payloadSource(payload: Payload): (device: Device, counter: number) => Uint8Array {
  if (typeof payload === "function") return payload;
  const bytes = typeof payload === "number" ? filledPayload(payload) : asBytes(payload);
  return () => bytes;
}

/** Fills in what was not said. */
export function sessionOptions(options: GatewayOptions): SessionOptions {
  const { devices = 1, modules, deviceTypes, rate, answerType, errorMessage = "" } = options;
  return {
    company: options.company,
    car: options.car,
    devices: typeof devices === "number" ? makeDevices(devices, modules, deviceTypes) : devices,
    clocks: { ...GATEWAY_CLOCKS, ...options.clocks },
    load: rate === undefined
      ? undefined
      : { rate, window: options.window ?? (rate === 0 ? 1 : DEFAULT_WINDOW) },
    payload: payloadSource(options.payload ?? "{}"),
    errorMessage: asBytes(errorMessage),
    answers: options.answers ?? "always",
    answerType: typeof answerType === "number" ? () => answerType : answerType,
    misbehavior: { ...WELL_BEHAVED, ...options.misbehavior },
    reconnectEveryMs: options.reconnectEveryMs ?? 0,
    seed: options.seed ?? 1,
    stats: options.stats ?? new GatewayStats(),
    newSessionId: () => crypto.randomUUID(),
  };
}

/** The clock a gateway runs on. */
export function clockOf(options: GatewayOptions): Clock {
  return options.clock ?? systemClock;
}
