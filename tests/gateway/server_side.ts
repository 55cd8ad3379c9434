// The server's session of one car in virtual time, with its broker connection and its modules.
import type { Effect, Input } from "../../src/session/effects.ts";
import { createSession, nextDeadline, step } from "../../src/session/session.ts";
import type { SessionSettings } from "../../src/session/settings.ts";
import type { Session } from "../../src/session/state.ts";
import {
  type ClientMessage,
  ConnectResponseType,
  type Device,
  type ServerMessage,
} from "../../src/protocol/messages.ts";
import { Connection, type Network } from "./network.ts";

/** What the server publishes for its gateway, and when; null is the disconnect notification. */
export interface ServerPayload {
  readonly message: ServerMessage | null;
  readonly sentAt: number;
}

/** How a server is made. */
export interface ServerSideOptions {
  readonly network: Network;
  readonly settings: SessionSettings;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Longest time a call of a module takes, in milliseconds. */
  readonly callMs: number;
}

/** One process of the server. */
class OneProcess {
  session: Session;
  readonly #options: ServerSideOptions;
  #connection: Connection | null = null;
  #isAlive = true;
  #attempts = 0;
  /** Grows with every loss of the modules: calls made before do not return. */
  #modules = 0;
  #callsUntil = 0;
  #tickAt = Infinity;

  constructor(options: ServerSideOptions) {
    this.#options = options;
    this.session = createSession();
    this.#connect();
    this.loseModules(0);
  }

  die(): void {
    this.#isAlive = false;
    this.#connection?.close();
  }

  /** Modules are away for this long. */
  loseModules(ms: number): void {
    const modules = ++this.#modules;
    if (this.session.base.modulesReady) this.take({ type: "module_lost", detail: "test" });
    this.#after(ms, () => {
      if (modules === this.#modules) this.take({ type: "modules_ready" });
    });
  }

  take(input: Input): void {
    const now = this.#options.network.timeline.now();
    const { session, effects } = step(this.session, input, {
      now,
      settings: this.#options.settings,
    });
    this.session = session;
    for (const effect of effects) this.#perform(effect);
    const due = nextDeadline(session, this.#options.settings);
    if (due >= this.#tickAt) return;
    this.#tickAt = due;
    this.#after(Math.max(0, due - now), () => {
      if (this.#tickAt !== due) return;
      this.#tickAt = Infinity;
      this.take({ type: "tick" });
    });
  }

  #connect(): void {
    const { network, random } = this.#options;
    this.#connection = new Connection(network, "server", ["to_server"], {
      onAccepted: () => this.take({ type: "broker_connected" }),
      onUp: () => {
        this.#attempts = 0;
        this.take({ type: "broker_up" });
      },
      onDown: () => {
        this.take({ type: "broker_lost", detail: "test" });
        // At least once a second for the first half minute [WAIT-RETRY].
        const pause = Math.min(1_000, 200 * 2 ** this.#attempts++) * (0.5 + random() / 2);
        this.#after(pause, () => this.#connect());
      },
      onMessage: (_, message) => {
        this.take({ type: "message", message: message as ClientMessage });
      },
    });
  }

  #perform(effect: Effect): void {
    const sentAt = this.#options.network.timeline.now();
    switch (effect.type) {
      case "publish":
        return this.#connection?.publish("to_gateway", { message: effect.message, sentAt });
      case "notify":
        return this.#connection?.publish("notification", { message: null, sentAt });
      case "connect_device": {
        const { epoch, device } = effect;
        return this.#call({ type: "device_result", epoch, device, outcome: "ok" });
      }
      case "forward": {
        const { epoch, counter } = effect;
        return this.#call({ type: "forwarded", epoch, counter });
      }
    }
  }

  /** Calls return in order, each after a time of its own. */
  #call(result: Input): void {
    const { network: { timeline }, random, callMs } = this.#options;
    const now = timeline.now();
    this.#callsUntil = Math.max(this.#callsUntil, now) + random() * callMs;
    const modules = this.#modules;
    this.#after(this.#callsUntil - now, () => {
      if (modules === this.#modules) this.take(result);
    });
  }

  #after(ms: number, act: () => void): void {
    this.#options.network.timeline.set(() => {
      if (this.#isAlive) act();
    }, ms);
  }
}

/** The server, which may die and come back. */
export class ServerSide {
  readonly #options: ServerSideOptions;
  #process: OneProcess | null = null;

  constructor(options: ServerSideOptions) {
    this.#options = options;
  }

  /** The session of the process that runs; null while there is none. */
  get session(): Session | null {
    return this.#process?.session ?? null;
  }

  start(): void {
    this.#process ??= new OneProcess(this.#options);
  }

  kill(): void {
    this.#process?.die();
    this.#process = null;
  }

  /** Modules are away for this long. */
  loseModules(ms: number): void {
    this.#process?.loseModules(ms);
  }

  take(input: Input): void {
    this.#process?.take(input);
  }

  /** A module has a command for a device. */
  command(device: Device): void {
    const command = { device, data: new Uint8Array([1]) };
    this.take({ type: "command", module: device.module, command });
  }
}

/** Whether the gateway is told to connect again. */
export function isWord({ message }: ServerPayload): boolean {
  return message === null ||
    (message.kind === "connect_response" && message.type === ConnectResponseType.ALREADY_LOGGED);
}
