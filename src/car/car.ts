// A car: drives the pure session with what transport, modules and clock bring, and carries out what
// the session wants done.
import type { ContextListener, DisconnectType, ModuleContext } from "../module/context.ts";
import type { CallOutcome } from "../module/outcome.ts";
import type { CarTransport, TransportListener } from "../mqtt/transport.ts";
import type { Log, LogLevel } from "../observe/log.ts";
import { andSuppressed, Once } from "../observe/once.ts";
import { decodeClientMessage, encodeServerMessage } from "../protocol/codec.ts";
import { deviceKey } from "../protocol/device.ts";
import type { Device } from "../protocol/messages.ts";
import { type Clock, systemClock, type TimerHandle } from "../time/clock.ts";
import { type CarCounts, CarStatistics } from "./car_statistics.ts";
import type { Effect, Input, Note } from "./effects.ts";
import type { Failure } from "./failure.ts";
import { noteLine } from "./notes.ts";
import { createSession, isSaturated, nextDeadline, step } from "./session.ts";
import type { SessionSettings } from "./settings.ts";
import { type Session, type StateName, stateName } from "./state.ts";

/** What a car is made of. */
export interface CarOptions {
  readonly settings: SessionSettings;
  readonly transport: CarTransport;
  readonly log: Log;
  /** A larger payload is discarded unread, in bytes. */
  readonly maxMessageBytes: number;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Called with everything the session wants done, before it is done; must not throw. */
  readonly observer?: EffectObserver | undefined;
}

/** Looks on while a car carries out what its session wants. */
export type EffectObserver = (car: string, effect: Effect) => void;

/** A failure and when it happened, the last time when it happened often in a row. */
export interface PastFailure extends Failure {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** How often in a row. */
  readonly times: number;
}

/** A car as plain data. */
export interface CarSnapshot {
  readonly car: string;
  readonly state: StateName;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly sessionId: string | null;
  /** Connected devices, `module/type/role`. */
  readonly devices: readonly string[];
  readonly lastFailures: readonly PastFailure[];
  readonly statistics: CarCounts;
}

/** Failures a snapshot remembers. */
const MAX_FAILURES = 10;

/**
 * One car of the fleet.
 *
 * Whatever a gateway, a module or the broker does ends in one queue of inputs, so that the session
 * sees one thing after the other. Nothing here throws at its callers.
 */
export class Car {
  readonly name: string;
  readonly statistics = new CarStatistics();
  readonly #transport: CarTransport;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #maxMessageBytes: number;
  readonly #once: Once;
  readonly #observer: EffectObserver | undefined;
  readonly #contexts = new Map<number, ModuleContext>();
  readonly #inputs: Input[] = [];
  readonly #failures: PastFailure[] = [];
  #session: Session;
  #since = Date.now();
  #busy = false;
  #paused = false;
  #timer: TimerHandle | null = null;
  #timerAt = Infinity;

  constructor(options: CarOptions) {
    this.name = options.settings.car;
    this.#transport = options.transport;
    this.#log = options.log.forCar(this.name);
    this.#clock = options.clock ?? systemClock;
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#once = new Once({ clock: this.#clock });
    this.#observer = options.observer;
    this.#session = createSession(options.settings);
  }

  /** Connects to the broker, and keeps connecting until {@linkcode stop}. */
  start(): void {
    const listener: TransportListener = {
      onUp: () => this.#take({ type: "broker_up" }),
      onDown: (detail) => this.#take({ type: "broker_lost", detail }),
      onMessage: (payload) => this.#onMessage(payload),
    };
    this.#transport.start(listener);
  }

  /**
   * Ends the session in order and leaves the broker (section 4.4); module contexts are their owner's
   * to destroy afterwards. Never rejects.
   */
  async stop(): Promise<void> {
    this.#take({ type: "stop" });
    await this.#transport.stop();
  }

  /** What a context of `module` is to be made with; `onLost` tells its owner, after the car. */
  contextListener(module: number, onLost: ContextListener["onLost"]): ContextListener {
    return {
      onCommand: (command) => this.#take({ type: "command", module, command }),
      onLost: (reason, wasBusy) => {
        this.#contexts.delete(module);
        this.#take({ type: "module_lost", detail: `Module ${module}: ${reason}` });
        onLost(reason, wasBusy);
      },
    };
  }

  /** Takes the context of one module. */
  attach(context: ModuleContext): void {
    this.#contexts.set(context.spec.module, context);
  }

  /** Every context has been attached: gateways may connect. */
  modulesReady(): void {
    this.#take({ type: "modules_ready" });
  }

