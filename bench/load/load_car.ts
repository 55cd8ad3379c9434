// One car of the load: a gateway's session over as little MQTT as will do, or over the bare echo.
import {
  createGateway,
  type Effect,
  GATEWAY_TIMES,
  type GatewaySettings,
  type GatewayState,
  type Input,
  nextDeadline,
  step,
} from "../../src/gateway/mod.ts";
import {
  decodeClientMessage,
  decodeServerMessage,
  encodeClientMessage,
} from "../../src/protocol/codec/codec.ts";
import { type Device, NO_BYTES } from "../../src/protocol/messages.ts";
import { carTopics } from "../../src/protocol/topics.ts";
import { makeDevices } from "../../src/simulator/devices.ts";
import { Histogram } from "../../src/simulator/histogram.ts";
import { monotonicUs } from "../support/monotonic.ts";
import { RawClient } from "./raw_client.ts";

/** Shared by all cars of one load. */
export interface LoadCounts {
  sent: number;
  answered: number;
  /** On the wire when their session or connection ended. */
  lost: number;
  commands: number;
  /** Sessions that ended after they had run. */
  ended: number;
  /** Messages that break a rule of the protocol, and answers that were not the next one. */
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

/** A car gives up no status: what is late is measured. */
const TIMES = { ...GATEWAY_TIMES, responseMs: 600_000, lookMs: 1 };
/** A connect sequence that failed is repeated within this many milliseconds. */
const RETRY_MS = 1_000;
/** The stamp of a command of the benchmark's module: CLOCK_MONOTONIC in microseconds. */
const STAMP_BYTES = 8;

/** The session of a car whose statuses an echo answers: it needs no connect sequence. */
const ECHOED: GatewayState = {
  kind: "connected",
  base: { ...createGateway(0).base, linked: true },
  sessionId: "echoed",
  counter: 1,
  open: [],
  openBytes: 0,
  lastCommand: null,
  lookedAt: 0,
  reconnect: null,
  silentUntil: null,
  waiting: [],
};

/** One car. It has no timer: its owner calls {@linkcode tick}. */
export class LoadCar {
  readonly #options: LoadCarOptions;
  readonly #devices: readonly Device[];
  readonly #settings: GatewaySettings;
  #state: GatewayState = createGateway(Math.random() * 2 ** 32);
  #client: RawClient | undefined;
  #isUp = false;
  /** When the broker is tried again. */
  #openAt = Infinity;
  #now = 0;
  #turn = 0;
  #pace: Pace | undefined;
  #data: Uint8Array = NO_BYTES;
  #nextAt = Infinity;

  constructor(options: LoadCarOptions) {
    const { company, car, modules } = options;
    this.#options = options;
    this.#devices = makeDevices(modules.length, modules);
    this.#settings = {
      company,
      car,
      version: "1.4",
      // Cars that have failed together do not come back together.
      times: { ...TIMES, retryMs: RETRY_MS * Math.random() },
      modules: modules.map((module) => ({ module, deviceTypes: [0] })),
      firstLinkFails: false,
      prepares: false,
      maxOpen: 100_000,
    };
  }

  /** Statuses without an answer. */
  get inFlight(): number {
    return this.#state.kind === "connected" ? this.#state.open.length : 0;
  }

  /** Connects to the broker, again and again until {@linkcode close}. */
  open(): void {
    const { company, car, port } = this.#options;
    const { externalServer, disconnect, moduleGateway } = carTopics(company, car);
    const client = new RawClient({
      port,
      clientId: `${company}/${car}`,
      subscribe: [externalServer, disconnect],
      publish: moduleGateway,
    }, {
      onUp: () => this.#onUp(),
      onMessage: (payload) => this.#onMessage(payload),
      onDown: () => {
        this.#isUp = false;
        this.#take({ type: "link_down", detail: "the broker is gone" });
        this.#openAt = performance.now() + 100 + 400 * Math.random();
      },
    });
    this.#client = client;
    void client.open();
  }

  /** Begins to send, at a random point of the period. */
  load(pace: Pace): void {
    this.#pace = pace;
    this.#data = new TextEncoder().encode("x".repeat(pace.bytes));
    this.#startPace();
  }

  /** Sends no more. */
  rest(): void {
    this.#pace = undefined;
  }

