// One car of the load: the gateway's side of the protocol, or of the bare echo, without its clocks.
import {
  decodeClientMessage,
  decodeServerMessage,
  encodeClientMessage,
} from "../../src/protocol/codec/codec.ts";
import { nextCounter } from "../../src/protocol/counter.ts";
import {
  ConnectResponseType,
  type Device,
  DeviceState,
  NO_BYTES,
} from "../../src/protocol/messages.ts";
import { carTopics } from "../../src/protocol/topics.ts";
import { Histogram } from "../../src/simulator/histogram.ts";
import { monotonicUs } from "../support/monotonic.ts";
import { RawClient } from "./raw_client.ts";

/** What all cars of one load share. */
export interface LoadCounts {
  sent: number;
  answered: number;
  /** On the wire when their session or connection ended. */
  lost: number;
  commands: number;
  /** Sessions that ended after they had run. */
  ended: number;
  /** Answers that were not the next one, and messages that are none. */
  wrong: number;
  readonly latency: Histogram;
  /** From the moment a command carries to its arrival. */
  readonly commandAge: Histogram;
}

/** What a car is made from. */
export interface LoadCarOptions {
  readonly port: number;
  readonly company: string;
  readonly car: string;
  /** False: nothing but statuses, which an echo sends back as they are. */
  readonly session: boolean;
  /** A device for each. */
  readonly modules: readonly number[];
  readonly counts: LoadCounts;
  /** Called whenever the car begins or ceases to run. */
  readonly onRunning: (running: boolean) => void;
}

/** How a car sends. */
export interface Pace {
  /** Statuses a second; 0: as fast as the window allows. */
  readonly rate: number;
  /** Unanswered statuses at most. */
  readonly window: number;
  /** Of every status's data. */
  readonly bytes: number;
}

/** A Connect that nobody answered is sent anew, with a new session, after so long. */
const RETRY_MS = 1_000;
/** A sequence that got stuck is begun anew after so long. */
const SEQUENCE_MS = 5_000;
/** The stamp of a command of the benchmark's module: CLOCK_MONOTONIC in microseconds. */
const STAMP_BYTES = 8;

type Phase = "closed" | "down" | "opening" | "connecting" | "sequence" | "running";

/** One car. It has no timer: its owner calls {@linkcode tick}. */
export class LoadCar {
  readonly #options: LoadCarOptions;
  readonly #devices: readonly Device[];
  #client: RawClient | undefined;
  #phase: Phase = "closed";
  #retryAt = Infinity;
  #sessionId = "";
  #counter = 1;
  #turn = 0;
  #awaited = 0;
  #pace: Pace | undefined;
  #data: Uint8Array = NO_BYTES;
  #nextAt = Infinity;
  /** When each status that has no answer was sent, oldest first, from `#oldest` on. */
  #sentAt: number[] = [];
  #oldest = 0;
  #oldestCounter = 0;

