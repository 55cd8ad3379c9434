// What a record tells: events for people, exports and audits, derived from a turn's input and effects.
import { type ClientMessage, CommandResponseType, type Device } from "../protocol/mod.ts";
import type { LeftCommand, Note } from "../session/mod.ts";
import {
  asRecorded,
  deviceOf,
  type RecordedEffect,
  type RecordedEvents,
  type RecordedTurn,
  type WrittenTurn,
} from "./segment.ts";

/** The kinds of events. */
export const EVENT_KINDS = [
  "session.started",
  "session.ended",
  "device.connected",
  "device.left",
  "device.refused",
  "status.accepted",
  "status.error",
  "status.forwarded",
  "status.refused",
  "command.popped",
  "command.queued",
  "command.sent",
  "command.accepted",
  "command.refused",
  "command.superseded",
  "command.expired",
  "command.dropped",
  "command.lost",
  "module.lost",
  "module.back",
  "module.call_failed",
  "broker.up",
  "broker.lost",
  "message.rejected",
  "operator.paused",
  "operator.resumed",
  "operator.restarted",
  "sink.overtaken",
  // Of a gateway: what it tells the cloud, and what the cloud says.
  "status.reported",
  "status.answered",
  "status.kept",
  "command.received",
  "gateway.started",
  "gateway.stopped",
  "operator.action",
  "operator.log_in",
  "operator.refused",
  "config.reloaded",
  "config.refused",
  "host.lost",
  "server.started",
  "server.stopped",
] as const;

/** See {@linkcode EVENT_KINDS}. */
export type EventKind = typeof EVENT_KINDS[number];

/** An event of the log. */
export interface LogEvent {
  /** `company/car/epoch/sequence`, with `.1`, `.2`, ... for further events of the same record; unique. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** `null`: it concerns none. */
  readonly car: string | null;
  readonly session: string | null;
  readonly device: Device | null;
  /** Of a status or command. */
  readonly counter: number | null;
  readonly kind: EventKind;
  /** What a device or module sent. */
  readonly payload: Uint8Array | null;
  /** What else there is to say. */
  readonly data: Readonly<Record<string, string | number>>;
}

/** An event without what all events of its record share. */
export type EventPart = Pick<LogEvent, "kind"> & Partial<Omit<LogEvent, "id" | "at" | "car">>;

/** What the ids of a segment begin with. */
export interface Origin {
  readonly company: string;
  readonly epoch: number;
}

/** The events of a record, in order. @param session of its car */
export function eventsOfRecord(
  record: RecordedTurn | RecordedEvents,
  session: string | null,
  { company, epoch }: Origin,
): LogEvent[] {
  const { car, at, sequence } = record;
  const id = `${company}/${car ?? ""}/${epoch}/${sequence}`;
  const parts = record.kind === "events"
    ? record.events
    : [...partsOfInput(record.input, record.effects), ...record.effects.flatMap(partsOfEffect)];
  return parts.map((part, index) => ({
    id: index === 0 ? id : `${id}.${index}`,
    at,
    car,
    session,
    device: null,
    counter: null,
    payload: null,
    data: {},
    ...part,
  }));
}

/** The events of commands with an id among those of a turn; their ids are not those of the log. */
export function commandEvents(
  { car, at, input, effects }: Pick<WrittenTurn, "at" | "input" | "effects"> & {
    readonly car: string;
  },
  session: string | null,
): LogEvent[] {
  if (!concernsCommand(input, effects)) return [];
  const turn = { car, at, sequence: 0, session, input, settings: undefined, begins: undefined };
  const recorded = effects.map((effect) => asRecorded(effect, input));
  const record: RecordedTurn = { kind: "turn", ...turn, effects: recorded };
  return eventsOfRecord(record, session, { company: "", epoch: 0 })
    .filter(({ kind, data }) => kind.startsWith("command.") && data["command"] !== undefined);
}

