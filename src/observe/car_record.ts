// What is remembered of one car for operators: kept only while somebody can ask for it.
import type { Effect, Failure, Note } from "../session/mod.ts";
import { noteLine } from "../car/mod.ts";
import { type ClientMessage, deviceKey, type ServerMessage, type Status } from "../protocol/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import { Buckets } from "./buckets.ts";
import { CarDevices } from "./car_devices.ts";
import { andSuppressed, type LogLevel, Once } from "../log/mod.ts";
import { Ring } from "./ring.ts";

/** How many are remembered. */
const MAX_STATUSES = 20;
const MAX_COMMANDS = 20;
const MAX_EVENTS = 50;
const MAX_FAILURES = 10;
const MAX_SECONDS = 60;
/** Statuses and commands without an answer that are timed at once. */
const MAX_OPEN = 4096;
/** Bytes of a payload that are kept. */
const MAX_KEPT_BYTES = 1024;

/** Upper bounds of response times, in seconds. */
const RESPONSE_BOUNDS = [
  0.0005,
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
];

/** The beginning of a payload. */
export interface KeptPayload {
  readonly data: Uint8Array;
  /** Of the whole. */
  readonly bytes: number;
}

/** A status that came. Times are milliseconds since the epoch, durations milliseconds. */
export interface SeenStatus {
  readonly at: number;
  readonly device: string;
  readonly state: number;
  readonly counter: number;
  readonly data: KeptPayload;
  readonly errorMessage: KeptPayload;
  responseMs: number | null;
}

/** A command that went. */
export interface SeenCommand {
  readonly at: number;
  readonly device: string;
  readonly counter: number;
  readonly data: KeptPayload;
  /** The type of its response. */
  response: number | null;
  responseMs: number | null;
}

/** Something that happened, in words. */
export interface SeenEvent {
  readonly at: number;
  readonly level: LogLevel;
  readonly text: string;
  readonly device: string | null;
}

/** The end of a session, and what its gateway had listed in vain. */
export interface SeenFailure extends Failure {
  /** The last time. */
  readonly at: number;
  /** How often in a row. */
  readonly times: number;
  /** Modules of listed devices that could not be connected, and why. */
  readonly refused: readonly { readonly module: number; readonly why: string }[];
}

/** What one second brought. */
export interface SecondOfCar {
  readonly statuses: number;
  readonly commands: number;
  readonly responseMeanMs: number | null;
  readonly responseMaxMs: number | null;
}

/** A second in which nothing happened. */
export const QUIET: SecondOfCar = {
  statuses: 0,
  commands: 0,
  responseMeanMs: null,
  responseMaxMs: null,
};

/** Adds seconds of several cars up. */
export function addSeconds(seconds: Iterable<SecondOfCar>): SecondOfCar {
  let statuses = 0;
  let commands = 0;
  let sumMs = 0;
  let maxMs = 0;
  for (const second of seconds) {
    statuses += second.statuses;
    commands += second.commands;
    sumMs += (second.responseMeanMs ?? 0) * second.statuses;
    maxMs = Math.max(maxMs, second.responseMaxMs ?? 0);
  }
  if (statuses === 0) return commands === 0 ? QUIET : { ...QUIET, commands };
  return { statuses, commands, responseMeanMs: sumMs / statuses, responseMaxMs: maxMs };
}

/** A moment by the clock that measures and by the one that tells the date. */
interface Moment {
  readonly ms: number;
  readonly at: number;
}

interface Open<T> {
  readonly since: number;
  readonly seen: T;
}