  /** The state as operators know it. */
  get state(): StateName {
    return stateName(this.#session);
  }

  /** The car as plain data; costs nothing until it is asked for. */
  snapshot(): CarSnapshot {
    const session = this.#session;
    const established = session.kind === "connecting" || session.kind === "running";
    return {
      car: this.name,
      state: this.state,
      since: this.#since,
      sessionId: established ? session.sessionId : null,
      devices: established ? [...session.devices.keys()] : [],
      lastFailures: [...this.#failures],
      statistics: { ...this.statistics },
    };
  }

  #onMessage(payload: Uint8Array): void {
    if (payload.length > this.#maxMessageBytes) {
      const size = `${payload.length} bytes, at most ${this.#maxMessageBytes} are taken`;
      this.#reject("too_large", () => `Discarded a message: it has ${size}`);
      return;
    }
    let message;
    try {
      message = decodeClientMessage(payload);
    } catch (error) {
      this.#reject("malformed", () => `Discarded a message: ${(error as Error).message}`);
      return;
    }
    if (message.kind === "status") this.statistics.statusesReceived++;
    this.#take({ type: "message", message });
  }

  #reject(kind: string, text: () => string): void {
    this.statistics.messagesRejected++;
    this.#logOnce("WARNING", kind, text);
  }