function concernsCommand(input: WrittenTurn["input"], effects: WrittenTurn["effects"]): boolean {
  if (input.type === "command") return true;
  for (const effect of effects) {
    if (effect.type === "acknowledge") return true;
    if (effect.type === "note" && effect.note.code.startsWith("command")) return true;
    if (effect.type === "publish" && effect.commandId !== undefined) return true;
  }
  return false;
}

function partsOfInput(input: RecordedTurn["input"], effects: RecordedTurn["effects"]): EventPart[] {
  switch (input.type) {
    case "message":
      return partsOfMessage(input.message, effects);
    case "take_over":
      return input.missed.flatMap((message) => partsOfMessage(message, effects));
    case "forwarded": {
      const { counter } = input;
      return [{ kind: "status.forwarded", counter, device: answeredDevice(counter, effects) }];
    }
    case "command": {
      const { id, command: { device, data: payload } } = input;
      const data = commandData(id);
      const popped: EventPart = { kind: "command.popped", device, payload, data };
      const waits = id !== undefined && !isOfCommand(effects, id);
      return waits ? [popped, { kind: "command.queued", device, data }] : [popped];
    }
    case "call_failed": {
      const { call, device, outcome } = input;
      return [{ kind: "module.call_failed", device, data: { call, outcome } }];
    }
    case "rejected":
      return [{ kind: "message.rejected", data: { why: input.why, detail: input.detail } }];
    case "module_lost":
      return [{ kind: "module.lost", data: { detail: input.detail } }];
    case "modules_ready":
      return [{ kind: "module.back" }];
    case "broker_up":
      return [{ kind: "broker.up" }];
    case "broker_lost":
      return [{ kind: "broker.lost", data: { detail: input.detail } }];
    case "pause":
      return [{ kind: "operator.paused" }];
    case "resume":
      return [{ kind: "operator.resumed" }];
    case "restart":
      return [{ kind: "operator.restarted" }];
    default:
      return [];
  }
}

/** A message that is ignored is told by its note. */
function partsOfMessage(message: ClientMessage, effects: RecordedTurn["effects"]): EventPart[] {
  if (message.kind === "connect" || isIgnored(message, effects)) return [];
  // Responses to commands are told as they are settled.
  if (message.kind === "command_response") return [];
  const { messageCounter: counter } = message;
  const { device, deviceState: state, statusData, errorMessage } = message;
  const accepted: EventPart = { kind: "status.accepted", device, counter, payload: statusData };
  const parts = [{ ...accepted, data: { state } }];
  if (errorMessage.length === 0) return parts;
  return [...parts, { kind: "status.error", device, counter, payload: errorMessage }];
}

function isIgnored(message: ClientMessage, effects: RecordedTurn["effects"]): boolean {
  return effects.some((effect) =>
    effect.type === "note" && effect.note.code === "ignored" &&
    effect.note.message.kind === message.kind
  );
}

/** The device of the status with this counter, when its answer is among the effects. */
function answeredDevice(counter: number, effects: RecordedTurn["effects"]): Device | null {
  for (const effect of effects) {
    if (effect.type !== "publish" || effect.message.kind !== "status_response") continue;
    if (effect.message.messageCounter !== counter) continue;
    return effect.answers === undefined ? null : deviceOf(effect.answers);
  }
  return null;
}

function partsOfEffect(effect: RecordedEffect): EventPart[] {
  switch (effect.type) {
    case "publish": {
      const { message } = effect;
      if (message.kind !== "command") return [];
      const { device, messageCounter: counter, commandData: payload } = message;
      const data = commandData(effect.commandId);
      return [{ kind: "command.sent", device, counter, payload, data }];
    }
    case "acknowledge": {
      const { command: { device }, counter = null, commandId } = effect;
      return [{ kind: "command.accepted", device, counter, data: commandData(commandId) }];
    }
    case "ended": {
      const { reason, detail, sessionId } = effect.failure;
      const session = sessionId === "" ? {} : { session: sessionId };
      return [{ kind: "session.ended", data: { reason, detail }, ...session }];
    }
    case "disconnect_device":
      // Otherwise the module may not have had it.
      return effect.ifConnected ? [] : [{ kind: "device.left", device: effect.device }];
    case "note":
      return partsOfNote(effect.note);
    default:
      return [];
  }
}

