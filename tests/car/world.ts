// A small world around one session, for property tests: a faithful gateway, a network that delays,
// loses and doubles, and modules that return when they like.
import assert from "node:assert/strict";
import { decode, encode } from "../../src/session/encoding.ts";
import type { Effect, Environment, Input } from "../../src/session/effects.ts";
import { createSession, nextDeadline, type Step, step } from "../../src/session/session.ts";
import type { CommandPolicy } from "../../src/session/command_policy.ts";
import type { SessionSettings } from "../../src/session/settings.ts";
import type { Session } from "../../src/session/state.ts";
import type { CallOutcome } from "../../src/protocol/module_interface.ts";
import { nextCounter } from "../../src/protocol/counter.ts";
import { deviceKey } from "../../src/protocol/device.ts";
import {
  type ClientMessage,
  ConnectResponseType,
  type Device,
  DeviceState,
  NO_BYTES,
  type ServerMessage,
} from "../../src/protocol/messages.ts";
import { Rules } from "./rules.ts";
import { bytes, device, SETTINGS } from "./support.ts";

/** One thing that happens in the world; numbers are taken modulo what there is. */
export type Action =
  /** The `pick`th message under way arrives; 0 copies: it is lost, 2: it will come once more. */
  | { readonly do: "deliver"; readonly pick: number; readonly copies: number }
  /** The oldest open call of one module returns. */
  | { readonly do: "return"; readonly module: number; readonly outcome: CallOutcome }
  | { readonly do: "status"; readonly device: number; readonly state: number }
  | { readonly do: "command"; readonly device: number }
  /** Everything under way arrives and returns, without losses. */
  | { readonly do: "settle" }
  | { readonly do: "time"; readonly ms: number }
  /** The gateway restarts its counter here. */
  | { readonly do: "restart"; readonly first: number }
  /** An operator acts. */
  | { readonly do: "operate"; readonly what: "restart" | "pause" | "resume" }
  /** `broker`: lost and back; `move`: left for another one. */
  /** Another process takes over, whose clock is ahead by this much. */
  | { readonly do: "hand_over"; readonly clockMs: number }
  | { readonly do: "broker" | "move" | "modules" | "stop" };

const DEVICES = [
  device(7, "front"),
  device(7, "rear"),
  device(8, "lamp"),
  device(3, "foreign"),
  device(8, "odd", 99),
] as const;

/** How a gateway answers, one after the other: mostly OK. */
const RESPONSES = [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];

type ModuleCall = Effect & { readonly type: "connect_device" | "disconnect_device" | "forward" };

/** The world of one car. */
export class World {
  now = 0;
  readonly settings: SessionSettings;
  session: Session = createSession();
  readonly rules = new Rules();
  /** Whether the gateway answers every command with OK. */
  willing = false;
  /** The id of a command. */
  nameCommand = (now: number, number: number): string => `acme/car_1/${now}/${number}`;
  /** Sees every step. */
  onStep: (before: Session, input: Input, environment: Environment, result: Step) => void =
    () => {};
  /** Gateway messages under way. */
  readonly #network: ClientMessage[] = [];
  /** Open calls by module: a context takes one after the other. */
  readonly #calls = new Map<number, ModuleCall[]>([[7, []], [8, []]]);
  /** Devices that a module takes again, as it has taken them before in another process. */
  readonly #again = new Set<string>();
  readonly #listed: readonly Device[];
  readonly #inspect: (session: Session) => void;
  #sessions = 0;
  #phase: "idle" | "connecting" | "first" | "running" = "idle";
  #counter = 0;
  #firstCommands = 0;
  #commands = 0;
  #answers = 0;

  /** A car with the first `devices` devices; `inspect` sees every state. */
  constructor(
    devices: number,
    inspect: (session: Session) => void = () => {},
    commandPolicies: readonly CommandPolicy[] = [],
  ) {
    const policies = commandPolicies.length === 0 ? {} : { commandPolicies };
    this.settings = { ...SETTINGS, maxUnansweredCommands: 5, ...policies };
    this.#listed = DEVICES.slice(0, devices);
    this.#inspect = inspect;
    this.#brokerUp();
    this.#input({ type: "modules_ready" });
    this.#restart(0);
  }

