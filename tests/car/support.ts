// Drives the pure session: virtual time, a scripted gateway and scripted modules.
// What a step wants done comes back as short lines, so that a test reads like a conversation.
import { DisconnectType } from "../../src/protocol/module_interface.ts";
import type { CallOutcome } from "../../src/protocol/module_interface.ts";
import type { Effect, Input, Note } from "../../src/session/effects.ts";
import type { Failure } from "../../src/session/failure.ts";
import { createSession, nextDeadline, step } from "../../src/session/session.ts";
import { type SessionSettings, SILENCE_MS } from "../../src/session/settings.ts";
import type { Running, Session } from "../../src/session/state.ts";
import { nextCounter } from "../../src/protocol/counter.ts";
import { deviceKey } from "../../src/protocol/device.ts";
import {
  type ClientMessage,
  CommandResponseType,
  type Device,
  DeviceState,
  type ServerMessage,
} from "../../src/protocol/messages.ts";

/** Two clocks that differ, so that a test can tell which one ran out. */
export const SETTINGS: SessionSettings = {
  company: "acme",
  car: "car_1",
  modules: [7, 8],
  sessionMs: 30_000,
  responseMs: 10_000,
  sendInvalidCommand: false,
  maxDevices: 1000,
  maxStatusGap: 1000,
  maxWaitingStatuses: 1000,
  maxWaitingBytes: 16_777_216,
  maxWaitingCommands: 1000,
  maxWaitingCommandBytes: 16_777_216,
  maxUnansweredCommands: 1000,
};

/** A device of a module; its role names it. */
export function device(module: number, deviceRole: string, deviceType = 1): Device {
  return { module, deviceType, deviceRole, deviceName: `name of ${deviceRole}`, priority: 2 };
}

/** Two devices of module 7, one of module 8, and one of a module this car does not have. */
export const FRONT = device(7, "front");
export const REAR = device(7, "rear");
export const LAMP = device(8, "lamp");
export const FOREIGN = device(3, "foreign");

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text as the bytes of a status or command. */
export function bytes(text: string): Uint8Array {
  return encoder.encode(text);
}

function withText(line: string, data: Uint8Array): string {
  return data.length === 0 ? line : `${line} ${decoder.decode(data)}`;
}

function publishLine(message: ServerMessage): string {
  switch (message.kind) {
    case "connect_response":
      return message.type === 0
        ? "ConnectResponse OK"
        : `ALREADY_LOGGED ${message.sessionId}`.trimEnd();
    case "status_response":
      return `StatusResponse ${message.messageCounter}`;
    case "command":
      return withText(
        `Command ${message.messageCounter} ${deviceKey(message.device)}`,
        message.commandData,
      );
  }
}

/** One effect as a line; `null` for notes, which the protocol does not need. */
function effectLine(effect: Effect): string | null {
  switch (effect.type) {
    case "publish":
      return publishLine(effect.message);
    case "notify":
      return "notify";
    case "connect_device":
      return `connect ${deviceKey(effect.device)}`;
    case "disconnect_device": {
      const how = effect.disconnect === DisconnectType.ANNOUNCED ? "announced" : "timeout";
      const when = effect.ifConnected ? " if connected" : "";
      return `disconnect ${how} ${deviceKey(effect.device)}${when}`;
    }
    case "forward":
      return withText(
        withText(`forward ${effect.counter} ${deviceKey(effect.device)}`, effect.data),
        effect.errorMessage,
      );
    case "withdraw_calls":
      return "withdraw";
    case "acknowledge":
      return withText(`acknowledge ${effect.module}`, effect.command.data);
    case "hold_commands":
      return `hold ${effect.module}`;
    case "release_commands":
      return `release ${effect.module}`;
    case "ended":
      return `ended ${effect.failure.reason}`;
    case "note":
      return null;
  }
}

/** What one or more steps wanted done. */
export class Seen {
  constructor(readonly effects: readonly Effect[]) {}

