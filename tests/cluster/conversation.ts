// A conversation that outlives its owners: a broker with persistent sessions in memory, owners that
// die at a chosen point of what they send, and a gateway that insists on every rule.
import assert from "node:assert/strict";
import { type Checkpoint, encodeCheckpoint, readCheckpoint } from "../../src/cluster/checkpoint.ts";
import {
  ALL_COVERED,
  CHECKPOINT_AFTER_MESSAGES,
  type Coverage,
  withHandled,
} from "../../src/cluster/coverage.ts";
import {
  createTakeover,
  type Decision,
  stepTakeover,
  type Takeover,
  type TakeoverInput,
} from "../../src/cluster/takeover.ts";
import {
  decodeServerMessage,
  encodeClientMessage,
  encodeServerMessage,
  readClientMessage,
} from "../../src/protocol/codec/mod.ts";
import { type Device, deviceKey, DeviceState, nextCounter } from "../../src/protocol/mod.ts";
import { createSession, type Input, type Session, step } from "../../src/session/mod.ts";
import { bytes, FRONT, LAMP, SETTINGS } from "../car/support.ts";

const WINDOW = 20;
/** So few commands at a time that others wait in checkpoints. */
const CAR_SETTINGS = { ...SETTINGS, maxUnansweredCommands: 2 };

function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

interface Message {
  readonly from: "gateway" | "self" | "barrier";
  readonly payload: Uint8Array;
  packetId: number;
  isDuplicate: boolean;
  delivered: boolean;
}

/** One client id at a broker: a window of unacknowledged messages, and a queue behind it. */
export class Broker {
  checkpoint: Uint8Array | null = null;
  sessionPresent = false;
  /** Unacknowledged messages, the first 20 in the window. */
  #messages: Message[] = [];
  #lastId = 0;
  #connection: object | null = null;

  /** Whoever was connected is not any more. */
  connect(connection: object): boolean {
    this.#connection = connection;
    for (const message of this.#messages) {
      message.isDuplicate = message.delivered;
      message.delivered = false;
    }
    // A barrier is a message of the client itself: that of an earlier connection stays.
    const present = this.sessionPresent;
    this.sessionPresent = true;
    return present;
  }

  loseSession(): void {
    this.#messages = [];
    this.sessionPresent = false;
  }

  isConnected(connection: object): boolean {
    return this.#connection === connection;
  }

  get backlog(): number {
    return this.#messages.length;
  }

  enqueue(from: Message["from"], payload: Uint8Array): void {
    this.#messages.push({ from, payload, packetId: 0, isDuplicate: false, delivered: false });
  }

  next(): Message | null {
    const next = this.#messages.slice(0, WINDOW).find(({ delivered }) => !delivered);
    if (next === undefined) return null;
    next.delivered = true;
    if (next.packetId === 0) next.packetId = this.#lastId = this.#lastId % 65_535 + 1;
    return next;
  }

  acknowledge(packetId: number): void {
    this.#messages = this.#messages.filter((message) => message.packetId !== packetId);
  }
}

/** Sends statuses, answers commands, and throws at the first message that breaks a rule. */
class Gateway {
  readonly #broker: Broker;
  readonly unanswered: number[] = [];
  /** Statuses that got their response. */
  readonly answered = new Set<number>();
  readonly commands: number[] = [];
  /** The texts of all commands. */
  readonly received: string[] = [];
  told = 0;
  connects = 0;
  #counter = 0;
  #lastCommand: number | null = null;
  /** Devices whose first status is sent when the gateway is connected. */
  #firstOf: readonly Device[] = [];
  readonly devices = new Map<string, Device>();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  get sessionId(): string {
    return `s${this.connects}`;
  }

  get statuses(): number {
    return this.#counter;
  }

  /** Begins a new session, whose first statuses it sends as soon as it may. */
  restart(devices: readonly Device[]): void {
    this.unanswered.length = 0;
    this.answered.clear();
    this.commands.length = 0;
    this.#counter = 0;
    this.#lastCommand = null;
    this.#firstOf = devices;
    this.connect(devices);
  }

