// A gateway's core by itself: a test hands it inputs, and sees every state and effect.
import assert from "node:assert/strict";
import {
  createGateway,
  type Effect,
  GATEWAY_TIMES,
  type GatewaySettings,
  type GatewayState,
  type Input,
  nextDeadline,
  sessionIdOf,
  step,
} from "../../src/gateway/mod.ts";
import {
  type ClientMessage,
  ConnectResponseType,
  type Device,
  NO_BYTES,
  type ServerMessage,
} from "../../src/protocol/messages.ts";
import { bytes, device } from "../car/support.ts";

export const FRONT = device(7, "front");
export const REAR = device(7, "rear");

/** Settings of a gateway with one module. */
export const GATEWAY_SETTINGS: GatewaySettings = {
  company: "acme",
  car: "car_1",
  version: "1.4",
  times: GATEWAY_TIMES,
  modules: [{ module: 7, deviceTypes: [FRONT.deviceType] }],
  firstLinkFails: false,
  prepares: false,
  maxOpen: 100_000,
};

/** What a device says. */
export function said(who: Device, text = "", errorText = "", tag: number | null = null): Input {
  const errorMessage = errorText === "" ? NO_BYTES : bytes(errorText);
  return { type: "status", device: who, data: bytes(text), errorMessage, tag };
}

/** A device that leaves. */
export function left(who: Device): Input {
  return { type: "leave", device: who, data: NO_BYTES, errorMessage: NO_BYTES, tag: null };
}

/** One gateway, and everything it did. */
export class CoreGateway {
  now = 1_000;
  state: GatewayState = createGateway(1);
  readonly effects: Effect[] = [];
  readonly #settings: GatewaySettings;

  constructor(settings: Partial<GatewaySettings> = {}) {
    this.#settings = { ...GATEWAY_SETTINGS, ...settings };
  }

  /** Takes inputs, and returns what follows from them. */
  take(...inputs: Input[]): Effect[] {
    const effects = inputs.flatMap((input) => {
      const environment = { now: this.now, settings: this.#settings };
      const next = step(this.state, input, environment);
      this.state = next.state;
      return next.effects;
    });
    this.effects.push(...effects);
    return effects;
  }

  /** When something is due. */
  get deadline(): number | null {
    return nextDeadline(this.state, { now: this.now, settings: this.#settings });
  }

  get sessionId(): string {
    return sessionIdOf(this.state) ?? "";
  }

  /** Lets time pass, with a tick at every deadline on the way. */
  pass(ms: number): Effect[] {
    const until = this.now + ms;
    const effects: Effect[] = [];
    for (let due = this.deadline; due !== null && due <= until; due = this.deadline) {
      this.now = Math.max(this.now, due);
      effects.push(...this.take({ type: "tick" }));
    }
    this.now = until;
    return effects;
  }

  /** What the server says. */
  hear(message: ServerMessage): Effect[] {
    return this.take({ type: "message", message });
  }

  connectResponse(type: number = ConnectResponseType.OK, sessionId = this.sessionId): Effect[] {
    return this.hear({ kind: "connect_response", type, sessionId });
  }

  alreadyLogged(sessionId = this.sessionId): Effect[] {
    return this.connectResponse(ConnectResponseType.ALREADY_LOGGED, sessionId);
  }

  respond(messageCounter: number, sessionId = this.sessionId): Effect[] {
    return this.hear({ kind: "status_response", messageCounter, sessionId });
  }

  command(messageCounter: number, who: Device): Effect[] {
    const { sessionId } = this;
    const commandData = NO_BYTES;
    return this.hear({ kind: "command", sessionId, messageCounter, device: who, commandData });
  }

  /** Started, connected and running with these devices. */
  run(...devices: Device[]): this {
    this.take({ type: "start" }, ...devices.map((one) => said(one, "first")));
    return this.sequence();
  }

  /** From the broker's connection to normal communication. */
  sequence(): this {
    this.take({ type: "link_up" }, { type: "prepared" });
    this.connectResponse();
    assert.equal(this.state.kind, "connecting");
    const { open } = this.state as GatewayState & { kind: "connecting" };
    for (const { status: { messageCounter } } of open) {
      this.respond(messageCounter);
    }
    open.forEach(({ status }, index) => this.command(index, status.device));
    assert.equal(this.state.kind, "connected");
    return this;
  }
}

/** What is sent. */
export function sentOf(effects: readonly Effect[]): ClientMessage[] {
  return effects.flatMap((effect) => effect.type === "send" ? [effect.message] : []);
}

/** Statuses that are sent: their text, and what they say of their device. */
export function statusesOf(effects: readonly Effect[]): [text: string, state: number][] {
  return sentOf(effects).flatMap((message): [string, number][] =>
    message.kind === "status"
      ? [[new TextDecoder().decode(message.statusData), message.deviceState]]
      : []
  );
}

/** Why sessions ended. */
export function endsOf(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => effect.type === "ended" ? [effect.reason] : []);
}