  /** Everything but notes, in order, as lines. */
  get lines(): string[] {
    return this.effects.map(effectLine).filter((line) => line !== null);
  }

  /** The lines that begin with one of these words. */
  linesOf(...words: readonly string[]): string[] {
    return this.lines.filter((line) => words.includes(line.split(" ", 1)[0] ?? ""));
  }

  /** The messages that were published. */
  get published(): ServerMessage[] {
    return this.effects.flatMap((effect) => effect.type === "publish" ? [effect.message] : []);
  }

  /** Counters of the statuses that were answered. */
  get answers(): number[] {
    return this.published.flatMap((one) =>
      one.kind === "status_response" ? [one.messageCounter] : []
    );
  }

  get notes(): Note[] {
    return this.effects.flatMap((effect) => effect.type === "note" ? [effect.note] : []);
  }

  /** Notes as `code why`. */
  get noteCodes(): string[] {
    return this.notes.map((note) => "why" in note ? `${note.code} ${note.why}` : note.code);
  }

  /** The failures of sessions that ended. */
  get failures(): Failure[] {
    return this.effects.flatMap((effect) => effect.type === "ended" ? [effect.failure] : []);
  }
}

/** The rest of a status besides its device; the next counter, CONNECTING or RUNNING by default. */
export interface StatusOptions {
  readonly counter?: number;
  readonly state?: number;
  readonly data?: string;
  readonly error?: string;
  readonly session?: string;
}

/** The session of one car with the time, gateway and modules around it. */
export class TestCar {
  /** Milliseconds. */
  now = 1_000_000;
  session: Session;
  settings: SessionSettings;
  /** Everything since the beginning. */
  readonly effects: Effect[] = [];
  /** Whether module calls return at once. */
  automatic = true;
  /** Results of module calls that have not returned. */
  readonly open: Input[] = [];
  /** What `device_connected` returns. */
  outcome: (device: Device) => CallOutcome = () => "ok";
  sessionId = "";
  /** Counter of the next status. */
  counter = 0;

  constructor(settings: Partial<SessionSettings> = {}) {
    this.settings = { ...SETTINGS, ...settings };
    this.session = createSession();
  }

  /** When the session wants a tick. */
  get deadline(): number {
    return nextDeadline(this.session, this.settings);
  }

  /** Gives the session other settings. */
  configure(settings: Partial<SessionSettings>): Seen {
    this.settings = { ...SETTINGS, ...settings };
    return this.input({ type: "settings" });
  }

  /** Takes one input, and the module results it leads to when they come by themselves. */
  input(input: Input): Seen {
    const from = this.effects.length;
    this.#step(input);
    while (this.automatic) {
      const result = this.open.shift();
      if (result === undefined) break;
      this.#step(result);
    }
    return new Seen(this.effects.slice(from));
  }