  /** Takes one input, and those that come while its effects are carried out, one after the other. */
  #take(input: Input): void {
    this.#inputs.push(input);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#inputs.shift(); next; next = this.#inputs.shift()) {
        this.#advance(next);
      }
    } finally {
      this.#busy = false;
    }
  }

  #advance(input: Input): void {
    const before = this.#session;
    try {
      const { session, effects } = step(before, input, this.#clock.now());
      this.#session = session;
      for (const effect of effects) this.#perform(effect);
    } catch (error) {
      // A defect of ours, and this car's alone: the others must not notice it.
      this.#log.critical(() =>
        `Defect while handling ${input.type}: ${(error as Error)?.stack ?? error}`
      );
    }
    if (stateName(before) !== this.state) {
      this.#since = Date.now();
      this.#log.debug(() => `State ${stateName(before)} is now ${this.state}`);
    }
    this.#watchQueue();
    this.#arm();
  }

  /** Statuses that pile up wait in the gateway: nothing is dropped, it is just not read. */
  #watchQueue(): void {
    const saturated = isSaturated(this.#session);
    if (saturated === this.#paused) return;
    this.#paused = saturated;
    if (saturated) {
      this.#logOnce(
        "WARNING",
        "saturated",
        () => "Reading paused: the car sends faster than its modules take",
      );
      this.#transport.pause();
    } else {
      this.#transport.resume();
    }
  }

  /** Keeps one timer, set anew only when it must fire earlier than it would. */
  #arm(): void {
    const deadline = nextDeadline(this.#session);
    if (deadline === Infinity) {
      if (this.#timer !== null) this.#clock.clear(this.#timer);
      this.#timer = null;
      this.#timerAt = Infinity;
      return;
    }
    if (this.#timer !== null) {
      if (this.#timerAt <= deadline) return;
      this.#clock.clear(this.#timer);
    }
    this.#timerAt = deadline;
    this.#timer = this.#clock.set(() => {
      this.#timer = null;
      this.#take({ type: "tick" });
    }, Math.max(0, deadline - this.#clock.now()));
  }

  #perform(effect: Effect): void {
    this.#observer?.(this.name, effect);
    switch (effect.type) {
      case "publish":
        this.statistics.countPublished(effect.message);
        this.#transport.publish(encodeServerMessage(effect.message));
        return;
      case "forward":
        return this.#forward(effect);
      case "notify":
        return this.#transport.notifyDisconnect();
      case "connect_device":
        return this.#connectDevice(effect.epoch, effect.device);
      case "disconnect_device":
        return this.#disconnectDevice(effect.disconnect, effect.device);
      case "acknowledge": {
        const { module, command } = effect;
        this.#contexts.get(module)?.acknowledgeCommand(
          command.device,
          command.data,
          (outcome) => this.#watch("command_ack", command.device, outcome),
        );
        return;
      }
      case "hold_commands":
        this.#logOnce(
          "WARNING",
          `held ${effect.module}`,
          () => `Module ${effect.module} keeps its commands: too many wait for the car`,
        );
        return this.#contexts.get(effect.module)?.holdCommands();
      case "release_commands":
        return this.#contexts.get(effect.module)?.releaseCommands();
      case "note":
        return this.#onNote(effect.note);
      case "ended":
        return this.#onEnded(effect.failure);
    }
  }

  #forward(effect: Effect & { type: "forward" }): void {
    const { epoch, counter, device, data, errorMessage } = effect;
    const context = this.#contexts.get(device.module);
    if (context === undefined) return;
    this.statistics.statusesForwarded++;
    const done = (outcome: CallOutcome) => {
      // The status did not reach a module: the gateway keeps it, and the session is about to end.
      if (outcome !== "host_lost") this.#take({ type: "forwarded", epoch, counter });
    };
    if (errorMessage.length === 0) {
      context.forwardStatus(device, data, (outcome) => {
        if (outcome !== "ok") this.#watch("forward_status", device, outcome);
        done(outcome);
      });
      return;
    }
    context.forwardStatus(
      device,
      data,
      (outcome) => this.#watch("forward_status", device, outcome),
    );
    context.forwardErrorMessage(device, errorMessage, (outcome) => {
      this.#watch("forward_error_message", device, outcome);
      done(outcome);
    });
  }

  #connectDevice(epoch: number, device: Device): void {
    const finish = (outcome: CallOutcome) =>
      this.#take({ type: "device_result", epoch, device, outcome });
    const context = this.#contexts.get(device.module);
    if (context === undefined) finish("host_lost");
    else context.connectDevice(device, finish);
  }

  #disconnectDevice(type: DisconnectType, device: Device): void {
    this.#contexts.get(device.module)?.disconnectDevice(
      type,
      device,
      (outcome) => this.#watch("device_disconnected", device, outcome),
    );
  }

  /** Logs and counts what a module refused; changes nothing in what follows (section 4.3). */
  #watch(call: string, device: Device, outcome: CallOutcome): void {
    if (outcome === "ok" || outcome === "host_lost") return;
    this.statistics.moduleCallsFailed++;
    this.#logOnce(
      "WARNING",
      `${call} ${outcome} ${deviceKey(device)}`,
      () => `Module ${device.module}: ${call} returned ${outcome}`,
      device,
    );
  }

  #onNote(note: Note): void {
    this.statistics.countNote(note);
    if (note.code === "not_forwarded" && !note.first && !this.#log.isEnabled("DEBUG")) return;
    const { level, text, device, kind } = noteLine(note);
    if (kind !== undefined) this.#logOnce(level, kind, text, device);
    else this.#write(level, text, device);
  }

  #onEnded(failure: Failure): void {
    this.statistics.sessionsFailed++;
    this.#remember(failure);
    const waited = failure.waitedMs > 0
      ? `, waited ${(failure.waitedMs / 1000).toFixed(1)} s for it`
      : "";
    const level = failure.reason === "stopped" || failure.reason === "new_session"
      ? "INFO"
      : "WARNING";
    const text = `Session ended: ${failure.reason}: ${failure.detail}${waited}`;
    const session = failure.sessionId === "" ? undefined : failure.sessionId;
    // A gateway may send Connects that cannot be used as fast as it likes.
    if (failure.reason === "connect_incomplete" || failure.reason === "protocol_violation") {
      return this.#logOnce(level, `ended ${failure.reason}`, () => text);
    }
    if (level === "INFO") this.#log.info(text, { session });
    else this.#log.warning(text, { session });
  }

  /** Keeps the last failures; one that repeats itself takes one place. */
  #remember(failure: Failure): void {
    const last = this.#failures.at(-1);
    const again = last?.reason === failure.reason && last.detail === failure.detail;
    if (again) this.#failures.pop();
    const times = again ? last.times + 1 : 1;
    this.#failures.push({ ...failure, at: Date.now(), times });
    if (this.#failures.length > MAX_FAILURES) this.#failures.shift();
  }

  #logOnce(level: LogLevel, kind: string, text: () => string, device?: Device): void {
    if (!this.#log.isEnabled(level)) return;
    const suppressed = this.#once.ask(kind);
    if (suppressed === undefined) return;
    this.#write(level, () => text() + andSuppressed(suppressed), device);
  }

  #write(level: LogLevel, text: () => string, device?: Device): void {
    const session = this.#session;
    const context = {
      session: session.kind === "connecting" || session.kind === "running"
        ? session.sessionId
        : undefined,
      device: device === undefined ? undefined : deviceKey(device),
    };
    switch (level) {
      case "DEBUG":
        return this.#log.debug(text, context);
      case "INFO":
        return this.#log.info(text, context);
      case "WARNING":
        return this.#log.warning(text, context);
      case "ERROR":
        return this.#log.error(text, context);
      case "CRITICAL":
        return this.#log.critical(text, context);
    }
  }
}