  connect(devices: readonly Device[]): void {
    this.connects++;
    const { company, car } = SETTINGS;
    const { sessionId } = this;
    const connect = { kind: "connect", sessionId, company, vehicleName: car, devices } as const;
    this.#broker.enqueue("gateway", encodeClientMessage(connect));
  }

  status(device: Device, deviceState: number): void {
    const messageCounter = this.#counter;
    this.#counter = nextCounter(messageCounter);
    this.unanswered.push(messageCounter);
    if (deviceState === DeviceState.CONNECTING) this.devices.set(deviceKey(device), device);
    if (deviceState === DeviceState.DISCONNECT) this.devices.delete(deviceKey(device));
    this.#broker.enqueue(
      "gateway",
      encodeClientMessage({
        kind: "status",
        sessionId: this.sessionId,
        deviceState,
        messageCounter,
        device,
        statusData: bytes(`status ${messageCounter}`),
        errorMessage: bytes(""),
      }),
    );
  }

  respond(): void {
    const messageCounter = this.commands.shift();
    if (messageCounter === undefined) return;
    const { sessionId } = this;
    this.#broker.enqueue(
      "gateway",
      encodeClientMessage({ kind: "command_response", sessionId, type: 0, messageCounter }),
    );
  }

  receive(payload: Uint8Array): void {
    const message = decodeServerMessage(payload);
    if (message.kind !== "connect_response" && message.sessionId !== this.sessionId) return;
    switch (message.kind) {
      case "connect_response": {
        const devices = this.#firstOf;
        if (message.type !== 0) {
          this.told++;
          if (devices.length > 0) this.restart(devices);
        } else if (message.sessionId === this.sessionId) {
          for (const device of devices) this.status(device, DeviceState.CONNECTING);
        }
        return;
      }
      case "status_response":
        assert.equal(message.messageCounter, this.unanswered.shift(), "answered in order, once");
        this.answered.add(message.messageCounter);
        return;
      case "command": {
        const { messageCounter } = message;
        if (this.#lastCommand !== null) {
          assert.equal(messageCounter, nextCounter(this.#lastCommand), "commands in order, once");
        }
        this.#lastCommand = messageCounter;
        this.commands.push(messageCounter);
        if (message.commandData.length > 0) this.received.push(text(message.commandData));
      }
    }
  }
}

/** An instance that serves the car, until what it may still send is used up. */
class Owner {
  readonly #world: Conversation;
  readonly epoch: number;
  readonly #clock: number;
  /** How many packets it still sends; then it is dead. */
  packets: number;
  decision: Decision | null = null;
  session: Session = createSession();
  readonly calls: Input[] = [];
  readonly #connected = new Set<string>();
  #takeover: Takeover;
  #coverage: Coverage = ALL_COVERED;

  constructor(world: Conversation, epoch: number, packets: number) {
    this.#world = world;
    this.epoch = epoch;
    this.packets = packets;
    this.#clock = 1_000_000 + epoch * 777_777;
    this.#takeover = createTakeover(epoch, world.broker.connect(this));
    const { checkpoint } = world.broker;
    this.#take({ type: "checkpoint", encoded: checkpoint });
    this.#send(() => world.broker.enqueue("barrier", bytes(String(epoch))));
  }

  get dead(): boolean {
    return this.packets <= 0 || !this.#world.broker.isConnected(this);
  }

  /** Carries out something at the broker, if it is still alive to do so. */
  #send(carryOut: () => void): void {
    if (this.dead) return;
    this.packets--;
    carryOut();
  }

  /** Takes the broker's next message; false: there is none. */
  receive(): boolean {
    if (this.dead) return false;
    const next = this.#world.broker.next();
    if (next === null) return false;
    const { from, payload, packetId, isDuplicate } = next;
    if (from === "barrier") {
      this.#send(() => this.#world.broker.acknowledge(packetId));
      // That of an owner before may come as well.
      if (payload.join() === bytes(String(this.epoch)).join()) this.#take({ type: "barrier" });
    } else if (this.decision === null) {
      this.#take({ type: "message", packetId, isDuplicate, message: { from, payload } });
    } else {
      if (from === "gateway") {
        const message = readClientMessage(payload);
        assert.ok(message.kind !== "malformed");
        this.input({ type: "message", message });
      }
      this.#coverage = withHandled(this.#coverage, packetId, this.#clock);
      if (this.#coverage.packetIds.length >= CHECKPOINT_AFTER_MESSAGES) this.checkpoint();
    }
    return true;
  }

  #take(input: TakeoverInput): void {
    const environment = { now: this.#clock, settings: CAR_SETTINGS };
    const { takeover, effects } = stepTakeover(this.#takeover, input, environment);
    this.#takeover = takeover;
    for (const effect of effects) {
      if (effect.type === "checkpoint") this.#write(effect.encoded);
      else this.#acknowledge(effect.packetIds);
    }
    const { decision } = takeover;
    if (decision === null || this.decision !== null || this.dead) return;
    this.decision = decision;
    if (decision.type === "leave") return;
    this.session = decision.session;
    for (const id of decision.uncovered) this.#coverage = withHandled(this.#coverage, id, 0);
    if (decision.type === "go_on") {
      this.input({ type: "take_over", missed: decision.missed });
    } else {
      this.input({ type: "modules_ready" });
      this.input({ type: "broker_connected" });
      this.input({ type: "broker_up" });
    }
    this.checkpoint();
  }

  checkpoint(): void {
    if (this.decision === null || this.decision.type === "leave") return;
    const { packetIds } = this.#coverage;
    const { paused } = this.session.base;
    const { epoch, session } = this;
    const checkpoint: Checkpoint = { epoch, paused, session, covered: packetIds, pending: [] };
    this.#write(encodeCheckpoint(checkpoint, this.#clock));
    this.#acknowledge(packetIds);
    this.#coverage = ALL_COVERED;
  }

  #write(encoded: Uint8Array): void {
    this.#send(() => this.#world.broker.checkpoint = encoded);
  }

  #acknowledge(packetIds: readonly number[]): void {
    for (const id of packetIds) this.#send(() => this.#world.broker.acknowledge(id));
  }

  command(device: Device, text: string): void {
    this.input({ type: "command", module: device.module, command: { device, data: bytes(text) } });
  }

  moduleReturns(index: number): void {
    const [result] = this.calls.splice(index % Math.max(1, this.calls.length), 1);
    if (result !== undefined) this.input(result);
  }

  input(input: Input): void {
    if (this.dead || this.decision === null) return;
    const { gateway, broker, forwarded } = this.#world;
    const environment = { now: this.#clock, settings: CAR_SETTINGS };
    const { session, effects } = step(this.session, input, environment);
    this.session = session;
    for (const effect of effects) {
      switch (effect.type) {
        case "publish": {
          const payload = encodeServerMessage(effect.message);
          this.#send(() => {
            broker.enqueue("self", payload);
            gateway.receive(payload);
          });
          break;
        }
        case "connect_device": {
          const { epoch, device } = effect;
          this.#connected.add(deviceKey(device));
          this.calls.push({ type: "device_result", epoch, device, outcome: "ok" });
          break;
        }
        case "disconnect_device":
          this.#connected.delete(deviceKey(effect.device));
          break;
        case "forward": {
          const { epoch, counter, device, answered } = effect;
          if (this.dead) break;
          assert.ok(this.#connected.has(deviceKey(device)), `${deviceKey(device)} is connected`);
          if (!answered) {
            assert.ok(!gateway.answered.has(counter), `Status ${counter} is forwarded again`);
          }
          forwarded.add(counter);
          this.calls.push({ type: "forwarded", epoch, counter });
          break;
        }
        case "acknowledge":
          if (!this.dead) this.#world.acknowledged.add(text(effect.command.data));
          break;
        case "ended":
          if (effect.failure.reason === "new_session") break;
          assert.fail(`The session ended: ${effect.failure.reason}: ${effect.failure.detail}`);
      }
    }
  }
}

