// The driver of a sink: reads the event log from the sink's cursor on, and delivers what it reads.
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { type LogCount, LogReader, type Position } from "../record/mod.ts";
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
import { DeliveryRate } from "./delivery_rate.ts";
import { type Feed, Feeder } from "./feed.ts";
import { type Sink, type SinkBatch, SinkError } from "./sink.ts";
import type { ExporterSnapshot, SinkState } from "./snapshot.ts";

/** The event log, as far as a sink needs it. */
export interface EventSource {
  readonly directory: string;
  /** Where the next record will stand. */
  end(): Position;
  /** What stood before its oldest segment when one was deleted last; `null`: none was. */
  begin?(): LogCount | null;
  /** Calls back after each write, until the returned function is called. */
  onWritten(listener: () => void): () => void;
}

export interface ExporterOptions {
  readonly name: string;
  /** For the log. @default {the name of the sink} */
  readonly title?: string;
  readonly sink: Sink;
  readonly source: EventSource;
  readonly settings: ExportSettings;
  /** Where it goes on. */
  readonly cursor: Position;
  /** Keeps the cursor; called at most once a second. */
  readonly keep: (cursor: Position) => void;
  readonly feed?: Feed;
  /** Called when records were deleted before they were delivered. */
  readonly onMissed?: (missed: LogCount) => void;
  /** Whether nothing behind the end of the source is read. @default {false} */
  readonly endsAtSource?: boolean;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** A source of numbers from 0 up to 1. @default {Math.random} */
  readonly random?: () => number;
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
  #missedAt: number | null = null;
  readonly #rate: DeliveryRate;
  /** Who waits until so many records are delivered. */
  readonly #waiters = new Set<{ readonly records: number; readonly resolve: () => void }>();
  readonly #feeder: Feeder;
  #unsubscribe = () => {};

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#once = new Once({ clock: this.#clock });
    this.#rate = new DeliveryRate(this.#clock);
    this.#alarm = new Alarm(this.#clock, () => this.#take({ type: "tick" }));
    this.#state = createExport(options.cursor, options.settings);
    this.#feeder = new Feeder({ ...options, once: this.#once });
  }

  /** Changes what the sink gets from the next batch on; its cursor stays. */
  feedWith(feed: Feed): void {
    this.#feeder.change(feed, this.#work);
  }

  /** Begins to deliver; waits for nothing. */
  start(): void {
    const { source } = this.#options;
    const onWritten = () => {
      const { records, bytes } = source.end();
      const begin = source.begin?.() ?? null;
      this.#take({ type: "grown", end: { records, bytes }, begin });
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
    this.#feeder.close();
    await this.#work;
    this.#reader?.[Symbol.dispose]();
    this.#reader = null;
    await this.#options.sink.close();
  }

  /** Everything before it is delivered. */
  get cursor(): Position {
    return this.#state.cursor;
  }

  /**
   * Delivers what the log has now, without a pause after a failure.
   *
   * @returns whether it was delivered in time, in milliseconds
   */
  async drain(timeoutMs: number): Promise<boolean> {
    const { records } = this.#options.source.end();
    this.#take({ type: "hurry" });
    const waiter = this.#wait(records);
    await within(waiter.reached, timeoutMs, this.#clock);
    waiter.leave();
    return this.cursor.records >= records;
  }

  /** Resolves when so many records of the log are delivered, or it is stopped. */
  reached(records: number): Promise<void> {
    return this.#wait(records).reached;
  }

  snapshot(): ExporterSnapshot {
    const { name, sink } = this.#options;
    const { delivered, missed, failures, failingSince, phase } = this.#state;
    return {
      name,
      target: sink.target,
      lag: lagOf(this.#state, this.#clock.now()),
      delivered,
      rate: this.#rate.perSecond,
      state: this.#sinkState(),
      missed: missed.records,
      missedBytes: missed.bytes,
      missedAt: this.#missedAt,
      failures,
      trouble: failures === 0 ? null : this.#trouble,
      failingSince: failingSince === null ? null : Math.floor(failingSince),
      nextAttemptAt: phase.name === "waiting" ? Math.floor(phase.until) : null,
      ...this.#feeder.snapshot(),
    };
  }

  #sinkState(): SinkState {
    const { phase: { name }, failures } = this.#state;
    if (name === "idle" || name === "stopped") return name;
    return failures > 0 ? "failing" : "delivering";
  }

  #wait(records: number) {
    const { promise: reached, resolve } = Promise.withResolvers<void>();
    const waiter = { records, resolve };
    this.#waiters.add(waiter);
    this.#tellWaiters();
    return { reached, leave: () => void this.#waiters.delete(waiter) };
  }

  #tellWaiters(): void {
    const { phase, cursor } = this.#state;
    for (const waiter of this.#waiters) {
      if (phase.name !== "stopped" && cursor.records < waiter.records) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  readonly #take = (input: ExportInput): void => {
    if (this.#isBusy) return void this.#inputs.push(input);
    this.#isBusy = true;
    for (let next: ExportInput | undefined = input; next; next = this.#inputs.shift()) {
      const { settings, random = Math.random } = this.#options;
      const env = { now: this.#clock.now(), settings, random: random() };
      const { state, effects } = step(this.#state, next, env);
      const { delivered } = this.#state;
      if (state.delivered !== delivered) this.#rate.add(difference(delivered, state.delivered));
      this.#state = state;
      for (const effect of effects) this.#perform(effect);
    }
    this.#isBusy = false;
    const { phase } = this.#state;
    this.#alarm.set(phase.name === "stopped" ? Infinity : nextDeadline(this.#state));
    this.#tellWaiters();
  };

  #perform(effect: ExportEffect): void {
    const { keep, log, name, title = `Sink "${name}"` } = this.#options;
    switch (effect.type) {
      case "read":
        this.#work = this.#attempt(() => this.#read(effect.maxBytes, effect.maxEvents));
        return;
      case "deliver":
        this.#work = this.#attempt(() => this.#deliver());
        return;
      case "keep":
        return keep(this.#state.cursor);
      case "forget":
        this.#reader?.[Symbol.dispose]();
        this.#reader = null;
        return;
      case "overtaken": {
        const { records, bytes } = effect.missed;
        this.#missedAt = Math.floor(this.#clock.now());
        this.#options.onMissed?.(effect.missed);
        log.error(
          `${title} has missed ${records} records of ${bytes} bytes: they were deleted or ` +
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
    // What was read last is not delivered, or nothing was read.
    const isAgain = at?.segment !== cursor.segment || at.offset !== cursor.offset;
    if (isAgain) {
      this.#reader?.[Symbol.dispose]();
      const { directory } = this.#options.source;
      this.#reader = new LogReader({ directory, from: cursor });
    }
    const bytes = this.#options.endsAtSource === true
      ? Math.min(maxBytes, Math.max(1, this.#options.source.end().bytes - cursor.bytes))
      : maxBytes;
    const batch = await (this.#reader as LogReader).read(bytes, maxEvents);
    const messages = await this.#feeder.messages(batch.events, isAgain);
    const id = `${messages[0]?.event.id}:${messages.length}`;
    this.#batch = { id, messages };
    if (messages.length === 0) this.#feeder.count();
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
    this.#feeder.count();
    return { type: "delivered" };
  }
}

function difference(before: LogCount, after: LogCount): LogCount {
  return { records: after.records - before.records, bytes: after.bytes - before.bytes };
}
