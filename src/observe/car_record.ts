// The recent history of one car, for operators; kept only while HTTP is on.
import { type CarEvent, eventsOf, sessionIdOf, type Turn } from "../car/mod.ts";
import { type ClientMessage, type Command, deviceKey, type Status } from "../protocol/mod.ts";
import { type Clock, systemClock } from "../time/mod.ts";
import { CarDevices } from "./car_devices.ts";
import { CarHealth } from "./health/car_health.ts";
import { andSuppressed, type LogLevel, Once } from "../log/mod.ts";
import { CarPositions } from "./positions.ts";
import { Ring } from "./ring.ts";

/** How many entries are kept. */
const MAX_STATUSES = 20;
const MAX_COMMANDS = 20;
const MAX_EVENTS = 50;
const MAX_SECONDS = 60;
/** Bytes of a payload that are kept. */
const MAX_KEPT_BYTES = 1024;

/** The beginning of a payload. */
export interface KeptPayload {
  readonly data: Uint8Array;
  /** Of the whole. */
  readonly bytes: number;
}

/** A received status. Times are in milliseconds since the epoch, durations in milliseconds. */
export interface SeenStatus {
  readonly at: number;
  readonly device: string;
  readonly state: number;
  readonly counter: number;
  readonly data: KeptPayload;
  readonly errorMessage: KeptPayload;
  responseMs: number | null;
}

/** A published command. */
export interface SeenCommand {
  readonly at: number;
  readonly device: string;
  readonly counter: number;
  readonly data: KeptPayload;
  /** The type of its response. */
  response: number | null;
  responseMs: number | null;
}

/** An event, in words. */
export interface SeenEvent {
  readonly at: number;
  readonly level: LogLevel;
  readonly text: string;
  readonly device: string | null;
}

/** Counts of one second. */
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

/** Adds up the counts of several cars. */
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

/** The history of one car; everything in it is bounded. */
export class CarRecord {
  readonly health: CarHealth;
  readonly devices = new CarDevices();
  readonly positions = new CarPositions();
  readonly statuses = new Ring<SeenStatus>(MAX_STATUSES);
  readonly commands = new Ring<SeenCommand>(MAX_COMMANDS);
  readonly events = new Ring<SeenEvent>(MAX_EVENTS);
  readonly history = new Ring<SecondOfCar>(MAX_SECONDS);
  readonly #once: Once;
  #answered = 0;
  #sent = 0;
  #sumMs = 0;
  #maxMs = 0;

  readonly #onEvent: (event: SeenEvent) => void;

  /** @param onEvent called for each event that the record takes */
  constructor(clock: Clock = systemClock, onEvent: (event: SeenEvent) => void = () => {}) {
    this.#onEvent = onEvent;
    this.health = new CarHealth(clock.now());
    this.#once = new Once({ clock });
  }

  /** Takes a turn of the car. @returns Whether its row may have changed. */
  onTurn(turn: Turn): boolean {
    const { input, effects } = turn;
    const at = Math.floor(turn.at);
    const { health } = this;
    let changed = false;
    if (input.type === "message") this.#onMessage(turn, input.message, at);
    for (const effect of effects) {
      switch (effect.type) {
        case "publish":
          if (effect.answers !== undefined) this.#onAnswer(effect.answers, turn.at);
          else if (effect.message.kind === "command") this.#onCommand(effect.message, at);
          else changed = true;
          break;
        case "forward":
          health.forwarded(effect.device.module);
          break;
        case "acknowledge":
          health.commands.count();
          break;
        case "note":
          if (effect.note.code === "command_refused") health.refused();
          if (this.devices.onNote(effect.note, at)) changed = this.#lookAtDevices();
          break;
        case "ended":
          health.ended(effect.failure, turn.at);
          this.devices.ended();
          changed = true;
      }
    }
    for (const event of eventsOf(turn)) this.#tell(event, at);
    return health.onTurn(turn) || changed;
  }

  /** Ends the current second. */
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

  /** A status or a command response of the session; second deliveries change nothing. */
  #onMessage({ before, effects }: Turn, message: ClientMessage, at: number): void {
    if (message.sessionId !== sessionIdOf(before)) return;
    if (effects.some((effect) => effect.type === "note" && effect.note.code === "ignored")) return;
    if (message.kind === "status") this.#onStatus(message, at);
    else if (message.kind === "command_response") {
      const seen = newest(this.commands, message.messageCounter);
      if (seen === undefined) return;
      seen.response = message.type;
      seen.responseMs = at - seen.at;
    }
  }

  #onStatus(status: Status, at: number): void {
    const { messageCounter: counter, deviceState: state } = status;
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
    this.devices.heard(seen);
  }

  #onAnswer({ messageCounter, receivedAt, device }: Status, now: number): void {
    this.#answered++;
    if (receivedAt === undefined) return;
    const tookMs = now - receivedAt;
    const seen = newest(this.statuses, messageCounter);
    if (seen !== undefined) seen.responseMs = tookMs;
    this.health.answered(tookMs, device.module);
    this.#sumMs += tookMs;
    if (tookMs > this.#maxMs) this.#maxMs = tookMs;
  }

  #onCommand({ device, messageCounter, commandData }: Command, at: number): void {
    this.#sent++;
    this.commands.push({
      at,
      device: deviceKey(device),
      counter: messageCounter,
      data: keep(commandData),
      response: null,
      responseMs: null,
    });
  }

  #tell({ level, text, device, kind }: CarEvent, at: number): void {
    const suppressed = kind === undefined ? 0 : this.#once.ask(kind);
    if (suppressed === undefined) return;
    const about = device === undefined ? null : deviceKey(device);
    const event = { at, level, text: text() + andSuppressed(suppressed), device: about };
    this.events.push(event);
    this.#onEvent(event);
  }

  #lookAtDevices(): true {
    this.health.unserved = this.devices.unserved();
    return true;
  }
}

/** The newest with this counter that has no answer, if it is still remembered. */
function newest<T extends { readonly counter: number; readonly responseMs: number | null }>(
  ring: Ring<T>,
  counter: number,
): T | undefined {
  return ring.newestWhere((one) => one.counter === counter && one.responseMs === null);
}

const NOTHING: KeptPayload = { data: new Uint8Array(), bytes: 0 };

/** Copies a payload: the buffer that it is a view of is much larger and must not be kept. */
function keep(data: Uint8Array): KeptPayload {
  if (data.length === 0) return NOTHING;
  return { data: data.slice(0, MAX_KEPT_BYTES), bytes: data.length };
}