/** What happens next. */
export type Action =
  | { readonly do: "status"; readonly lamp: boolean }
  | { readonly do: "toggle" }
  | { readonly do: "command" }
  | { readonly do: "respond" }
  | { readonly do: "receive" }
  | { readonly do: "return"; readonly index: number }
  | { readonly do: "checkpoint" }
  /** The owner dies after so many more packets. */
  | { readonly do: "kill"; readonly packets: number }
  /** The next owner takes over, whatever the present one does, and dies after so many packets. */
  | { readonly do: "replace"; readonly packets: number };

export class Conversation {
  readonly broker = new Broker();
  readonly gateway = new Gateway(this.broker);
  /** Counters that a module has seen. */
  readonly forwarded = new Set<number>();
  /** Commands that a module knows to be with its device. */
  readonly acknowledged = new Set<string>();
  owner: Owner;
  /** How each takeover went. */
  readonly decisions: string[] = [];
  #epoch = 1;
  #commands = 0;

  /** Two devices in normal communication; the owner has sent no packet since. */
  constructor() {
    this.owner = new Owner(this, this.#epoch, Infinity);
    this.settle();
    this.gateway.connect([FRONT, LAMP]);
    this.settle();
    for (const device of [FRONT, LAMP]) this.gateway.status(device, DeviceState.CONNECTING);
    this.settle();
    assert.equal(this.owner.session.kind, "running");
    this.owner.checkpoint();
    this.gateway.told = 0;
  }

  act(action: Action): void {
    const { gateway, owner } = this;
    switch (action.do) {
      case "status": {
        const device = action.lamp && gateway.devices.has(deviceKey(LAMP)) ? LAMP : FRONT;
        return gateway.status(device, DeviceState.RUNNING);
      }
      case "toggle": {
        const isThere = gateway.devices.has(deviceKey(LAMP));
        return gateway.status(LAMP, isThere ? DeviceState.DISCONNECT : DeviceState.CONNECTING);
      }
      case "command":
        return owner.command(FRONT, `command ${this.#commands++}`);
      case "respond":
        return gateway.respond();
      case "receive":
        owner.receive();
        return;
      case "return":
        return owner.moduleReturns(action.index);
      case "checkpoint":
        return owner.checkpoint();
      case "kill":
        owner.packets = Math.min(owner.packets, action.packets);
        return;
      case "replace":
        return this.replace(action.packets);
    }
  }

  replace(packets = Infinity): void {
    this.#note();
    this.owner = new Owner(this, ++this.#epoch, packets);
  }

  #note(): void {
    const { decision } = this.owner;
    this.decisions.push(
      decision === null
        ? "died"
        : decision.type === "connect_again"
        ? decision.reason
        : decision.type,
    );
  }

  /** Lets everything come to rest; the last owner lives. */
  settle(): void {
    if (this.owner.dead) this.replace();
    this.owner.packets = Infinity;
    const { owner, gateway } = this;
    for (let moved = true; moved;) {
      moved = owner.receive() || owner.calls.length > 0 || gateway.commands.length > 0;
      owner.moduleReturns(0);
      gateway.respond();
      if (!moved && this.broker.backlog > 0) {
        owner.checkpoint();
        moved = this.broker.backlog > 0;
      }
    }
  }

  /** Nothing was lost, doubled or out of order, and the gateway noticed nothing. */
  check(): void {
    const { gateway, owner, forwarded } = this;
    const { session } = owner;
    assert.deepEqual(gateway.unanswered, []);
    assert.equal(gateway.answered.size, gateway.statuses);
    const missing = [...gateway.answered].filter((counter) => !forwarded.has(counter));
    assert.deepEqual(missing, [], "every status has been with a module");
    assert.equal(new Set(gateway.received).size, gateway.received.length, "no command twice");
    const unsettled = gateway.received.filter((command) => !this.acknowledged.has(command));
    assert.deepEqual(unsettled, [], "every command has been acknowledged to its module");
    assert.equal(gateway.connects, 1);
    assert.equal(gateway.told, 0, this.decisions.join());
    assert.ok(session.kind === "running");
    assert.deepEqual(session.sent, []);
    assert.equal(session.base.commands.ready.size, 0);
    assert.deepEqual(session.devices.map(deviceKey).sort(), [...gateway.devices.keys()].sort());
    assert.equal(session.statuses.expected, gateway.statuses);
  }
}

/** The checkpoint that the broker has. */
export function retained(broker: Broker): Checkpoint {
  assert.ok(broker.checkpoint !== null);
  const read = readCheckpoint(broker.checkpoint, 0);
  assert.ok(!("reason" in read));
  return read;
}
