// The driver of remote configuration: pulls, loads, applies, looks at the cars, and keeps what is good.
import { createHash } from "node:crypto";
import {
  ConfigError,
  type ConfigSource,
  type ConfigSourceConfig,
  problemText,
} from "../config/mod.ts";
import { type Log, silentLog } from "../log/mod.ts";
import { type Clock, every, pauseMs, systemClock, type TimerHandle, within } from "../time/mod.ts";
import { Cache, type CacheName } from "./cache.ts";
import { type DocumentInfo, EnvelopeError, hashOf, openDocument } from "./envelope.ts";
import { pull, shown } from "./pull.ts";
import {
  type Counted,
  initialState,
  type PinTarget,
  type Pulled,
  type SourceEffect,
  type SourceInput,
  type SourceState,
} from "./state.ts";
import { step } from "./step.ts";
import { type SourceView, sourceView } from "./view.ts";

export interface RemoteConfigOptions<L> {
  readonly settings: ConfigSourceConfig;
  /** The local file, which may be used, too. */
  readonly local: ConfigSource;
  /** Reads and checks a document at the start; throws {@linkcode ConfigError}. */
  readonly load: (source: ConfigSource) => Promise<L>;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {the directory of the settings} */
  readonly cache?: Cache;
  /** From 0 up to 1. @default {Math.random} */
  readonly random?: () => number;
}

/** A car that counts. */
export interface CountedCar {
  readonly name: string;
  /** RUNNING, or kept from it by an operator. */
  readonly isRunning: boolean;
}

/** What came of a change to {@linkcode RemoteConfig.source}. */
export interface Applied {
  readonly applied: boolean;
  readonly problems: readonly string[];
  /** The cars that it has touched. */
  readonly touched: readonly string[];
}

/** What is served with the configuration. */
export interface Served {
  /** Changes to {@linkcode RemoteConfig.source}, or to its part for the canary. Never rejects. */
  readonly apply: () => Promise<Applied>;
  readonly cars: () => readonly CountedCar[];
}

/** How long the start waits for the source, in milliseconds. */
const START_MS = 3000;
/** How long a look at it may take later. */
const POLL_MS = 30_000;
/** The random share of a pause, so that servers that started together do not ask together. */
const JITTER = 0.2;
/** How often cars are looked at during a probation, in milliseconds. */
const LOOK_MS = 1000;
/** How long the stop waits for what is under way, in milliseconds. */
const STOP_MS = 2000;

interface Text {
  /** All of it, as it was pulled. */
  readonly text: string;
  /** The configuration. */
  readonly body: string;
  readonly info: DocumentInfo;
}

/** The configuration of a server or gateway that is pulled. */
export class RemoteConfig<L> {
  readonly #options: RemoteConfigOptions<L>;
  readonly #clock: Clock;
  readonly #cache: Cache;
  readonly #end = new AbortController();
  #state: SourceState;
  /** Documents by hash, those that the state knows. */
  readonly #texts = new Map<string, Text>();
  #local: DocumentInfo | null = null;
  /** Until the start is over: standard input comes only once. */
  #localText: string | undefined;
  #lastPulled: { readonly etag: string | null; readonly text: string; pulled: Pulled } | null =
    null;
  #loaded: L | undefined;
  #problems: readonly string[] = [];
  #served: Served | undefined;
  /** The names of those that count in the trial; `null`: all. */
  #counted: ReadonlySet<string> | null = null;
  #log: Log = silentLog;
  /** Lines from before there was a log. */
  #early: Extract<SourceEffect, { readonly type: "log" }>[] = [];
  #busy: Promise<unknown> = Promise.resolve();
  #pollTimer: TimerHandle | undefined;
  #stopLooking: (() => void) | undefined;
  #diskTrouble: string | null = null;

