// Encodes external sessions, so that another process can continue them.
import {
  bytes,
  device,
  flag,
  type Format,
  list,
  moment,
  nullable,
  number,
  record,
  text,
  union,
  versioned,
  word,
} from "../encoding/mod.ts";
import type { Status } from "../protocol/mod.ts";
import { allDevices, type DeviceMap, mapOf } from "./device_map.ts";
import type {
  Base,
  Connected,
  Connecting,
  GatewayState,
  KnownDevice,
  NotConnected,
  NotInitialized,
  OpenStatus,
  Report,
  Stopped,
} from "./state.ts";

const knownDevices = list(record<KnownDevice>({
  device,
  data: bytes,
  errorMessage: bytes,
  connected: flag,
}));

const devices: Format<DeviceMap> = {
  write: (value, now) => knownDevices.write([...allDevices(value)], now),
  read: (json, now) => mapOf(knownDevices.read(json, now)),
};

const base = record<Base>({ devices, seed: number, linked: flag });

const status = union<Status, "kind">("kind", {
  status: record<Omit<Status, "kind" | "receivedAt">>({
    sessionId: text,
    deviceState: number,
    messageCounter: number,
    device,
    statusData: bytes,
    errorMessage: bytes,
  }),
});

const open = list(record<OpenStatus>({ status, sentAt: moment, tag: nullable(number) }));

const waiting = list(record<Report>({
  device,
  data: bytes,
  errorMessage: bytes,
  leaves: flag,
  tag: nullable(number),
}));

const reason = word<NonNullable<Connected["reconnect"]>["reason"]>(
  "told_to_reconnect",
  "notified",
  "already_logged",
  "unexpected_message",
  "connect_unanswered",
  "first_status_unanswered",
  "first_command_missing",
  "status_unanswered",
  "unknown_module",
  "violation",
  "all_devices_gone",
  "link_lost",
  "link_dropped",
  "restarted",
  "stopped",
);

const state = union<GatewayState, "kind">("kind", {
  stopped: record<Omit<Stopped, "kind">>({ base }),
  not_initialized: record<Omit<NotInitialized, "kind">>({ base, lookAt: nullable(moment) }),
  not_connected: record<Omit<NotConnected, "kind">>({ base, retryAt: moment }),
  connecting: record<Omit<Connecting, "kind">>({
    base,
    step: word("link", "prepare", "connect", "statuses", "commands"),
    sessionId: text,
    listed: list(text),
    by: nullable(moment),
    open,
    awaited: list(text),
    lastCommand: nullable(number),
    waiting,
  }),
  connected: record<Omit<Connected, "kind">>({
    base,
    sessionId: text,
    counter: number,
    open,
    openBytes: number,
    lastCommand: nullable(number),
    lookedAt: moment,
    reconnect: nullable(record<NonNullable<Connected["reconnect"]>>({
      reason,
      detail: text,
      at: moment,
    })),
    silentUntil: nullable(moment),
    waiting,
  }),
});

/** Of one external session. */
export const GATEWAY_ENCODING = versioned("an external session", 1, state);
