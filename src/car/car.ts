// The driver of a car's session: feeds it inputs from transport, modules and clock, and carries out
// its effects.
import type { ModuleContext } from "../module/mod.ts";
import type {
  BrokerTrouble,
  CarTransport,
  MessageLimits,
  TransportListener,
  TransportStats,
} from "../transport/mod.ts";
import type { Log } from "../log/mod.ts";
import type { ClientMessage, ModuleCommand, ServerMessage } from "../protocol/mod.ts";
import { encodeServerMessage, readClientMessage } from "../protocol/codec/mod.ts";
import { Alarm, type Clock, systemClock } from "../time/mod.ts";
import { type CarCounts, CarStatistics } from "./car_statistics.ts";
import {
  connectedDevices,
  createSession,
  type Effect,
  type Input,
  isSaturated,
  nextDeadline,
  type QueueDepths,
  queueDepths,
  type Session,
  type SessionSettings,
  type StateName,
  stateName,
  step,
} from "../session/mod.ts";
import { sessionIdOf } from "./events.ts";
import { CarJournal } from "./journal.ts";
import { ModuleCalls } from "./module_calls.ts";
import type { Turn, TurnSubscriber } from "./turn.ts";

/** The parts of a car. */
export interface CarOptions {
  readonly settings: SessionSettings;
  readonly transport: CarTransport;
  readonly log: Log;
  /** A larger payload is discarded unread, in bytes. */
  readonly maxMessageBytes: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Called in this order. */
  readonly subscribers?: readonly TurnSubscriber[];
  /**
   * Gets what sends a StatusResponse, to be called once the status may be answered; messages that
   * come meanwhile wait behind it. Calls in the order in which it was called. @default {at once}
   */
  readonly beforeAnswer?: ((send: () => void) => void) | undefined;
}

/** A car as plain data. */
export interface CarSnapshot {
  readonly car: string;
  readonly state: StateName;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Whether an operator has paused the car. */
  readonly paused: boolean;
  /** Whether the car is connected to the broker. */
  readonly brokerConnected: boolean;
  /** Whether the car has all its module contexts. */
  readonly modulesReady: boolean;
  readonly sessionId: string | null;
  /** Connected devices, `module/type/role`. */
  readonly devices: readonly string[];
  readonly queues: QueueDepths;
  readonly statistics: CarCounts;
  /** `null` when the transport has no counters. */
  readonly transport: Readonly<TransportStats> | null;
}

/** Pause of the timer after a defect in the session, as it might fire forever; in milliseconds. */
const DEFECT_REST_MS = 1000;

/**
 * One car of the fleet.
 *
 * All events of gateway, modules and broker go into one queue of inputs, which the session gets one
 * after the other. Nothing here throws: a defect is logged, and the rest goes on.
 */
export class Car {
  readonly name: string;
  readonly statistics = new CarStatistics();
  readonly #transport: CarTransport;
  readonly #journal: CarJournal;
  readonly #clock: Clock;
  #maxMessageBytes: number;
  readonly #subscribers: readonly TurnSubscriber[];
  readonly #beforeAnswer: CarOptions["beforeAnswer"];
  readonly #calls: ModuleCalls;
  readonly #inputs: Input[] = [];
  #session: Session;
  #settings: SessionSettings;
  #since: number;
  #busy = false;
  #readingPaused = false;
  /** Messages that {@linkcode CarOptions.beforeAnswer} holds. */
  #held = 0;
  readonly #alarm: Alarm;
  #restUntil = -Infinity;
  /** Commands that modules have given. */
  #popped = 0;