  constructor(options: RemoteConfigOptions<L>) {
    this.#options = options;
    const { settings, clock = systemClock } = options;
    this.#clock = clock;
    this.#cache = options.cache ?? new Cache({ directory: settings.cacheDir, clock });
    this.#state = initialState(settings.url);
  }

  /**
   * Chooses the document to start with.
   *
   * @throws {ConfigError} when there is none that can be used.
   */
  async begin(): Promise<L> {
    const [journal, good, previous, local, pulled] = await Promise.all([
      this.#cache.journal(),
      this.#cached("good"),
      this.#cached("previous"),
      this.#readLocal(),
      this.#pull(START_MS),
    ]);
    for (const trouble of this.#cache.troubles) this.#say("warning", trouble);
    await this.#turn({ type: "found", journal, pulled, good, previous, local });
    if (this.#loaded !== undefined) return this.#loaded;
    const { name } = this.#options.local;
    const problems = this.#problems.map((message) => ({ path: name, message }));
    throw new ConfigError(name, problems, []);
  }

  /** The document that is in use, or is about to be: what a reload reads. */
  get source(): ConfigSource {
    const { local, settings: { url } } = this.#options;
    const isLocal = () => this.#target().hash === this.#local?.hash;
    return {
      get name() {
        return isLocal() ? local.name : shown(url);
      },
      folder: local.folder,
      ...(local.files === undefined ? {} : { files: local.files }),
      get isPulled() {
        return !isLocal();
      },
      read: async () => {
        if (isLocal()) return this.#localText ?? await local.read();
        return this.#texts.get(this.#target().hash)?.body ?? "";
      },
    };
  }

  /** The labels of the cars that alone may have it; `null`: all have it. */
  get canary(): readonly string[] | null {
    const { trial } = this.#state;
    return trial?.phase === "canary" ? trial.info.labels : null;
  }

  /** What is in use and why, for people and metrics. */
  view(): SourceView {
    return sourceView(this.#state, this.#options.settings, this.#clock.now());
  }

  /** Writes to this log from now on. */
  logTo(log: Log): void {
    this.#log = log;
    for (const { level, text } of this.#early.splice(0)) log[level](text);
  }

  /** All cars are served: the probation begins, and so does polling. */
  async start(served: Served): Promise<void> {
    this.#served = served;
    this.#localText = undefined;
    await this.#inTurn({ type: "serving", cars: served.cars().length });
    this.#schedule();
  }

  /** Looks at the source now, and follows it; resolves when what it has is in use, or refused. */
  async poll(): Promise<void> {
    if (this.#pollTimer !== undefined) this.#clock.clear(this.#pollTimer);
    this.#pollTimer = undefined;
    await this.#queue(async () => {
      if (this.#end.signal.aborted) return;
      const pulled = await this.#pull(POLL_MS);
      if (!this.#end.signal.aborted) await this.#turn({ type: "pulled", pulled });
    });
    this.#schedule();
  }

  /**
   * Holds a document, or with `null` follows the source again.
   *
   * @returns whether there is such a document
   */
  async pin(to: PinTarget | null, by: string): Promise<boolean> {
    const local = to === "local" ? await this.#readLocal() : null;
    const { good, previous, live } = this.#state;
    const known = { live, good, previous, local };
    if (to !== null && known[to] === null) return false;
    await this.#inTurn({ type: "pin", to, by, local });
    if (to === null) await this.poll();
    return true;
  }

  /** Ends polling, and keeps that this was no crash. Never rejects. */
  async stop(): Promise<void> {
    this.#end.abort();
    if (this.#pollTimer !== undefined) this.#clock.clear(this.#pollTimer);
    this.#pollTimer = undefined;
    this.#stopLooking?.();
    this.#stopLooking = undefined;
    if (!await within(this.#busy, STOP_MS, this.#clock)) return;
    await within(
      this.#turn({ type: "stopping", counted: this.#count(null) }),
      STOP_MS,
      this.#clock,
    );
  }

  #target(): DocumentInfo {
    const { owed, trial, live, candidates } = this.#state;
    const info = owed?.info ?? trial?.info ?? live?.info ?? candidates[0]?.info;
    if (info === undefined) throw new Error("There is no configuration yet");
    return info;
  }

  #schedule(): void {
    if (this.#end.signal.aborted || this.#pollTimer !== undefined) return;
    const { settings: { pollMs }, random = Math.random } = this.#options;
    const pause = pauseMs(0, { firstMs: pollMs, maxMs: pollMs, jitter: JITTER }, random());
    this.#pollTimer = this.#clock.set(() => {
      this.#pollTimer = undefined;
      void this.poll();
    }, pause);
  }

  #inTurn(input: SourceInput): Promise<void> {
    return this.#queue(() => this.#turn(input));
  }

  #queue(work: () => Promise<void>): Promise<void> {
    const done = this.#busy.then(work);
    this.#busy = done.catch(() => {});
    return done;
  }

  async #turn(input: SourceInput): Promise<void> {
    const { settings } = this.#options;
    const { state, effects } = step(this.#state, input, { now: this.#clock.now(), settings });
    this.#state = state;
    for (const effect of effects) await this.#carryOut(effect);
    this.#forget();
    this.#lookOrNot();
  }

  async #carryOut(effect: SourceEffect): Promise<void> {
    switch (effect.type) {
      case "load":
        return await this.#load();
      case "apply":
        return await this.#apply(effect.canary);
      case "keep":
        await this.#write(() => this.#cache.writeJournal(this.#state.journal));
        return;
      case "cache":
        return await this.#writeDocuments();
      case "log":
        return this.#say(effect.level, effect.text);
      case "give_up":
        this.#problems = effect.problems;
    }
  }

  async #load(): Promise<void> {
    let problems: readonly string[];
    try {
      this.#loaded = await this.#options.load(this.source);
      return await this.#turn({ type: "used", before: NOBODY, isTouched: true });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      problems = error.problems.map((problem) => problemText(error.source, problem));
    }
    await this.#turn({ type: "unusable", problems });
  }

  async #apply(canary: boolean): Promise<void> {
    const served = this.#served;
    if (served === undefined) return;
    const before = served.cars();
    const { applied, problems, touched } = await served.apply();
    if (!applied) return await this.#turn({ type: "unusable", problems });
    const now = new Set(canary ? touched : served.cars().map(({ name }) => name));
    const both = before.filter(({ name }) => now.has(name));
    this.#counted = new Set(both.map(({ name }) => name));
    const isTouched = touched.length > 0;
    await this.#turn({ type: "used", before: countOf(both), isTouched });
  }