function partsOfNote(note: Note): EventPart[] {
  switch (note.code) {
    case "running": {
      const { connected, listed } = note;
      return [{ kind: "session.started", data: { connected, listed } }];
    }
    case "device_connected":
      return [{ kind: "device.connected", device: note.device }];
    case "device_not_connected":
      return [{ kind: "device.refused", device: note.device, data: { why: note.why } }];
    case "not_forwarded":
      return [{ kind: "status.refused", device: note.device, data: { why: note.why } }];
    case "ignored": {
      const { message, why } = note;
      if (message.kind !== "status") return [];
      const { device, messageCounter: counter, statusData: payload } = message;
      return [{ kind: "status.refused", device, counter, payload, data: { why } }];
    }
    case "command_refused": {
      const { device, counter, responseType, commandId } = note;
      return [refused(device, counter, responseType, commandId)];
    }
    case "command_dropped":
      return partsOfDropped(note);
    case "commands_unanswered":
      return (note.left ?? []).map(partOfLeft);
    default:
      return [];
  }
}

/** The command that an event is of, as `command` has it. */
function commandData(id: string | undefined): Record<string, string | number> {
  return id === undefined ? {} : { command: id };
}

/** Whether the effects say what became of a command. */
function isOfCommand(effects: RecordedTurn["effects"], id: string): boolean {
  return effects.some((effect) =>
    effect.type === "publish"
      ? effect.commandId === id
      : effect.type === "note" && effect.note.code === "command_dropped" &&
        effect.note.commandIds?.includes(id)
  );
}

function refused(device: Device, counter: number, type: number, id: string | undefined): EventPart {
  return { kind: "command.refused", device, counter, data: { ...commandData(id), type } };
}

/** One for each command with an id, and one for all others. */
function partsOfDropped(
  { device, why, count, commandIds: ids = [] }: Note & { readonly code: "command_dropped" },
): EventPart[] {
  const kind = why === "expired"
    ? "command.expired"
    : why === "replaced" || why === "superseded"
    ? "command.superseded"
    : "command.dropped";
  const parts = ids.map((id): EventPart => ({
    kind,
    device,
    data: { command: id, why, count: 1 },
  }));
  const rest = count - ids.length;
  return rest > 0 ? [...parts, { kind, device, data: { why, count: rest } }] : parts;
}

function partOfLeft({ commandId, counter, device, response, again }: LeftCommand): EventPart {
  const data = commandData(commandId);
  if (again) return { kind: "command.queued", device, data: { ...data, why: "session_ended" } };
  if (response === null) {
    return { kind: "command.lost", device, counter, data: { ...data, why: "session_ended" } };
  }
  return response === CommandResponseType.OK
    ? { kind: "command.accepted", device, counter, data }
    : refused(device, counter, response, commandId);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A payload as text, or as base64 when it is not UTF-8: nothing is lost. */
export function payloadText(payload: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: utf8.decode(payload) };
  } catch {
    let binary = "";
    for (const byte of payload) binary += String.fromCharCode(byte);
    return { base64: btoa(binary) };
  }
}

/** An event as JSON has it: a line of NDJSON, a message of an export. */
export function eventJson(event: LogEvent) {
  const { id, at, car, session, device, counter, kind, data, payload } = event;
  return {
    id,
    at: new Date(at).toISOString(),
    car,
    session,
    device: device && {
      module: device.module,
      type: device.deviceType,
      role: device.deviceRole,
      name: device.deviceName,
    },
    counter,
    kind,
    data,
    payload: payload && payloadText(payload),
  };
}
