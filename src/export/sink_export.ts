// A sink as operators see it: its cursor, and a replay beside it.
import { type Clock, systemClock } from "../time/mod.ts";
import { Exporter, type ExporterOptions } from "./exporter.ts";
import type { Feed } from "./feed.ts";
import { type KeptReplay, planReplay, Replay, type ReplayOrder } from "./replay.ts";
import { SharedSink } from "./shared_sink.ts";
import type { SinkSnapshot } from "./snapshot.ts";

export interface SinkExportOptions extends ExporterOptions {
  /** What a run before has not finished; `null`: nothing. */
  readonly replay: KeptReplay | null;
  /** Keeps how far a replay is; `null`: there is none any more. */
  readonly keepReplay: (replay: KeptReplay | null) => void;
}

/** Feeds a sink, and delivers parts of the log again. */
export class SinkExport {
  readonly name: string;
  readonly #options: SinkExportOptions;
  readonly #clock: Clock;
  readonly #sink: SharedSink;
  readonly #exporter: Exporter;
  #feed: Feed;
  #replay: Replay | null = null;
  #isPlanning = false;
  #isStopped = false;

  constructor(options: SinkExportOptions) {
    this.name = options.name;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#feed = options.feed ?? {};
    this.#sink = new SharedSink(options.sink);
    this.#exporter = new Exporter({ ...options, sink: this.#sink.share() });
  }

  /** Begins to deliver, and goes on with the replay of a run before; waits for nothing. */
  start(): void {
    this.#exporter.start();
    const { replay, log } = this.#options;
    if (replay === null) return;
    log.info(`Sink "${this.name}" goes on with the replay that has not ended`);
    this.#begin(replay);
  }

  /** See {@linkcode Exporter.feedWith}; a replay that runs goes on as it began. */
  feedWith(feed: Feed): void {
    this.#feed = feed;
    this.#exporter.feedWith(feed);
  }

  /** See {@linkcode Exporter.stop}; a replay is kept for the next start. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([this.#exporter.stop(), this.#replay?.stop()]);
    await this.#sink.close();
  }

  /** See {@linkcode Exporter.drain}. */
  drain(timeoutMs: number): Promise<boolean> {
    return this.#exporter.drain(timeoutMs);
  }

  /**
   * Delivers what the sink has had once more, after what it is being sent.
   *
   * @returns why not; `null`: it has begun
   * @throws what reading the log throws
   */
  async replay(order: ReplayOrder): Promise<string | null> {
    if (this.#isPlanning || this.#isReplaying()) {
      return `Expected no replay to sink "${this.name}": one is running, cancel it first`;
    }
    this.#isPlanning = true;
    try {
      const { directory } = this.#options.source;
      const { cursor } = this.#exporter;
      const kept = await planReplay(directory, order, cursor, this.#clock.now());
      if (this.#isStopped) return "Expected exports that run: they are being stopped";
      if (kept === null) {
        return `Expected events that sink "${this.name}" has had: the log has none from then`;
      }
      this.#options.keepReplay(kept);
      this.#begin(kept);
      return null;
    } finally {
      this.#isPlanning = false;
    }
  }

  /** Ends the replay. @returns why not; `null`: it is ended */
  async cancelReplay(): Promise<string | null> {
    if (this.#replay === null || !this.#isReplaying()) {
      return `Expected a replay to sink "${this.name}": none is running`;
    }
    await this.#replay.cancel();
    this.#options.keepReplay(null);
    return null;
  }

  snapshot(): SinkSnapshot {
    return { ...this.#exporter.snapshot(), replay: this.#replay?.snapshot() ?? null };
  }

  #isReplaying(): boolean {
    const state = this.#replay?.snapshot().state;
    return state === "running" || state === "failing";
  }

  #begin(kept: KeptReplay): void {
    const { log, keepReplay } = this.#options;
    let isOver = false;
    const replay = new Replay({
      ...this.#options,
      feed: this.#feed,
      sink: this.#sink.share(),
      replay: kept,
      keep: (at) => {
        if (!isOver) keepReplay(at);
      },
    });
    this.#replay = replay;
    replay.start();
    void replay.done().then(async () => {
      if (this.#isStopped || !replay.isDone) return;
      isOver = true;
      await replay.stop();
      keepReplay(null);
      log.info(`Replay to sink "${this.name}" is done: ${replay.snapshot().records} records`);
    });
  }
}
