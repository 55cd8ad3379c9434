// A gateway without behavior of its own: a test sends every message, and may send wrong ones.
import {
  type ClientMessage,
  type Command,
  CommandResponseType,
  ConnectResponseType,
  type Device,
  DeviceState,
  nextCounter,
  NO_BYTES,
  type ServerMessage,
} from "../../src/protocol/mod.ts";
import { createGateway, type Input, sessionIdOf, step } from "../../src/gateway/mod.ts";
import { decodeServerMessage, encodeClientMessage } from "../../src/protocol/codec/mod.ts";
import { asBytes, makeDevices } from "../../src/simulator/devices.ts";
import { type GatewayBroker, GatewayLink } from "../../src/gateway/gateway_link.ts";
import { simulationOptions } from "../../src/simulator/gateway_options.ts";
import { Inbox, Waiters } from "../../src/simulator/waiters.ts";

/** Default timeout of waiting methods, in milliseconds: only a hang takes that long. */
const DEFAULT_WAIT_MS = 60_000;
/** Maximum number of unread messages; with more, the oldest are lost. */
const KEPT_MESSAGES = 100_000;

/** Whose gateway it is. */
export interface ScriptedGatewayOptions {
  readonly company: string;
  readonly car: string;
  readonly broker: GatewayBroker;
  readonly clientId?: string;
  /** @default {one of module 1000} */
  readonly devices?: number | readonly Device[];
}

/** The contents of a status; all have valid defaults. */
export interface ScriptedStatus {
  readonly state?: number;
  /** @default {the next one; the one after it is then next} */
  readonly counter?: number;
  readonly sessionId?: string;
  readonly errorMessage?: string | Uint8Array;
}

/** The contents of a Connect; all have valid defaults. */
export interface ScriptedConnect {
  /** @default {a fresh one} */
  readonly sessionId?: string;
  readonly devices?: readonly Device[];
  readonly company?: string;
  readonly vehicleName?: string;
}

/** The server sent something that the script did not expect. */
export class UnexpectedMessageError extends Error {
  override readonly name = "UnexpectedMessageError";
}

/** The broker cannot be reached, or refuses. */
export class GatewayLinkError extends Error {
  override readonly name = "GatewayLinkError";
}

function isAlreadyLogged(message: ServerMessage): boolean {
  return message.kind === "connect_response" &&
    message.type === ConnectResponseType.ALREADY_LOGGED;
}

type Kind = ServerMessage["kind"];
type MessageOf<K extends Kind> = Extract<ServerMessage, { kind: K }>;

/** A connection to the broker and the words of a gateway [TOPIC-NAMES] [MSG-EXTERNAL]. */
export class ScriptedGateway {
  readonly car: string;
  readonly devices: readonly Device[];
  /** The session the last Connect asked for. */
  sessionId = "";
  /** The counter of the next status. */
  counter = 1;
  /** Disconnect notifications so far. */
  notifications = 0;
  /** The session ids of everything that said ALREADY_LOGGED so far. */
  readonly told: string[] = [];
  readonly #options: ScriptedGatewayOptions;
  readonly #link: GatewayLink;
  readonly #up = new Waiters<string | undefined>();
  readonly #messages = new Inbox<ServerMessage>(KEPT_MESSAGES);
  readonly #notified = new Waiters<void>();

