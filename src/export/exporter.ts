// The driver of a sink: reads the event log from the sink's cursor on, and delivers what it reads.
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import {
  eventJson,
  type LogBatch,
  type LogEvent,
  LogReader,
  type Position,
} from "../record/mod.ts";
import { Alarm, type Clock, deadline, firstOf, systemClock, within } from "../time/mod.ts";
import {
  createExport,
  type ExportEffect,
  type ExportInput,
  type ExportSettings,
  type ExportState,
  lagOf,
  nextDeadline,
  step,
} from "./core.ts";
import { type Sink, type SinkBatch, SinkError, type SinkMessage } from "./sink.ts";

/** The event log, as far as a sink needs it. */
export interface EventSource {
  readonly directory: string;
  /** Where the next record will stand. */
  end(): Position;
  /** Calls back after each write, until the returned function is called. */
  onWritten(listener: () => void): () => void;
}

export interface ExporterOptions {
  readonly name: string;
  readonly sink: Sink;
  readonly source: EventSource;
  readonly settings: ExportSettings;
  /** Where it goes on. */
  readonly cursor: Position;
  /** Keeps the cursor; called at most once a second. */
  readonly keep: (cursor: Position) => void;
  /** Whether the sink gets an event. @default {every one} */
  readonly isWanted?: (event: LogEvent) => boolean;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** A source of numbers from 0 up to 1. @default {Math.random} */
  readonly random?: () => number;
}

/** A sink as plain data. */
export interface ExporterSnapshot {
  readonly name: string;
  readonly target: string;
  /** What waits for it: records, bytes, and for how long the oldest has, in seconds. */
  readonly lag: { readonly records: number; readonly bytes: number; readonly seconds: number };
  /** Records and their bytes, since the start. */
  readonly delivered: { readonly records: number; readonly bytes: number };
  /** Records that were deleted before they were delivered, since the start. */
  readonly missed: number;
  /** Failures since the last delivery. */
  readonly failures: number;
  /** Why the last one failed; `null`: none has since. */
  readonly trouble: string | null;
}

/** Deadline for one delivery, in milliseconds. */
const DELIVER_MS = 60_000;
/** How long a stop waits for the delivery in progress, in milliseconds. */
const STOP_MS = 1500;

/** Feeds one sink. */
export class Exporter {
  readonly #options: ExporterOptions;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #once: Once;
  readonly #inputs: ExportInput[] = [];
  #state: ExportState;
  #isBusy = false;
  #reader: LogReader | null = null;
  #batch: SinkBatch | null = null;
  #request = new AbortController();
  /** Settles when nothing is read or delivered. */
  #work: Promise<void> = Promise.resolve();
  #trouble: string | null = null;
  #unsubscribe = () => {};

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#once = new Once({ clock: this.#clock });
    this.#alarm = new Alarm(this.#clock, () => this.#take({ type: "tick" }));
    this.#state = createExport(options.cursor, options.settings);
  }

  /** Begins to deliver; waits for nothing. */
  start(): void {
    const { source } = this.#options;
    const onWritten = () => {
      const { records, bytes } = source.end();
      this.#take({ type: "grown", end: { records, bytes } });
    };
    this.#unsubscribe = source.onWritten(onWritten);
    onWritten();
  }

  /** Waits for the delivery in progress, for a limited time, keeps the cursor, and ends the sink's connection. Never rejects. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#take({ type: "stop" });
    await within(this.#work, STOP_MS, this.#clock);
    this.#request.abort();
    await this.#work;
    this.#reader?.[Symbol.dispose]();
    this.#reader = null;
    await this.#options.sink.close();
  }

  snapshot(): ExporterSnapshot {
    const { name, sink } = this.#options;
    const { delivered, missed, failures } = this.#state;
    const lag = lagOf(this.#state, this.#clock.now());
    const trouble = failures === 0 ? null : this.#trouble;
    return { name, target: sink.target, lag, delivered, missed, failures, trouble };
  }

  readonly #take = (input: ExportInput): void => {
    if (this.#isBusy) return void this.#inputs.push(input);
    this.#isBusy = true;
    for (let next: ExportInput | undefined = input; next; next = this.#inputs.shift()) {
      const { settings, random = Math.random } = this.#options;
      const env = { now: this.#clock.now(), settings, random: random() };
      const { state, effects } = step(this.#state, next, env);
      this.#state = state;
      for (const effect of effects) this.#perform(effect);
    }
    this.#isBusy = false;
    const { phase } = this.#state;
    this.#alarm.set(phase.name === "stopped" ? Infinity : nextDeadline(this.#state));
  };

  #perform(effect: ExportEffect): void {
    const { keep, log, name } = this.#options;
    switch (effect.type) {
      case "read":
        this.#work = this.#attempt(() => this.#read(effect.maxBytes, effect.maxEvents));
        return;
      case "deliver":
        this.#work = this.#attempt(() => this.#deliver());
        return;
      case "keep":
        return keep(this.#state.cursor);
      case "overtaken": {
        const { records, bytes } = effect.missed;
        log.error(
          `Sink "${name}" has missed ${records} records of ${bytes} bytes: they were deleted or ` +
            "damaged before they were delivered",
        );
        return;
      }
      case "failing": {
        this.#trouble = effect.reason;
        const count = this.#once.ask("failing");
        if (count === undefined) return;
        log.warning(
          `Cannot deliver to sink "${name}", ${this.#options.sink.target}, trying again: ` +
            effect.reason + andSuppressed(count),
        );
        return;
      }
      case "recovered":
        log.info(`Sink "${name}" takes events again`);
        return;
    }
  }

  /** Feeds what comes of it back. Never rejects. */
  async #attempt(work: () => Promise<ExportInput>): Promise<void> {
    let input: ExportInput;
    try {
      input = await work();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const { retryAfterMs = null, isTooLarge = false } = error instanceof SinkError ? error : {};
      input = { type: "failed", reason, retryAfterMs, isTooLarge };
    }
    this.#take(input);
  }

  async #read(maxBytes: number, maxEvents: number): Promise<ExportInput> {
    const { cursor } = this.#state;
    const at = this.#reader?.position;
    if (at === undefined || at.segment !== cursor.segment || at.offset !== cursor.offset) {
      this.#reader?.[Symbol.dispose]();
      const { directory } = this.#options.source;
      this.#reader = new LogReader({ directory, from: cursor });
    }
    const batch = await (this.#reader as LogReader).read(maxBytes, maxEvents);
    const messages = this.#messages(batch);
    const id = `${messages[0]?.event.id}:${messages.length}`;
    this.#batch = { id, messages };
    const { position, isEnd, missed, events } = batch;
    return {
      type: "read",
      position,
      events: messages.length,
      at: events[0]?.at ?? null,
      isEnd,
      missed,
    };
  }

  #messages({ events }: LogBatch): SinkMessage[] {
    const { isWanted = () => true } = this.#options;
    return events.filter(isWanted).map((event) => ({
      event,
      body: JSON.stringify(eventJson(event)),
    }));
  }

  async #deliver(): Promise<ExportInput> {
    const { sink } = this.#options;
    const batch = this.#batch as SinkBatch;
    this.#request = new AbortController();
    const { signal } = this.#request;
    const late = () => new SinkError(`not taken within ${DELIVER_MS} ms`);
    const stopped = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(new SinkError("stopped")), { once: true });
    });
    try {
      const delivery = firstOf(sink.deliver(batch, signal), stopped);
      await deadline(delivery, DELIVER_MS, this.#clock, late);
    } catch (error) {
      this.#request.abort();
      throw error;
    }
    return { type: "delivered" };
  }
}