  constructor(options: LoadCarOptions) {
    this.#options = options;
    this.#devices = options.modules.map((module, i) => ({
      module,
      deviceType: 0,
      deviceRole: `role_${i + 1}`,
      deviceName: `device_${i + 1}`,
      priority: 0,
    }));
  }

  /** Statuses without an answer. */
  get inFlight(): number {
    return this.#sentAt.length - this.#oldest;
  }

  /** Connects to the broker, again and again until {@linkcode close}. */
  open(): void {
    this.#phase = "opening";
    const { company, car, port } = this.#options;
    const { externalServer, disconnect, moduleGateway } = carTopics(company, car);
    const client = new RawClient({
      port,
      clientId: `${company}/${car}`,
      subscribe: [externalServer, disconnect],
      publish: moduleGateway,
    }, {
      onUp: () => this.#options.session ? this.#connect() : this.#run(),
      onMessage: (payload) => this.#onMessage(payload),
      onDown: () => this.#onDown(),
    });
    this.#client = client;
    void client.open();
  }

  /** Begins to send, at a random point of the period. */
  load(pace: Pace): void {
    this.#pace = pace;
    this.#data = new TextEncoder().encode("x".repeat(pace.bytes));
    if (this.#phase === "running") this.#startPace();
  }

  /** Sends no more. */
  rest(): void {
    this.#pace = undefined;
  }

  /** Does what is due at `now`, as of `performance.now()`. */
  tick(now: number): void {
    if (now >= this.#retryAt) {
      this.#retryAt = Infinity;
      if (this.#phase === "down") this.open();
      else this.#connect();
    }
    const pace = this.#pace;
    if (pace === undefined || this.#phase !== "running" || now < this.#nextAt) return;
    if (pace.rate === 0) {
      while (this.inFlight < pace.window) this.#sendStatus();
      this.#nextAt = Infinity;
    } else if (this.inFlight < pace.window) {
      this.#nextAt = Math.max(this.#nextAt, now - 1_000) + 1_000 / pace.rate;
      this.#sendStatus();
    }
  }

  ping(): void {
    this.#client?.ping();
  }

  close(): void {
    this.#phase = "closed";
    this.#retryAt = Infinity;
    this.#client?.close();
  }

  #connect(): void {
    this.#leaveRunning();
    this.#phase = "connecting";
    this.#retryAt = performance.now() + RETRY_MS * (0.9 + 0.2 * Math.random());
    this.#sessionId = crypto.randomUUID();
    this.#counter = 1;
    this.#client?.publish(encodeClientMessage({
      kind: "connect",
      sessionId: this.#sessionId,
      company: this.#options.company,
      vehicleName: this.#options.car,
      devices: this.#devices,
    }));
  }

  #run(): void {
    this.#retryAt = Infinity;
    this.#phase = "running";
    this.#sentAt = [];
    this.#oldest = 0;
    this.#oldestCounter = this.#counter;
    this.#options.onRunning(true);
    if (this.#pace !== undefined) this.#startPace();
  }

  #startPace(): void {
    const { rate } = this.#pace as Pace;
    this.#nextAt = performance.now() + (rate > 0 ? Math.random() * 1_000 / rate : 0);
  }

  #leaveRunning(): void {
    if (this.#phase !== "running") return;
    const { counts, onRunning } = this.#options;
    counts.lost += this.inFlight;
    counts.ended++;
    this.#sentAt = [];
    this.#oldest = 0;
    onRunning(false);
  }

  #onDown(): void {
    if (this.#phase === "closed") return;
    this.#leaveRunning();
    this.#phase = "down";
    this.#retryAt = performance.now() + 100 + 400 * Math.random();
  }

  #onMessage(payload: Uint8Array): void {
    if (this.#options.session) this.#onServerMessage(payload);
    else if (payload.length === STAMP_BYTES) this.#onStamp(payload);
    else {
      const message = decodeClientMessage(payload);
      if (message.kind === "status") this.#onAnswer(message.messageCounter);
    }
  }

  /** The server wants a new session; a car that has a Connect on its way need not send another. */
  #connectAgain(): void {
    if (this.#phase !== "connecting") this.#connect();
  }

  #onServerMessage(payload: Uint8Array): void {
    // The disconnect notification is empty.
    if (payload.length === 0) return this.#connectAgain();
    const message = decodeServerMessage(payload);
    if (
      message.kind === "connect_response" && message.type === ConnectResponseType.ALREADY_LOGGED
    ) {
      return this.#connectAgain();
    }
    if (message.sessionId !== this.#sessionId) return;
    switch (message.kind) {
      case "connect_response":
        this.#phase = "sequence";
        this.#retryAt = performance.now() + SEQUENCE_MS;
        this.#awaited = 2 * this.#devices.length;
        for (const device of this.#devices) this.#publishStatus(device, DeviceState.CONNECTING);
        return;
      case "status_response":
        if (this.#phase === "running") return this.#onAnswer(message.messageCounter);
        break;
      case "command": {
        const { sessionId, messageCounter, commandData } = message;
        this.#client?.publish(
          encodeClientMessage({ kind: "command_response", sessionId, type: 0, messageCounter }),
        );
        if (commandData.length === STAMP_BYTES) this.#onStamp(commandData);
        if (this.#phase === "running") return;
      }
    }
    // A status response or a command of the connect sequence: one of each for every device.
    if (this.#phase === "sequence" && --this.#awaited === 0) this.#run();
  }

  #onStamp(stamp: Uint8Array): void {
    const { counts } = this.#options;
    const view = new DataView(stamp.buffer, stamp.byteOffset, stamp.byteLength);
    counts.commands++;
    counts.commandAge.record((monotonicUs() - Number(view.getBigUint64(0, true))) / 1000);
  }

  #onAnswer(counter: number): void {
    const { counts } = this.#options;
    const sentAt = this.#sentAt[this.#oldest];
    if (sentAt === undefined || counter !== this.#oldestCounter) {
      counts.wrong++;
      return;
    }
    counts.answered++;
    counts.latency.record(performance.now() - sentAt);
    this.#oldestCounter = nextCounter(counter);
    if (++this.#oldest === this.#sentAt.length) {
      this.#sentAt.length = 0;
      this.#oldest = 0;
    } else if (this.#oldest > 1_000) {
      this.#sentAt.splice(0, this.#oldest);
      this.#oldest = 0;
    }
    const pace = this.#pace;
    if (pace?.rate === 0) { while (this.inFlight < pace.window) this.#sendStatus(); }
  }

  #sendStatus(): void {
    const device = this.#devices[this.#turn++ % this.#devices.length] as Device;
    this.#options.counts.sent++;
    this.#sentAt.push(performance.now());
    this.#publishStatus(device, DeviceState.RUNNING);
  }

  #publishStatus(device: Device, deviceState: number): void {
    const messageCounter = this.#counter;
    this.#counter = nextCounter(messageCounter);
    this.#client?.publish(encodeClientMessage({
      kind: "status",
      sessionId: this.#sessionId,
      deviceState,
      messageCounter,
      device,
      statusData: deviceState === DeviceState.RUNNING ? this.#data : NO_BYTES,
      errorMessage: NO_BYTES,
    }));
  }
}