  get #sessionId(): string {
    return `s${this.#sessions}`;
  }

  act(action: Action): void {
    switch (action.do) {
      case "deliver":
        return this.#deliver(action.pick, action.copies);
      case "return":
        return this.#return(action.module % 2 === 0 ? 7 : 8, action.outcome);
      case "status":
        return this.#sendStatus(action.device, action.state);
      case "command":
        return this.#sendCommand(action.device);
      case "settle":
        return this.settle();
      case "time":
        return this.advance(action.ms);
      case "restart":
        return this.#restart(action.first);
      case "operate":
        return this.#input({ type: action.what });
      case "move":
        this.#input({ type: "broker_leaving", detail: "test" });
        return this.#brokerComesAndGoes();
      case "broker":
        return this.#brokerComesAndGoes();
      case "modules":
        return this.#loseModule();
      case "hand_over":
        return this.#handOver(action.clockMs);
      case "stop":
        return this.#input({ type: "stop" });
    }
  }

  /** Lets everything under way arrive and return. */
  settle(): void {
    while (true) {
      const module = [7, 8].find((one) => (this.#calls.get(one)?.length ?? 0) > 0);
      if (module !== undefined) this.#return(module, "ok");
      else if (this.#network.length > 0) this.#deliver(0, 1);
      else break;
    }
    this.rules.atRest(this.session, this.#sessionId);
  }

  /** Lets time pass, with a tick at every deadline on the way. */
  advance(ms: number): void {
    const until = this.now + ms;
    for (let at = this.#deadline; at <= until; at = this.#deadline) {
      this.now = Math.max(this.now, at);
      this.#input({ type: "tick" });
    }
    this.now = until;
  }

  get #deadline(): number {
    return nextDeadline(this.session, this.settings);
  }

  #brokerComesAndGoes(): void {
    this.#input({ type: "broker_lost", detail: "test" });
    this.#network.length = 0;
    this.#phase = "idle";
    this.#brokerUp();
  }

  #brokerUp(): void {
    this.#input({ type: "broker_connected" });
    this.#input({ type: "broker_up" });
  }

  #input(input: Input): void {
    const before = this.session;
    const { session, effects } = step(before, input, this);
    this.session = session;
    this.onStep(before, input, this, { session, effects });
    this.#inspect(session);
    this.rules.onStep(before, input, effects, session, this.now);
    for (const effect of effects) {
      if (effect.type === "publish") this.#gatewayHears(effect.message);
      else if (effect.type === "notify") this.#phase = "idle";
      else if (
        effect.type === "connect_device" || effect.type === "disconnect_device" ||
        effect.type === "forward"
      ) this.#calls.get(effect.device.module)?.push(effect);
    }
  }

  #gatewayHears(message: ServerMessage): void {
    if (message.kind === "connect_response" && message.type !== ConnectResponseType.OK) {
      // Whatever its session: the link is closed, or the connect sequence has failed.
      this.#phase = "idle";
      return;
    }
    if (message.sessionId !== this.#sessionId) return;
    if (message.kind === "connect_response" && this.#phase === "connecting") {
      this.#phase = "first";
      for (const one of this.#listed) this.#send(one, DeviceState.CONNECTING);
    } else if (message.kind === "command") {
      const { sessionId, messageCounter } = message;
      const type = this.willing ? 0 : RESPONSES[this.#answers++ % RESPONSES.length] ?? 0;
      this.#network.push({ kind: "command_response", sessionId, type, messageCounter });
      if (++this.#firstCommands === this.#listed.length) this.#phase = "running";
    }
  }

  #send(device: Device, deviceState: number): void {
    const messageCounter = this.#counter;
    this.#counter = nextCounter(messageCounter);
    this.#network.push({
      kind: "status",
      sessionId: this.#sessionId,
      deviceState,
      messageCounter,
      device,
      statusData: NO_BYTES,
      errorMessage: NO_BYTES,
    });
  }

  #sendStatus(index: number, state: number): void {
    const device = this.#listed[index % this.#listed.length];
    if (this.#phase === "running" && device !== undefined) this.#send(device, state);
  }

  /** Each command has data and an id of its own, so that it can be recognized. */
  #sendCommand(index: number): void {
    const device = DEVICES[index % DEVICES.length];
    if (device === undefined) return;
    const number = ++this.#commands;
    const text = JSON.stringify({ command: number, slot: number % 2 });
    const command = { device, data: bytes(text) };
    const id = this.nameCommand(this.now, number);
    this.#input({ type: "command", module: device.module, command, id });
  }

  #restart(first: number): void {
    // A Connect is not delivered late: it would rightly pass for a gateway that restarted.
    const rest = this.#network.filter(({ kind }) => kind !== "connect");
    this.#network.splice(0, Infinity, ...rest);
    this.#sessions++;
    this.#phase = "connecting";
    this.#counter = first >>> 0;
    this.#firstCommands = 0;
    this.rules.onConnect(this.#sessionId, this.#counter);
    const { company, car } = SETTINGS;
    this.#network.push({
      kind: "connect",
      sessionId: this.#sessionId,
      company,
      vehicleName: car,
      devices: this.#listed,
    });
  }

  #deliver(pick: number, copies: number): void {
    const index = pick % Math.max(1, this.#network.length);
    const message = this.#network[index];
    if (message === undefined) return;
    if (copies < 2 || message.kind === "connect") this.#network.splice(index, 1);
    if (copies > 0) this.#input({ type: "message", message });
  }

  #return(module: number, outcome: CallOutcome): void {
    const call = this.#calls.get(module)?.shift();
    if (call === undefined) return;
    if (call.type === "connect_device") {
      const isAgain = this.#again.delete(deviceKey(call.device));
      const result = isAgain ? "ok" : call.device.deviceType === 99 ? "unsupported" : outcome;
      this.rules.onModuleConnected(call.device, result === "ok");
      this.#input({
        type: "device_result",
        epoch: call.epoch,
        device: call.device,
        outcome: result,
      });
    } else if (call.type === "disconnect_device") {
      this.rules.onModuleDisconnected(call.device);
    } else {
      this.rules.onModuleForwarded(call.device);
      this.#input({ type: "forwarded", epoch: call.epoch, counter: call.counter });
    }
  }

  /** The host of module 7 dies and is replaced. */
  #loseModule(): void {
    const calls = this.#calls.get(7)?.splice(0) ?? [];
    this.rules.onModuleLost(7);
    for (const call of calls) {
      if (call.type !== "connect_device") continue;
      const { epoch, device } = call;
      this.#input({ type: "device_result", epoch, device, outcome: "host_lost" });
    }
    this.#input({ type: "module_lost", detail: "test" });
    // What was still called on the dead context goes nowhere.
    this.#calls.get(7)?.splice(0);
    this.#input({ type: "modules_ready" });
  }

  #handOver(clockMs: number): void {
    if (this.session.kind === "stopped") return;
    const left = step(this.session, { type: "hand_over" }, this);
    assert.deepEqual(left.effects, [], "Nobody hears of a hand-over");
    assert.equal(left.session.kind, "offline");
    const encoded = encode(this.session, this.now);
    for (const calls of this.#calls.values()) calls.splice(0);
    this.#again.clear();
    this.now += clockMs;
    this.rules.onHandOver(clockMs);
    this.session = decode(encoded, this.now);
    const { kind } = this.session;
    const devices = kind === "running" || kind === "connecting" ? this.session.devices : [];
    for (const device of devices) this.#again.add(deviceKey(device));
    this.#input({ type: "take_over", missed: [] });
  }

  /** How a failed check describes where the world is. */
  toString(): string {
    const open = [...this.#calls.values()].flat().map(({ type, device }) =>
      `${type} ${deviceKey(device)}`
    );
    return `${this.session.kind} at ${this.now}, ${this.#network.length} under way, open: ${open}`;
  }
}
