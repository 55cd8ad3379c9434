// Encodes sessions, so that another process can continue them.
import {
  bytes,
  device,
  flag,
  type Format,
  list,
  moment,
  nullable,
  number,
  optional,
  record,
  text,
  union,
  versioned,
  word,
} from "../encoding/mod.ts";
import type { Connect, ModuleCommand, Status } from "../protocol/mod.ts";
import type { CommandStore, WaitingCommand } from "./command_order.ts";
import type { SentCommand } from "./sent_commands.ts";
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
const SESSION_FORMAT = 1;

function queue<T>(item: Format<T>): Format<Queue<T>> {
  const items = list(item);
  return {
    write: (value, now) => items.write(values(value), now),
    read: (json, now) => queueOf(items.read(json, now)),
  };
}

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
const commandLife = { id: nullable(text), at: moment, sends: number };
const waitingCommand = record<WaitingCommand>({
  module: number,
  command,
  ...commandLife,
  key: nullable(text),
});
const sent = list(record<SentCommand>({
  counter: number,
  module: nullable(number),
  command,
  ...commandLife,
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
    again: list(waitingCommand),
    expiresAt: nullable(moment),
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

export const { encode, decode } = versioned("a session", SESSION_FORMAT, session);
