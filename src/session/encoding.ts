// Encodes sessions, so that another process can continue them: a version, then values without names
// in the order of the tables below. Times are written as ages, as the clocks of two machines differ.
import { Buffer } from "node:buffer";
import type { Connect, Device, ModuleCommand, Status } from "../protocol/mod.ts";
import type { CommandStore, SentCommand, WaitingCommand } from "./command_order.ts";
import type { ConnectRate } from "./connect_rate.ts";
import { type Queue, queueOf, values } from "./queue.ts";
import type { Reading } from "./backpressure.ts";
import type {
  AwaitingResponses,
  AwaitingStatuses,
  Base,
  Connecting,
  ConnectingDevices,
  Offline,
  Running,
  Session,
  Stopped,
  Waiting,
} from "./state.ts";
import type { BegunStatus, StatusOrder } from "./status_order.ts";

/** The version of the format. */
export const SESSION_FORMAT = 1;

/** The bytes are not a session, or one in a newer format. */
export class SessionFormatError extends Error {
  override readonly name = "SessionFormatError";
}

type Json = null | boolean | number | string | readonly Json[];

/** How one type of value is written and read; `now` turns times into ages and back. */
interface Format<T> {
  write(value: T, now: number): Json;
  read(json: Json, now: number): T;
}

function wrong(expected: string): never {
  throw new SessionFormatError(`Cannot read a session: expected ${expected}`);
}

function plain<T extends Json>(expected: string, is: (json: Json) => json is T): Format<T> {
  return { write: (value) => value, read: (json) => is(json) ? json : wrong(expected) };
}

const number = plain("a number", (json) => typeof json === "number");
const text = plain("a string", (json) => typeof json === "string");
const flag = plain("true or false", (json) => typeof json === "boolean");

const bytes: Format<Uint8Array> = {
  write: (value) => Buffer.from(value).toString("base64"),
  read: (json, now) => new Uint8Array(Buffer.from(text.read(json, now), "base64")),
};

/** A time, as an age in milliseconds with three decimals. */
const moment: Format<number> = {
  write: (value, now) => Math.round((now - value) * 1000) / 1000,
  read: (json, now) => now - number.read(json, now),
};

function nullable<T>({ write, read }: Format<T>): Format<T | null> {
  return {
    write: (value, now) => value === null ? null : write(value, now),
    read: (json, now) => json === null ? null : read(json, now),
  };
}

function word<W extends string>(...words: readonly W[]): Format<W> {
  return {
    write: (value) => words.indexOf(value),
    read: (json, now) => words[number.read(json, now)] ?? wrong(`one of ${words.join(", ")}`),
  };
}

function list<T>({ write, read }: Format<T>): Format<readonly T[]> {
  return {
    write: (items, now) => items.map((item) => write(item, now)),
    read: (json, now) =>
      Array.isArray(json) ? json.map((item: Json) => read(item, now)) : wrong("a list"),
  };
}

function queue<T>(item: Format<T>): Format<Queue<T>> {
  const items = list(item);
  return {
    write: (value, now) => items.write(values(value), now),
    read: (json, now) => queueOf(items.read(json, now)),
  };
}

/** Every field in the order of the table; one that is missing there does not compile. */
type Fields<T> = { readonly [Name in keyof T]-?: Format<Exclude<T[Name], undefined>> };

function record<T extends object>(fields: Fields<T>): Format<T> {
  const entries = Object.entries(fields) as [keyof T, Format<unknown>][];
  return {
    write: (value, now) =>
      entries.map(([name, { write }]) =>
        value[name] === undefined ? null : write(value[name], now)
      ),
    read(json, now) {
      if (!Array.isArray(json) || json.length !== entries.length) {
        return wrong(`${entries.length} values`);
      }
      const found = entries.map(([name, { read }], index) => [name, read(json[index], now)]);
      return Object.fromEntries(found.filter(([, value]) => value !== undefined)) as T;
    },
  };
}

/** A field that may be absent, which is not the same as `null`. */
function optional<T>({ write, read }: Format<T>): Format<T> {
  return { write, read: (json, now) => json === null ? undefined as T : read(json, now) };
}

/** Records discriminated by the value of `tag`. */
function union<T extends object, Tag extends keyof T>(
  tag: Tag,
  kinds: {
    readonly [Kind in T[Tag] & string]: Format<Omit<T & { readonly [K in Tag]: Kind }, Tag>>;
  },
): Format<T> {
  const names = Object.keys(kinds) as (T[Tag] & string)[];
  const formats = kinds as unknown as Readonly<Record<string, Format<object>>>;
  return {
    write(value, now) {
      const kind = value[tag] as T[Tag] & string;
      return [names.indexOf(kind), formats[kind]?.write(value, now) ?? null];
    },
    read(json, now) {
      const [index, rest = null] = Array.isArray(json) ? json as readonly Json[] : [];
      const kind = names[typeof index === "number" ? index : -1];
      if (kind === undefined) return wrong(`one of ${names.join(", ")}`);
      return { [tag]: kind, ...formats[kind]?.read(rest, now) } as unknown as T;
    },
  };
}