  /** Does what is due at `now`, as of `performance.now()`. */
  tick(now: number): void {
    if (now >= this.#openAt) {
      this.#openAt = Infinity;
      this.open();
    }
    const state = this.#state;
    if (state.kind !== "connected" || state.reconnect !== null) {
      const due = nextDeadline(state, { now, settings: this.#settings });
      if (due !== null && now >= due) this.#take({ type: "tick" });
      // After the disconnect notification it takes a status to begin a session.
      if (due === null && state.kind === "not_initialized") {
        this.#report(this.#devices[0] as Device);
      }
      return;
    }
    const pace = this.#pace;
    if (pace === undefined || now < this.#nextAt) return;
    if (pace.rate === 0) this.#fillWindow();
    else if (this.inFlight < pace.window) {
      this.#nextAt = Math.max(this.#nextAt, now - 1_000) + 1_000 / pace.rate;
      this.#sendStatus();
    }
  }

  ping(): void {
    this.#client?.ping();
  }

  /** Leaves the broker; to be called when no timer is left. */
  close(): void {
    this.#client?.close();
  }

  #onUp(): void {
    if (!this.#options.session) {
      this.#state = ECHOED;
      return this.#onRunning();
    }
    if (this.#state.kind === "stopped") {
      this.#take({ type: "start" });
      for (const device of this.#devices) this.#report(device);
    }
    this.#isUp = true;
    this.#take({ type: "link_up" });
  }

  #onMessage(payload: Uint8Array): void {
    // The disconnect notification is empty.
    if (payload.length === 0) this.#take({ type: "notified" });
    else if (this.#options.session) {
      this.#take({ type: "message", message: decodeServerMessage(payload) });
    } else if (payload.length === STAMP_BYTES) this.#onStamp(payload);
    else {
      const message = decodeClientMessage(payload);
      if (message.kind === "status") {
        const { sessionId, messageCounter } = message;
        const answer = { kind: "status_response", sessionId, messageCounter } as const;
        this.#take({ type: "message", message: answer });
      }
    }
    if (this.#pace?.rate === 0) this.#fillWindow();
  }

  #take(input: Input): void {
    this.#now = performance.now();
    const before = this.#state;
    const { state, effects } = step(before, input, { now: this.#now, settings: this.#settings });
    this.#state = state;
    for (const effect of effects) this.#perform(effect, before);
  }

  #perform(effect: Effect, before: GatewayState): void {
    const { counts, onRunning } = this.#options;
    switch (effect.type) {
      case "open_link":
        // Left open by the session before: how fast a broker connects is not what is measured.
        if (this.#isUp) this.#take({ type: "link_up" });
        return;
      case "send":
        return this.#client?.publish(encodeClientMessage(effect.message));
      case "command": {
        const { commandData } = effect.command;
        if (commandData.length === STAMP_BYTES) this.#onStamp(commandData);
        return;
      }
      case "answered":
        if (effect.inSequence) return;
        // The protocol allows any order; of a load like this one, the server keeps it.
        if (before.kind === "connected" && before.open[0] !== effect.open) counts.wrong++;
        counts.answered++;
        counts.latency.record(this.#now - effect.open.sentAt);
        return;
      case "running":
        return this.#onRunning();
      case "violation":
        counts.wrong++;
        return;
      case "ended":
        if (!effect.hadRun) return;
        counts.lost += effect.unanswered.length;
        counts.ended++;
        onRunning(false);
    }
  }

  #onRunning(): void {
    this.#options.onRunning(true);
    this.#startPace();
  }

  #startPace(): void {
    const rate = this.#pace?.rate ?? 0;
    this.#nextAt = performance.now() + (rate > 0 ? Math.random() * 1_000 / rate : 0);
  }

  #onStamp(stamp: Uint8Array): void {
    const { counts } = this.#options;
    const view = new DataView(stamp.buffer, stamp.byteOffset, stamp.byteLength);
    counts.commands++;
    counts.commandAge.record((monotonicUs() - Number(view.getBigUint64(0, true))) / 1000);
  }

  #fillWindow(): void {
    const window = this.#pace?.window ?? 0;
    while (this.#state.kind === "connected" && this.inFlight < window) this.#sendStatus();
  }

  #sendStatus(): void {
    this.#options.counts.sent++;
    this.#report(this.#devices[this.#turn++ % this.#devices.length] as Device, this.#data);
  }

  #report(device: Device, data: Uint8Array = NO_BYTES): void {
    this.#take({ type: "status", device, data, errorMessage: NO_BYTES, tag: null });
  }
}
