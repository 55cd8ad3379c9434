// Evaluates the channels of a sink: in a worker when there is anything to compile or decode.
import { type Clock, every, systemClock } from "../time/mod.ts";
import type { Body, ChannelFailure, Evaluated, Follows } from "./channels.ts";
import type { FromChannelWorker, ToChannelWorker } from "./channel_worker.ts";
import type { ChannelsSettings } from "./settings.ts";

/** Evaluates one batch after the other. */
export interface Evaluator {
  /** See {@linkcode Channels.evaluate}. Rejects when it cannot, for now. */
  evaluate(lines: readonly string[], follows: Follows): Promise<Evaluated>;
  /** Ends it; what it is at rejects. */
  close(): void;
}

/** An event that takes longer is stopped, at the latest after twice as long, in milliseconds. */
const STUCK_MS = 5000;
/** After so many times as long, a worker that has not begun will not. */
const MAX_START_CHECKS = 12;

/** Loads what the channels need, and nothing else. */
export async function makeEvaluator(
  settings: ChannelsSettings,
  clock: Clock = systemClock,
): Promise<Evaluator> {
  const { channels, decoders } = settings;
  const isWorking = Object.keys(decoders).length > 0 ||
    channels.some(({ where, map }) => where !== undefined || map !== undefined);
  if (isWorking) {
    const worker = await import("./channel_worker.ts");
    return new WorkerEvaluator(settings, clock, worker);
  }
  const { Channels } = await import("./channels.ts");
  const made = await Channels.make(settings);
  return { evaluate: (lines, follows) => made.evaluate(lines, follows), close() {} };
}

/** What is known about the code of the worker. */
type WorkerFile = Pick<typeof import("./channel_worker.ts"), "workerUrl" | "PROGRESS">;

class WorkerEvaluator implements Evaluator {
  readonly #settings: ChannelsSettings;
  readonly #clock: Clock;
  readonly #file: WorkerFile;
  readonly #progress: Int32Array<SharedArrayBuffer>;
  #worker: Worker | null = null;
  /** Rejects what the worker is at. */
  #fail: (error: Error) => void = () => {};
  #isClosed = false;

  constructor(settings: ChannelsSettings, clock: Clock, file: WorkerFile) {
    this.#settings = settings;
    this.#clock = clock;
    this.#file = file;
    const bytes = file.PROGRESS.length * Int32Array.BYTES_PER_ELEMENT;
    this.#progress = new Int32Array(new SharedArrayBuffer(bytes));
  }

  /** Without the events that an expression is stuck at: these have failed. */
  async evaluate(lines: readonly string[], follows: Follows): Promise<Evaluated> {
    const stuck = new Map<number, ChannelFailure>();
    for (;;) {
      const rest = lines.filter((_, index) => !stuck.has(index));
      const outcome = await this.#ask(rest, follows);
      if ("evaluated" in outcome) return this.#with(stuck, outcome.evaluated, lines.length);
      const at = lines.indexOf(rest[outcome.event] as string);
      stuck.set(at, this.#failureOf(lines[at] as string, outcome));
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#end(new Error("stopped"));
  }

  #end(error: Error): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#fail(error);
  }

  /** Asks the worker, and watches that it goes on. */
  async #ask(lines: readonly string[], follows: Follows): Promise<Outcome> {
    if (this.#isClosed) throw new Error("stopped");
    const worker = this.#worker ??= this.#start();
    const { begun, event, channel, isMap } = this.#file.PROGRESS;
    const at = (index: number) => Atomics.load(this.#progress, index);
    const answer = Promise.withResolvers<Outcome>();
    this.#fail = answer.reject;
    worker.onmessage = ({ data }: MessageEvent<FromChannelWorker>) => {
      if ("evaluated" in data) answer.resolve(data);
      else answer.reject(new Error(data.error));
    };
    worker.onerror = (error) => {
      error.preventDefault();
      this.#end(new Error(`its channels cannot be evaluated: ${error.message}`));
    };
    const before = at(begun);
    let seen = before;
    let checks = 0;
    const stopWatching = every(STUCK_MS, () => {
      const now = at(begun);
      checks++;
      if (now === before) {
        if (checks >= MAX_START_CHECKS) this.#end(new Error("its channels do not start"));
      } else if (now === seen) {
        answer.resolve({ event: at(event), channel: at(channel), isMap: at(isMap) === 1 });
        this.#end(new Error("stuck"));
      }
      seen = now;
    }, this.#clock);
    worker.postMessage({ lines, follows } satisfies ToChannelWorker);
    try {
      return await answer.promise;
    } finally {
      stopWatching();
    }
  }

  #start(): Worker {
    const worker = new Worker(this.#file.workerUrl, { type: "module" });
    const settings = this.#settings;
    worker.postMessage(
      { settings, progress: this.#progress.buffer } satisfies ToChannelWorker,
    );
    return worker;
  }

  #failureOf(line: string, { channel, isMap }: Stuck): ChannelFailure {
    return {
      channel: this.#settings.channels[channel]?.name ?? null,
      key: isMap ? "map" : "where",
      event: (JSON.parse(line) as { readonly id: string }).id,
      message: `Stopped after ${STUCK_MS} ms`,
      count: 1,
    };
  }

  /** Puts the events back that were left out. */
  #with(
    stuck: ReadonlyMap<number, ChannelFailure>,
    evaluated: Evaluated,
    length: number,
  ): Evaluated {
    if (stuck.size === 0) return evaluated;
    const rest = evaluated.bodies.values();
    const bodies = Array.from({ length }, (_, index): Body => {
      return stuck.has(index) ? null : rest.next().value ?? null;
    });
    const failures = [...stuck.values()];
    const channels = evaluated.counts.channels.map((count, index) => {
      const { name } = this.#settings.channels[index] ?? {};
      const own = failures.filter(({ channel }) => channel === name).length;
      return { ...count, failed: count.failed + own };
    });
    const counts = { ...evaluated.counts, channels };
    return { bodies, counts, failures: [...failures, ...evaluated.failures] };
  }
}

/** What the worker has made of a batch, or where it is stuck. */
type Outcome = { readonly evaluated: Evaluated } | Stuck;

interface Stuck {
  readonly event: number;
  readonly channel: number;
  readonly isMap: boolean;
}