  constructor(options: ScriptedGatewayOptions) {
    const { car, devices = 1 } = options;
    this.car = car;
    this.devices = typeof devices === "number" ? makeDevices(devices) : devices;
    this.#options = options;
    this.#link = new GatewayLink(options, {
      onUp: () => this.#up.offer(undefined),
      onDown: (reason) => this.#up.offer(reason),
      onMessage: (payload) => this.#onMessage(decodeServerMessage(payload)),
      onNotification: () => {
        this.notifications += 1;
        this.#notified.offer();
      },
    });
  }

  /** Messages that arrived and were not expected yet, oldest first. */
  get unread(): readonly ServerMessage[] {
    return this.#messages.unread;
  }

  /**
   * Connects to the broker and subscribes; sends the server nothing.
   *
   * @throws {GatewayLinkError} when the broker refuses.
   */
  async open(timeoutMs: number = DEFAULT_WAIT_MS): Promise<this> {
    const up = this.#up.next(`the broker to accept gateway "${this.car}"`, timeoutMs);
    this.#link.open();
    const reason = await up;
    if (reason === undefined) return this;
    throw new GatewayLinkError(`Cannot connect gateway "${this.car}" to its broker: ${reason}`);
  }

  /** Disconnects from the broker cleanly. Idempotent. */
  async close(): Promise<void> {
    await this.#link.closed();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Sends Connect; status counters start from 1 again. Returns the session's id. */
  connect(connect: ScriptedConnect = {}): string {
    const { company, car } = this.#options;
    const { sessionId = crypto.randomUUID(), devices = this.devices } = connect;
    this.sessionId = sessionId;
    this.counter = 1;
    this.publish({
      kind: "connect",
      sessionId,
      company: connect.company ?? company,
      vehicleName: connect.vehicleName ?? car,
      devices,
    });
    return sessionId;
  }

  /** Sends a status, RUNNING unless told otherwise. Returns its counter. */
  status(device: Device, data: string | Uint8Array = "{}", status: ScriptedStatus = {}): number {
    const { state = DeviceState.RUNNING, counter = this.counter, errorMessage } = status;
    this.counter = nextCounter(counter);
    this.publish({
      kind: "status",
      sessionId: status.sessionId ?? this.sessionId,
      deviceState: state,
      messageCounter: counter,
      device,
      statusData: asBytes(data),
      errorMessage: errorMessage === undefined ? NO_BYTES : asBytes(errorMessage),
    });
    return counter;
  }

  /** Answers a command. */
  answer(command: Command, type: number = CommandResponseType.OK): void {
    const { sessionId, messageCounter } = command;
    this.publish({ kind: "command_response", sessionId, type, messageCounter });
  }

  /** Sends any message. */
  publish(message: ClientMessage): void {
    this.publishRaw(encodeClientMessage(message));
  }

  /** Publishes any bytes, on the gateway's own topic or another one. */
  publishRaw(bytes: Uint8Array, topic?: string): void {
    this.#link.publish(bytes, topic);
  }

  /**
   * Takes the oldest message that was not expected yet, or the next one to come.
   *
   * @throws {UnexpectedMessageError} when it is of another kind.
   * @throws {GatewayTimeoutError} when none comes in time.
   */
  async expect<K extends Kind>(
    kind: K,
    timeoutMs: number = DEFAULT_WAIT_MS,
  ): Promise<MessageOf<K>> {
    const message = await this.expectAny(kind, timeoutMs);
    if (message.kind === kind) return message as MessageOf<K>;
    const { kind: found, sessionId } = message;
    throw new UnexpectedMessageError(
      `Cannot take the next message of gateway "${this.car}" as ${kind}: it is ${found} of session "${sessionId}"`,
    );
  }

  /**
   * Takes the oldest message that was not expected yet, or the next one to come, of any kind.
   *
   * @throws {GatewayTimeoutError} when none comes in time.
   */
  expectAny(what = "message", timeoutMs: number = DEFAULT_WAIT_MS): Promise<ServerMessage> {
    return this.#messages.take(`a ${what} for gateway "${this.car}"`, timeoutMs);
  }

  /**
   * Waits for the next disconnect notification; call it before what provokes one.
   *
   * @throws {GatewayTimeoutError}
   */
  expectNotification(timeoutMs: number = DEFAULT_WAIT_MS): Promise<void> {
    return this.#notified.next(`the disconnect notification for "${this.car}"`, timeoutMs);
  }

  /**
   * Takes the oldest ALREADY_LOGGED that was not expected yet, or the next one to come, whatever
   * came before it. Returns its session id.
   *
   * @throws {GatewayTimeoutError}
   */
  async expectTold(timeoutMs: number = DEFAULT_WAIT_MS): Promise<string> {
    const what = `ALREADY_LOGGED for "${this.car}"`;
    return (await this.#messages.take(what, timeoutMs, isAlreadyLogged)).sessionId;
  }

  /**
   * Goes through a whole connect sequence as a faithful gateway; commands are answered with OK.
   *
   * @returns the first commands
   * @throws {UnexpectedMessageError} when a faithful gateway would give up
   * @throws {GatewayTimeoutError} when a message does not come in time
   */
  async connectSequence(): Promise<Command[]> {
    const { settings, sessionSeed } = simulationOptions({
      ...this.#options,
      devices: this.devices,
    });
    const commands: Command[] = [];
    let state = createGateway(sessionSeed);
    const take = (input: Input) => {
      const next = step(state, input, { now: 0, settings });
      state = next.state;
      for (const effect of next.effects) {
        if (effect.type === "send") this.publish(effect.message);
        if (effect.type === "command") commands.push(effect.command);
        if (effect.type === "ended") {
          const { reason, detail } = effect;
          const what = `Cannot go through the connect sequence of gateway "${this.car}"`;
          throw new UnexpectedMessageError(`${what}: ${reason}, ${detail}`);
        }
      }
    };
    take({ type: "start" });
    for (const device of this.devices) {
      take({ type: "status", device, data: asBytes("{}"), errorMessage: NO_BYTES, tag: null });
    }
    take({ type: "link_up" });
    this.sessionId = sessionIdOf(state) ?? "";
    this.counter = this.devices.length + 1;
    while (state.kind === "connecting") {
      take({ type: "message", message: await this.expectAny(`message at step "${state.step}"`) });
    }
    return commands;
  }

  #onMessage(message: ServerMessage): void {
    if (isAlreadyLogged(message)) this.told.push(message.sessionId);
    this.#messages.put(message);
  }
}