  #step(input: Input): void {
    const { session, effects } = step(this.session, input, this);
    this.session = session;
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.type === "connect_device") {
        const { epoch, device } = effect;
        this.open.push({ type: "device_result", epoch, device, outcome: this.outcome(device) });
      } else if (effect.type === "forward") {
        const { epoch, counter } = effect;
        this.open.push({ type: "forwarded", epoch, counter });
      }
    }
  }

  /** Lets the oldest `count` open module calls return, all of them by default. */
  modulesReturn(count = this.open.length): Seen {
    const from = this.effects.length;
    for (const result of this.open.splice(0, count)) this.#step(result);
    return new Seen(this.effects.slice(from));
  }

  /** Lets one open module call return, whatever its place. */
  moduleReturns(index: number): Seen {
    const [result] = this.open.splice(index, 1);
    if (result === undefined) throw new RangeError(`No open module call has index ${index}`);
    return this.input(result);
  }

  /** Lets time pass, with a tick at every deadline on the way. */
  advance(ms: number): Seen {
    const from = this.effects.length;
    const until = this.now + ms;
    for (let at = this.deadline; at <= until; at = this.deadline) {
      this.now = Math.max(this.now, at);
      this.input({ type: "tick" });
      if (this.deadline <= this.now) {
        throw new Error("A tick at the deadline left a deadline that has passed");
      }
    }
    this.now = until;
    return new Seen(this.effects.slice(from));
  }

  message(message: ClientMessage): Seen {
    return this.input({ type: "message", message });
  }

  /** Connected to the broker, module contexts there: ready for a gateway. */
  up(): this {
    this.brokerUp();
    // So long that what the gateway was told then keeps it from nothing now.
    this.now += SILENCE_MS;
    this.input({ type: "modules_ready" });
    return this;
  }

  /** Connected to the broker, then subscribed. */
  brokerUp(): Seen {
    const from = this.effects.length;
    this.input({ type: "broker_connected" });
    this.input({ type: "broker_up" });
    return new Seen(this.effects.slice(from));
  }

  /** A Connect; statuses that follow belong to its session and count from 0. */
  connect(devices: readonly Device[], sessionId = "s1"): Seen {
    this.sessionId = sessionId;
    this.counter = 0;
    const { company, car } = this.settings;
    return this.message({ kind: "connect", sessionId, company, vehicleName: car, devices });
  }

  status(device: Device, options: StatusOptions = {}): Seen {
    const connecting = this.session.kind === "connecting";
    const { counter = this.counter, session = this.sessionId, data = "", error = "" } = options;
    const { state = connecting ? DeviceState.CONNECTING : DeviceState.RUNNING } = options;
    if (options.counter === undefined) this.counter = nextCounter(counter);
    return this.message({
      kind: "status",
      sessionId: session,
      deviceState: state,
      messageCounter: counter,
      device,
      statusData: bytes(data),
      errorMessage: bytes(error),
    });
  }

  respond(
    counter: number,
    type: number = CommandResponseType.OK,
    sessionId: string = this.sessionId,
  ): Seen {
    return this.message({ kind: "command_response", sessionId, type, messageCounter: counter });
  }

  /** A module has a command; of the device's own module by default. */
  command(device: Device, text: string, module: number = device.module): Seen {
    return this.input({ type: "command", module, command: { device, data: bytes(text) } });
  }

  /** The whole connect sequence, up to normal communication. */
  run(devices: readonly Device[] = [FRONT, REAR, LAMP], sessionId = "s1"): this {
    this.connect(devices, sessionId);
    let seen: Seen | undefined;
    for (const one of devices) seen = this.status(one);
    for (const one of seen?.published ?? []) {
      if (one.kind === "command") this.respond(one.messageCounter);
    }
    this.running();
    return this;
  }

  /** The session, which must be in normal communication. */
  running(): Running {
    if (this.session.kind !== "running") throw new Error(`The car is ${this.session.kind}`);
    return this.session;
  }
}

/** A car that waits for a gateway. */
export function waitingCar(settings: Partial<SessionSettings> = {}): TestCar {
  return new TestCar(settings).up();
}

/** A car in step 1 of the connect sequence, whose modules return only when they are told to. */
export function connectingCar(devices: readonly Device[] = [FRONT]): TestCar {
  const car = waitingCar();
  car.automatic = false;
  car.connect(devices);
  return car;
}

/** A car in normal communication. */
export function runningCar(
  devices: readonly Device[] = [FRONT, REAR, LAMP],
  settings: Partial<SessionSettings> = {},
): TestCar {
  return waitingCar(settings).run(devices);
}

/** A car in step 2 of the connect sequence, where first statuses are awaited. */
export function firstStatusesCar(
  devices: readonly Device[] = [FRONT, LAMP],
  settings: Partial<SessionSettings> = {},
): TestCar {
  const car = waitingCar(settings);
  car.connect(devices);
  return car;
}

/** A car in step 3 of the connect sequence, where responses to commands 0, 1, ... are awaited. */
export function firstCommandsCar(
  devices: readonly Device[] = [FRONT, LAMP],
  settings: Partial<SessionSettings> = {},
): TestCar {
  const car = firstStatusesCar(devices, settings);
  for (const one of devices) car.status(one);
  return car;
}
