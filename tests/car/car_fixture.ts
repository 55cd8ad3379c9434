// A whole car without broker, modules and waiting: the test is all three.
import { Car, type CarOptions } from "../../src/car/car.ts";
import { CarRecord } from "../../src/observe/car_record.ts";
import type { Failure } from "../../src/session/failure.ts";
import type { SessionSettings } from "../../src/session/settings.ts";
import type { LogLevel } from "../../src/log/settings.ts";
import type { ContextListener } from "../../src/module/context.ts";
import { decodeServerMessage, encodeClientMessage } from "../../src/protocol/codec/codec.ts";
import { type Device, DeviceState, type ServerMessage } from "../../src/protocol/messages.ts";
import { FakeContext } from "../support/fake_context.ts";
import { ListLog } from "../support/list_log.ts";
import { MemoryTransport } from "../support/memory_transport.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { bytes, SETTINGS } from "./support.ts";

/** A larger payload is discarded. */
export const MESSAGE_BYTES = 1000;

/** What a test can make of a car. */
export interface CarFixtureOptions extends Partial<Omit<CarOptions, "settings" | "log" | "clock">> {
  readonly clock?: VirtualClock;
  readonly settings?: Partial<SessionSettings>;
  readonly logLevel?: LogLevel;
}

/** The rest of a status besides its device and counter. */
export interface StatusFields {
  readonly state?: number;
  readonly data?: string;
  readonly error?: string;
  readonly counter?: number;
}

/** One car and everything around it. */
export class CarFixture {
  readonly clock: VirtualClock;
  readonly transport: MemoryTransport;
  readonly log: ListLog;
  readonly car: Car;
  /** What the operators' side remembers of the car. */
  readonly record: CarRecord;
  counter = 0;
  sessionId = "s1";
  readonly #contexts = new Map<number, FakeContext>();

  constructor(options: CarFixtureOptions = {}) {
    const { settings, logLevel = "DEBUG", transport = new MemoryTransport(), ...rest } = options;
    this.clock = options.clock ?? new VirtualClock();
    this.record = new CarRecord(this.clock);
    const { subscribers = [] } = rest;
    this.transport = transport as MemoryTransport;
    this.log = new ListLog(logLevel);
    this.car = new Car({
      log: this.log,
      maxMessageBytes: MESSAGE_BYTES,
      ...rest,
      clock: this.clock,
      subscribers: [this.record, {
        onTurn: ({ effects }) => {
          for (const effect of effects) {
            if (effect.type === "ended") this.lastFailures.push(effect.failure);
          }
        },
      }, ...subscribers],
      transport,
      settings: { ...SETTINGS, ...settings },
    });
  }

  /** Why sessions ended, oldest first. */
  readonly lastFailures: Failure[] = [];

  /** The context of a module; one that has not been opened is made and attached. */
  context(module: number): FakeContext {
    const known = this.#contexts.get(module);
    if (known !== undefined) return known;
    const listener: ContextListener = {
      onCommand: (command) => this.car.takeCommand(module, command),
      onLost: (reason) => this.car.loseModule(module, reason),
    };
    const spec = { ...SPEC, module, car: this.car.name };
    const context = new FakeContext(spec, listener);
    this.#contexts.set(module, context);
    this.car.attach(context);
    return context;
  }

  /** The context of a module is gone. */
  lose(module: number, reason: string): void {
    const context = this.context(module);
    this.#contexts.delete(module);
    context.lose(reason);
  }

  /** Started, with contexts and a broker. */
  up(): this {
    this.car.start();
    for (const module of [7, 8]) this.context(module);
    this.car.modulesReady();
    this.brokerUp();
    return this;
  }

  /** The broker is there; what the car says to whoever was there before is forgotten. */
  brokerUp(): void {
    this.transport.up();
    this.transport.published.length = 0;
  }

  /** The connect sequence with these devices, to its end. */
  async run(devices: readonly Device[], sessionId = "s1"): Promise<this> {
    this.connect(devices, sessionId);
    await settled();
    for (const device of devices) this.status(device, { state: DeviceState.CONNECTING });
    await settled();
    for (const message of this.published) {
      if (message.kind === "command") this.respond(message.messageCounter);
    }
    await settled();
    if (this.car.state !== "RUNNING") throw new Error(`The car is ${this.car.state}`);
    this.transport.published.length = 0;
    for (const context of this.#contexts.values()) context.calls.length = 0;
    return this;
  }

  connect(devices: readonly Device[], sessionId = "s1"): void {
    this.sessionId = sessionId;
    this.counter = 0;
    const { company } = SETTINGS;
    const vehicleName = this.car.name;
    this.transport.deliver(
      encodeClientMessage({ kind: "connect", sessionId, company, vehicleName, devices }),
    );
  }

  status(device: Device, fields: StatusFields = {}): void {
    const { state = DeviceState.RUNNING, data = "", error = "" } = fields;
    const { counter = this.counter++ } = fields;
    this.transport.deliver(encodeClientMessage({
      kind: "status",
      sessionId: this.sessionId,
      deviceState: state,
      messageCounter: counter,
      device,
      statusData: bytes(data),
      errorMessage: bytes(error),
    }));
  }

  respond(messageCounter: number, type = 0): void {
    const { sessionId } = this;
    this.transport.deliver(
      encodeClientMessage({ kind: "command_response", sessionId, type, messageCounter }),
    );
  }

  get published(): ServerMessage[] {
    return this.transport.published.map(decodeServerMessage);
  }

  /** Counters of the statuses that were answered. */
  get answers(): number[] {
    return this.published.flatMap((one) =>
      one.kind === "status_response" ? [one.messageCounter] : []
    );
  }
}

const SPEC = { company: "acme", libPath: "/lib.so", parameters: [], waitTimeoutMs: 1000 };