  constructor(options: CarOptions) {
    this.name = options.settings.car;
    this.#transport = options.transport;
    this.#clock = options.clock ?? systemClock;
    this.#since = Math.floor(this.#clock.now());
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#journal = new CarJournal({
      log: options.log.forCar(this.name),
      clock: this.#clock,
      sessionId: () => sessionIdOf(this.#session),
    });
    this.#subscribers = [this.statistics, this.#journal, ...options.subscribers ?? []];
    this.#beforeAnswer = options.beforeAnswer;
    this.#calls = new ModuleCalls(this.#take);
    this.#alarm = new Alarm(this.#clock, () => this.#take({ type: "tick" }));
    this.#settings = options.settings;
    this.#session = createSession();
  }

  /** Connects to the broker, again and again until {@linkcode stop}. */
  start(): void {
    const listener: TransportListener = {
      onConnected: () => this.#take({ type: "broker_connected" }),
      onUp: () => this.#take({ type: "broker_up" }),
      onLeaving: (detail) => this.#take({ type: "broker_leaving", detail }),
      onDown: (detail) => this.#take({ type: "broker_lost", detail }),
      onMessage: this.#onMessage,
    };
    this.#transport.start(listener);
  }

  /**
   * Ends the session and leaves the broker [STOP-ORDER]; the owner of the module contexts
   * destroys them afterwards. Never rejects.
   *
   * @param detail why the car is removed, human-readable; absent when the server stops, which gateways
   * are not told
   */
  async stop(detail?: string): Promise<void> {
    this.#take({ type: "stop", ...(detail === undefined ? {} : { detail }) });
    try {
      await this.#transport.stop();
    } catch (error) {
      this.#journal.defect("stopping the transport", error);
    }
  }

  /** A module has a command; called in the order in which they were popped. */
  takeCommand(module: number, command: ModuleCommand): void {
    const { company, car } = this.#settings;
    const id = `${company}/${car}/${Math.floor(this.#clock.now())}/${++this.#popped}`;
    this.#take({ type: "command", module, command, id });
  }

  /** The context of a module was lost; every open call has ended as `host_lost`. */
  loseModule(module: number, reason: string): void {
    this.#calls.detach(module);
    this.#take({ type: "module_lost", detail: `Module ${module}: ${reason}` });
  }

  /** Adds the context of a module. */
  attach(context: ModuleContext): void {
    this.#calls.attach(context);
  }

  /** Every context has been attached: gateways may connect. */
  modulesReady(): void {
    this.#take({ type: "modules_ready" });
  }

  /**
   * Continues a session that another process had. It needs its module contexts, unless it is offline.
   *
   * @param missed what came meanwhile
   */
  takeOver(session: Session, missed: readonly ClientMessage[]): void {
    this.#take({ type: "take_over", session, missed });
  }

  /**
   * Leaves the session, which another process continues, silently; the contexts are called no more, and
   * others have to be attached before {@linkcode takeOver}.
   */
  handOver(): void {
    this.#take({ type: "hand_over" });
    this.#calls.detachAll();
  }

  /** The modules keep their commands from now on. Resolves when those that were popped have come. */
  holdCommands(): Promise<void> {
    return this.#calls.holdCommands();
  }

  /** The present session, a value. */
  get session(): Session {
    return this.#session;
  }

  /** Messages of the session that {@linkcode CarOptions.beforeAnswer} holds. */
  get heldMessages(): number {
    return this.#held;
  }

  get settings(): SessionSettings {
    return this.#settings;
  }

  /** Applies new settings and limits; the session goes on. */
  configure(settings: SessionSettings, limits: MessageLimits): void {
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#transport.limitMessages?.(limits);
    this.#settings = settings;
    this.#take({ type: "settings" });
  }

  /**
   * Ends the session, so that contexts can be replaced; the old ones are still called. Gateways may
   * connect again after {@linkcode modulesReady}.
   *
   * @param detail why, human-readable
   */
  releaseModules(detail: string): void {
    this.#take({ type: "module_lost", detail });
    this.#calls.detachAll();
  }

  /**
   * Reconnects to the broker at a random moment within `withinMs`: the session goes on
   * until then, and ends as `broker_lost`. The gateway is told through the old connection.
   */
  reconnect(reason: string, withinMs: number): void {
    this.#transport.reconnect?.(reason, withinMs);
  }

  /** Ends the session, so that the gateway connects again. */
  restart(): void {
    this.#take({ type: "restart" });
  }

  /** Ends the session and answers no Connect until {@linkcode resume}. Idempotent. */
  pause(): void {
    this.#take({ type: "pause" });
  }

  /** Answers Connects again. Idempotent. */
  resume(): void {
    this.#take({ type: "resume" });
  }

  /** The state as operators know it. */
  get state(): StateName {
    return stateName(this.#session);
  }

  /** Why the car has no broker; `null` when it has one, or the transport does not know. */
  get brokerTrouble(): BrokerTrouble | null {
    return this.#transport.trouble ?? null;
  }

  /** The car as plain data. */
  snapshot(): CarSnapshot {
    const session = this.#session;
    return {
      car: this.name,
      state: this.state,
      since: this.#since,
      paused: session.base.paused,
      brokerConnected: session.kind !== "offline" && session.kind !== "stopped",
      modulesReady: session.base.modulesReady,
      sessionId: sessionIdOf(session),
      devices: connectedDevices(session),
      queues: queueDepths(session),
      statistics: this.statistics.snapshot(),
      transport: this.#transport.stats === undefined ? null : { ...this.#transport.stats },
    };
  }

  readonly #onMessage = (payload: Uint8Array): void => {
    if (payload.length > this.#maxMessageBytes) {
      const detail = `it has ${payload.length} bytes, at most ${this.#maxMessageBytes} are allowed`;
      return this.#take({ type: "rejected", why: "too_large", detail });
    }
    let message;
    try {
      message = readClientMessage(payload, this.#clock.now());
    } catch (error) {
      message = { kind: "malformed", reason: (error as Error).message } as const;
    }
    if (message.kind !== "malformed") return this.#take({ type: "message", message });
    this.#take({ type: "rejected", why: "malformed", detail: message.reason });
  };

  /** Takes an input, and those that arrive while its effects are carried out, one after the other. */
  readonly #take = (input: Input): void => {
    if (this.#busy) return void this.#inputs.push(input);
    this.#busy = true;
    try {
      for (let next: Input | undefined = input; next; next = this.#inputs.shift()) {
        this.#advance(next);
      }
    } finally {
      this.#busy = false;
    }
  };

  #advance(input: Input): void {
    const at = this.#clock.now();
    const settings = this.#settings;
    const before = this.#session;
    const effects = this.#step(input, at);
    for (const effect of effects) {
      try {
        this.#perform(effect);
      } catch (error) {
        this.#journal.defect(effect.type, error);
        this.#calls.giveUp(effect);
      }
    }
    const after = this.#session;
    const mayDiffer = before.kind !== after.kind || before.base !== after.base;
    if (mayDiffer && stateName(before) !== stateName(after)) this.#since = Math.floor(at);
    this.#tell({ car: this.name, at, settings, input, before, after, effects });
    try {
      this.#watchQueue();
      this.#alarm.set(Math.max(nextDeadline(this.#session, this.#settings), this.#restUntil));
    } catch (error) {
      this.#journal.defect("keeping the transport and the timer", error);
    }
  }

  /** Steps the session; after a defect it stays as it was. */
  #step(input: Input, now: number): readonly Effect[] {
    try {
      const { session, effects } = step(this.#session, input, { now, settings: this.#settings });
      this.#session = session;
      return effects;
    } catch (error) {
      this.#restUntil = now + DEFECT_REST_MS;
      this.#journal.defect(`session on ${input.type}`, error);
      return [];
    }
  }

  #tell(turn: Turn): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber.onTurn(turn);
      } catch (error) {
        this.#journal.defect("a subscriber", error);
      }
    }
  }

  /** Backpressure: statuses wait in the gateway, nothing is dropped. */
  #watchQueue(): void {
    const saturated = isSaturated(this.#session);
    if (saturated === this.#readingPaused) return;
    this.#readingPaused = saturated;
    if (saturated) this.#transport.pause();
    else this.#transport.resume();
  }

  /** Sends what was held back, unless it belongs to a session that has ended. */
  #publishHeld(message: ServerMessage): void {
    this.#held--;
    const isOver = message.sessionId !== sessionIdOf(this.#session);
    if (isOver && message.kind !== "connect_response") return;
    try {
      this.#transport.publish(encodeServerMessage(message));
    } catch (error) {
      this.#journal.defect("publish", error);
    }
  }

  #perform(effect: Effect): void {
    switch (effect.type) {
      case "publish":
        if (this.#beforeAnswer !== undefined && (effect.answers !== undefined || this.#held > 0)) {
          this.#held++;
          return this.#beforeAnswer(() => this.#publishHeld(effect.message));
        }
        return this.#transport.publish(encodeServerMessage(effect.message));
      case "notify":
        return this.#transport.notifyDisconnect();
      // Notes and failures are for subscribers.
      case "note":
      case "ended":
        return;
      default:
        return this.#calls.perform(effect);
    }
  }
}