/** The memory of one car; everything in it is bounded. */
export class CarRecord {
  readonly devices = new CarDevices();
  readonly statuses = new Ring<SeenStatus>(MAX_STATUSES);
  readonly commands = new Ring<SeenCommand>(MAX_COMMANDS);
  readonly events = new Ring<SeenEvent>(MAX_EVENTS);
  readonly failures = new Ring<SeenFailure>(MAX_FAILURES);
  readonly history = new Ring<SecondOfCar>(MAX_SECONDS);
  /** In seconds, since the record began. */
  readonly responses = new Buckets(RESPONSE_BOUNDS);
  readonly #clock: Clock;
  readonly #once: Once;
  readonly #openStatuses = new Map<number, Open<SeenStatus>>();
  readonly #openCommands = new Map<number, Open<SeenCommand>>();
  #sessionId: string | null = null;
  #answered = 0;
  #sent = 0;
  #sumMs = 0;
  #maxMs = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    this.#once = new Once({ clock });
  }

  /** Takes a message of the gateway, before the session does. */
  onMessage(message: ClientMessage): void {
    if (message.sessionId !== this.#sessionId) return;
    if (message.kind === "status") this.#onStatus(message);
    else if (message.kind === "command_response") {
      const open = this.#openCommands.get(message.messageCounter);
      if (open === undefined) return;
      this.#openCommands.delete(message.messageCounter);
      open.seen.response = message.type;
      open.seen.responseMs = this.#clock.now() - open.since;
    }
  }

  /** Takes what the session wants done. @returns Whether the car's row may have changed. */
  onEffect(effect: Effect): boolean {
    switch (effect.type) {
      case "publish":
        return this.#onPublish(effect.message);
      case "note":
        return this.#onNote(effect.note);
      case "ended":
        this.#onEnded(effect.failure);
        return true;
      default:
        return false;
    }
  }

  /** Takes a new state. */
  onState(text: string): void {
    this.events.push({ at: this.#now().at, level: "INFO", text, device: null });
  }

  /** Ends the second under way. */
  second(): SecondOfCar {
    const quiet = this.#answered === 0 && this.#sent === 0;
    const second = quiet ? QUIET : {
      statuses: this.#answered,
      commands: this.#sent,
      responseMeanMs: this.#answered === 0 ? null : this.#sumMs / this.#answered,
      responseMaxMs: this.#answered === 0 ? null : this.#maxMs,
    };
    this.#answered =
      this.#sent =
      this.#sumMs =
      this.#maxMs =
        0;
    this.history.push(second);
    return second;
  }

  #now(): Moment {
    const ms = this.#clock.now();
    return { ms, at: Math.floor(ms) };
  }

  #onStatus(status: Status): void {
    const { messageCounter: counter, deviceState: state } = status;
    // A second delivery is answered with the first one.
    if (this.#openStatuses.has(counter)) return;
    const { ms, at } = this.#now();
    const device = deviceKey(status.device);
    const seen: SeenStatus = {
      at,
      device,
      state,
      counter,
      data: keep(status.statusData),
      errorMessage: keep(status.errorMessage),
      responseMs: null,
    };
    this.statuses.push(seen);
    this.devices.heard(device, at, counter);
    if (this.#openStatuses.size < MAX_OPEN) this.#openStatuses.set(counter, { since: ms, seen });
  }

  #onPublish(message: ServerMessage): boolean {
    switch (message.kind) {
      case "connect_response":
        this.#sessionId = message.sessionId;
        return true;
      case "status_response": {
        this.#answered++;
        const open = this.#openStatuses.get(message.messageCounter);
        if (open === undefined) return false;
        this.#openStatuses.delete(message.messageCounter);
        const tookMs = this.#clock.now() - open.since;
        open.seen.responseMs = tookMs;
        this.#sumMs += tookMs;
        if (tookMs > this.#maxMs) this.#maxMs = tookMs;
        this.responses.observe(tookMs / 1000);
        return false;
      }
      case "command": {
        this.#sent++;
        const { ms, at } = this.#now();
        const seen: SeenCommand = {
          at,
          device: deviceKey(message.device),
          counter: message.messageCounter,
          data: keep(message.commandData),
          response: null,
          responseMs: null,
        };
        this.commands.push(seen);
        if (this.#openCommands.size < MAX_OPEN) {
          this.#openCommands.set(message.messageCounter, { since: ms, seen });
        }
        return false;
      }
    }
  }

  #onNote(note: Note): boolean {
    const at = this.#now().at;
    const changed = this.devices.onNote(note, at);
    if (note.code === "not_forwarded" && !note.first) return changed;
    const { level, text, device, kind } = noteLine(note);
    const suppressed = kind === undefined ? 0 : this.#once.ask(kind);
    if (suppressed === undefined) return changed;
    const about = device === undefined ? null : deviceKey(device);
    this.events.push({ at, level, text: text() + andSuppressed(suppressed), device: about });
    return changed || note.code === "running";
  }

  #onEnded(failure: Failure): void {
    const at = this.#now().at;
    const last = this.failures.newest;
    const again = last?.reason === failure.reason && last.detail === failure.detail;
    const refused = this.devices.refused();
    if (again) this.failures.replaceNewest({ ...failure, at, times: last.times + 1, refused });
    else this.failures.push({ ...failure, at, times: 1, refused });
    const level = failure.reason === "stopped" || failure.reason === "new_session"
      ? "INFO"
      : "WARNING";
    const suppressed = again ? this.#once.ask(`ended ${failure.reason}`) : 0;
    if (suppressed !== undefined) {
      const text = `Session ended: ${failure.reason}: ${failure.detail}`;
      this.events.push({ at, level, text: text + andSuppressed(suppressed), device: null });
    }
    this.devices.ended();
    this.#openStatuses.clear();
    this.#openCommands.clear();
    this.#sessionId = null;
  }
}

const NOTHING: KeptPayload = { data: new Uint8Array(), bytes: 0 };

/** A copy: what a payload is part of is much larger and must not be kept. */
function keep(data: Uint8Array): KeptPayload {
  if (data.length === 0) return NOTHING;
  return { data: data.slice(0, MAX_KEPT_BYTES), bytes: data.length };
}