const device = record<Device>({
  module: number,
  deviceType: number,
  deviceRole: text,
  deviceName: text,
  priority: number,
});
const devices = list(device);
const status: Format<Status> = union<Status, "kind">("kind", {
  status: record<Omit<Status, "kind">>({
    sessionId: text,
    deviceState: number,
    messageCounter: number,
    device,
    statusData: bytes,
    errorMessage: bytes,
    receivedAt: optional(moment),
  }),
});
const statuses = list(status);
const connect: Format<Connect> = union<Connect, "kind">("kind", {
  connect: record<Omit<Connect, "kind">>({
    sessionId: text,
    company: text,
    vehicleName: text,
    devices,
  }),
});
const command = record<ModuleCommand>({ device, data: bytes });
const waitingCommand = record<WaitingCommand>({ module: number, command });
const sent = list(record<SentCommand>({
  counter: number,
  module: nullable(number),
  command,
  sentAt: moment,
  response: nullable(number),
}));
const base = record<Base>({
  epoch: number,
  commandCounter: number,
  commands: record<CommandStore>({
    ready: queue(waitingCommand),
    readyBytes: number,
    parked: list(waitingCommand),
    held: list(number),
  }),
  toldAt: nullable(moment),
  rate: record<ConnectRate>({
    credit: number,
    lastAt: nullable(moment),
    pauseMs: number,
    notBefore: nullable(moment),
  }),
  modulesReady: flag,
  paused: flag,
});
const statusOrder = record<StatusOrder>({
  expected: number,
  fresh: flag,
  handled: list(number),
  early: statuses,
  gapSince: nullable(moment),
  waiting: queue(status),
  begun: list(record<BegunStatus>({
    status,
    stage: word("connecting", "forwarding", "done"),
    leaving: flag,
  })),
  bytes: number,
});
const reading = record<Reading>({
  pausedMs: number,
  pausedSince: nullable(moment),
  watched: nullable(record<NonNullable<Reading["watched"]>>({ counter: number, since: moment })),
});

const session: Format<Session> = union<Session, "kind">("kind", {
  offline: record<Omit<Offline, "kind">>({ base }),
  waiting: record<Omit<Waiting, "kind">>({
    base,
    held: nullable(record<NonNullable<Waiting["held"]>>({ connect, until: moment })),
  }),
  connecting: record<Omit<Connecting, "kind">>({
    base,
    sessionId: text,
    sender: text,
    listed: devices,
    devices,
    step: union<Connecting["step"], "name">("name", {
      devices: record<Omit<ConnectingDevices, "name">>({ pending: devices, early: statuses }),
      statuses: record<Omit<AwaitingStatuses, "name">>({
        missing: devices,
        heard: statuses,
        skipped: list(number),
        kept: statuses,
        since: moment,
      }),
      responses: record<Omit<AwaitingResponses, "name">>({
        sent,
        awaited: number,
        handled: list(number),
        kept: statuses,
        since: moment,
      }),
    }),
  }),
  running: record<Omit<Running, "kind">>({
    base,
    sessionId: text,
    sender: text,
    devices,
    resuming: devices,
    statuses: statusOrder,
    sent,
    heardAt: moment,
    reading,
    noted: list(text),
  }),
  stopped: record<Omit<Stopped, "kind">>({ base }),
});

/** Writes a session at `now`, in milliseconds. */
export function encode(value: Session, now: number): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([SESSION_FORMAT, session.write(value, now)]));
}

/**
 * Reads a session at `now` of this process's clock: each deadline is as far away as it was
 * when the session was written.
 *
 * @throws {SessionFormatError} when the bytes are not a session, or in another format than
 * {@linkcode SESSION_FORMAT}.
 */
export function decode(encoded: Uint8Array, now: number): Session {
  let json: Json;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(encoded));
  } catch (cause) {
    throw new SessionFormatError("Cannot read a session: expected JSON", { cause });
  }
  const [format, value = null] = Array.isArray(json) ? json as readonly Json[] : [];
  if (format !== SESSION_FORMAT) wrong(`format ${SESSION_FORMAT}: found ${JSON.stringify(format)}`);
  return session.read(value, now);
}