  #count(names: ReadonlySet<string> | null): Counted {
    const cars = this.#served?.cars() ?? [];
    return countOf(names === null ? cars : cars.filter(({ name }) => names.has(name)));
  }

  /** Cars are looked at only while there is a trial. */
  #lookOrNot(): void {
    const { trial } = this.#state;
    const isWanted = trial !== null && trial.beganAt !== null && !this.#end.signal.aborted;
    if (isWanted === (this.#stopLooking !== undefined)) return;
    this.#stopLooking?.();
    this.#stopLooking = isWanted ? every(LOOK_MS, () => this.#look(), this.#clock) : undefined;
    if (!isWanted) this.#counted = null;
  }

  #look(): void {
    void this.#queue(async () => {
      if (this.#end.signal.aborted) return;
      await this.#turn({ type: "look", running: this.#count(this.#counted).running });
    });
  }

  async #pull(limitMs: number): Promise<Pulled> {
    const { settings: { url, apiKeyFile, publicKey } } = this.#options;
    const last = this.#lastPulled;
    const outcome = await pull({
      url,
      apiKeyFile,
      etag: last?.etag ?? null,
      limitMs,
      signal: this.#end.signal,
      clock: this.#clock,
    });
    if (outcome.kind === "failed") return outcome;
    if (last !== null && (outcome.kind === "unchanged" || outcome.text === last.text)) {
      return last.pulled;
    }
    if (outcome.kind === "unchanged") return { kind: "failed", why: `${shown(url)}: no document` };
    const { text, etag } = outcome;
    const pulled = await this.#open(text, publicKey, Math.floor(this.#clock.now()));
    this.#lastPulled = { etag, text, pulled };
    return pulled;
  }

  async #open(text: string, publicKey: string | undefined, fetchedAt: number): Promise<Pulled> {
    try {
      const { info, body } = await openDocument(text, publicKey, fetchedAt);
      if (!this.#texts.has(info.hash)) this.#texts.set(info.hash, { text, body, info });
      return { kind: "document", info };
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      return { kind: "refused", hash: hashOf(text), version: error.version, why: error.message };
    }
  }

  /** A document of the cache; its signature is checked again. */
  async #cached(name: CacheName): Promise<DocumentInfo | null> {
    const cached = await this.#cache.document(name);
    if (cached === null) return null;
    const { settings: { publicKey } } = this.#options;
    const opened = await this.#open(cached.text, publicKey, cached.fetchedAt);
    if (opened.kind === "document") return opened.info;
    if (opened.kind === "refused") {
      this.#say("warning", `Left out the ${name} configuration of the cache: ${opened.why}`);
    }
    return null;
  }

  /** Its problems are told by whoever loads it. */
  async #readLocal(): Promise<DocumentInfo | null> {
    const { local, settings: { mode } } = this.#options;
    if (mode === "only") return null;
    const text = await local.read().catch(() => null);
    if (text === null) return null;
    if (this.#served === undefined) this.#localText = text;
    // A document of the source with the same text is another one.
    const hash = createHash("sha256").update("local\n").update(text).digest("hex");
    const fetchedAt = Math.floor(this.#clock.now());
    this.#local = { hash, bodyHash: hash, version: null, labels: [], fetchedAt };
    return this.#local;
  }

  async #writeDocuments(): Promise<void> {
    const { good, previous } = this.#state;
    const ok = await this.#write(async () => {
      // First the one before: at no moment is the last good one missing.
      const pairs = [["previous", previous], ["good", good]] as const;
      for (const [name, info] of pairs) {
        const text = info === null ? undefined : this.#texts.get(info.hash);
        if (text === undefined) continue;
        const { info: { fetchedAt } } = text;
        await this.#cache.writeDocument(name, { text: text.text, fetchedAt });
      }
    });
    await this.#turn({ type: "cached", ok });
  }

  /** A full disk costs what would have been kept, and no car. */
  async #write(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      if (this.#diskTrouble !== null) this.#say("info", "The configuration is in the cache again");
      this.#diskTrouble = null;
      return true;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (why !== this.#diskTrouble) this.#say("warning", why);
      this.#diskTrouble = why;
      return false;
    }
  }

  #say(level: "info" | "warning" | "error", text: string): void {
    if (this.#log === silentLog) this.#early.push({ type: "log", level, text });
    else this.#log[level](text);
  }

  /** Only documents that may be used again are held. */
  #forget(): void {
    const { live, trial, owed, good, previous, candidates } = this.#state;
    const infos = [live, trial, trial?.before, owed, ...candidates].map((one) => one?.info);
    const { pulled } = this.#lastPulled ?? {};
    const last = pulled?.kind === "document" ? pulled.info : undefined;
    const kept = new Set([...infos, good, previous, last].map((info) => info?.hash));
    for (const hash of this.#texts.keys()) if (!kept.has(hash)) this.#texts.delete(hash);
  }
}

const NOBODY: Counted = { of: 0, running: 0 };

function countOf(cars: readonly CountedCar[]): Counted {
  return { of: cars.length, running: cars.filter(({ isRunning }) => isRunning).length };
}
