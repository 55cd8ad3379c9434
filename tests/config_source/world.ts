// A world around the core of remote configuration: a source, a disk and cars, in virtual time.
import assert from "node:assert/strict";
import type { DocumentInfo } from "../../src/config_source/envelope.ts";
import {
  initialState,
  type Journal,
  type PinTarget,
  type Pulled,
  type SourceEffect,
  type SourceInput,
  type SourceState,
} from "../../src/config_source/state.ts";
import { step } from "../../src/config_source/step.ts";

/** What outlives a process. */
export interface Disk {
  journal: Journal | null;
  good: DocumentInfo | null;
  previous: DocumentInfo | null;
  isFull: boolean;
}

export function emptyDisk(): Disk {
  return { journal: null, good: null, previous: null, isFull: false };
}

export const URL = "https://config.example";
export const CONFIRM_MS = 120_000;
export const LOCAL = document("local");

/** A document; its hash and body are its name unless told otherwise. */
export function document(
  name: string,
  { version = null, labels = [], body = name }: {
    readonly version?: number | null;
    readonly labels?: readonly string[];
    readonly body?: string;
  } = {},
): DocumentInfo {
  return { hash: name, bodyHash: body, version, labels, fetchedAt: 0 };
}

/** The source has it. */
export function has(info: DocumentInfo): Pulled {
  return { kind: "document", info };
}

export const AWAY: Pulled = { kind: "failed", why: "it answered with 500" };

/** Thrown where the process is to die. */
export class Killed extends Error {}

export interface WorldOptions {
  readonly disk?: Disk;
  readonly mode?: "prefer" | "only";
  readonly now?: number;
  /** Documents that cannot be used. */
  readonly broken?: readonly string[];
  /** The number of the effect before which the process dies; @default {never} */
  readonly dieBefore?: number;
}

/** One run of a server. */
export class World {
  now: number;
  state: SourceState = initialState(URL);
  /** What the cars have: all of them, or the canary. */
  config = "";
  canary = "";
  readonly disk: Disk;
  readonly log: string[] = [];
  /** Configurations that cars were changed to. */
  readonly applied: string[] = [];
  readonly cars = 10;
  running = 10;
  /** Cars that are RUNNING with a document; others: all. */
  readonly healthy: Record<string, number> = {};
  readonly broken: Set<string>;
  gaveUp: readonly string[] | null = null;
  effects = 0;
  readonly #options: WorldOptions;
  /** Cars with the labels that differ in the document. */
  canaryCars = 2;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    this.disk = options.disk ?? emptyDisk();
    this.now = options.now ?? 1_000_000_000;
    this.broken = new Set(options.broken);
  }

  /** Starts, until cars are served. */
  start(pulled: Pulled): this {
    const { journal, good, previous } = this.disk;
    this.feed({ type: "found", journal, pulled, good, previous, local: LOCAL });
    if (this.gaveUp === null) this.feed({ type: "serving", cars: this.cars });
    return this;
  }

  poll(pulled: Pulled): void {
    this.feed({ type: "pulled", pulled });
  }

  /** Lets time pass, with a look each second. */
  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += 1000;
      if (this.state.trial === null) continue;
      this.feed({ type: "look", running: this.#runningNow() });
    }
  }

  pin(to: PinTarget | null): void {
    this.feed({ type: "pin", to, by: "desk", local: LOCAL });
  }

  stop(): void {
    this.feed({ type: "stopping", counted: { of: this.cars, running: this.running } });
  }

  feed(input: SourceInput): void {
    const { state, effects } = step(this.state, input, {
      now: this.now,
      settings: { url: URL, mode: this.#options.mode ?? "prefer", confirmMs: CONFIRM_MS },
    });
    // A state is a value.
    this.state = JSON.parse(JSON.stringify(state));
    for (const effect of effects) this.#carryOut(effect);
  }

  #runningNow(): number {
    const { trial } = this.state;
    return trial === null ? this.running : this.healthy[trial.info.hash] ?? trial.running;
  }

  #carryOut(effect: SourceEffect): void {
    if (this.effects++ === this.#options.dieBefore) throw new Killed();
    const { disk } = this;
    switch (effect.type) {
      case "load":
        if (this.broken.has(effect.hash)) {
          return this.feed({ type: "unusable", problems: [`${effect.hash} is broken`] });
        }
        this.config = effect.hash;
        return this.feed({ type: "used", before: { of: 0, running: 0 }, isTouched: true });
      case "apply": {
        if (this.broken.has(effect.hash)) {
          return this.feed({ type: "unusable", problems: [`${effect.hash} is broken`] });
        }
        this.applied.push(effect.canary ? `canary ${effect.hash}` : effect.hash);
        if (effect.canary) this.canary = effect.hash;
        else [this.config, this.canary] = [effect.hash, ""];
        const of = effect.canary ? this.canaryCars : this.cars;
        return this.feed({
          type: "used",
          before: { of, running: Math.min(of, this.running) },
          isTouched: of > 0,
        });
      }
      case "keep":
        if (!disk.isFull) disk.journal = this.state.journal;
        return;
      case "cache": {
        const { good, previous } = this.state;
        if (!disk.isFull) {
          assert.equal(effect.hash, good?.hash);
          disk.previous = previous;
          disk.good = good;
        }
        return this.feed({ type: "cached", ok: !disk.isFull });
      }
      case "log":
        return void this.log.push(`${effect.level}: ${effect.text}`);
      case "give_up":
        this.gaveUp = effect.problems;
    }
  }
}
