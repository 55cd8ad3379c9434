// The driver of an endpoint's error aggregators, one for each device.
import {
  createErrors,
  ERROR_LIMITS,
  type ErrorEffect,
  type ErrorInput,
  type ErrorState,
  isSettled,
  stepErrors,
} from "../module_handler/mod.ts";
import { type Device, deviceKey } from "../protocol/mod.ts";
import type { Clock } from "../time/mod.ts";
import type { ModuleCalls } from "./module_calls.ts";
import type { Turns } from "./turns.ts";

export interface ErrorAggregatorsOptions {
  readonly endpoint: string;
  readonly calls: Pick<ModuleCalls, "call">;
  readonly turns: Turns;
  readonly clock: Clock;
  onMessage(device: Device, message: Uint8Array): void;
  /** Everything that was to be folded is. */
  onSettled(): void;
}

interface Entry {
  readonly key: string;
  state: ErrorState;
}

/** What the devices of an endpoint could not tell the cloud. */
export class ErrorAggregators {
  readonly #options: ErrorAggregatorsOptions;
  readonly #devices = new Map<string, Entry>();
  /** Of those that something waits to be folded for. */
  #unsettled = 0;
  #stopped = false;

  constructor(options: ErrorAggregatorsOptions) {
    this.#options = options;
  }

  /** Whether nothing waits to be folded. */
  get isSettled(): boolean {
    return this.#unsettled === 0;
  }

  /** Statuses that wait to be folded. */
  get waiting(): number {
    let sum = 0;
    for (const { state } of this.#devices.values()) {
      sum += state.waiting.length + (state.call === null ? 0 : 1);
    }
    return sum;
  }

  /** A status could not be sent. */
  add(device: Device, data: Uint8Array): void {
    const key = deviceKey(device);
    const entry = this.#devices.get(key) ?? { key, state: createErrors(device) };
    this.#take(entry, { type: "add", data });
  }

  /** The device has gone. */
  forget(device: Device): void {
    const key = deviceKey(device);
    const entry = this.#devices.get(key);
    if (entry === undefined) return;
    this.#devices.delete(key);
    if (!isSettled(entry.state)) this.#unsettled--;
    this.#checkSettled();
  }

  /** The cloud has all messages. */
  empty(): void {
    for (const entry of this.#devices.values()) this.#take(entry, { type: "empty" });
  }

  /** Folds nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#devices.clear();
  }

  #take(entry: Entry, input: ErrorInput): void {
    if (this.#stopped) return;
    const { endpoint, turns, clock } = this.#options;
    const { key: device, state: before } = entry;
    const { state: after, effects } = stepErrors(before, input, { settings: ERROR_LIMITS });
    entry.state = after;
    this.#unsettled += Number(!isSettled(after)) - Number(!isSettled(before));
    if (isSettled(after) && after.message === null) this.#devices.delete(device);
    else this.#devices.set(device, entry);
    for (const effect of effects) {
      turns.guard(effect.type, () => this.#perform(entry, effect));
    }
    const at = clock.now();
    turns.tell({ kind: "errors", endpoint, device, at, input, before, after, effects });
    this.#checkSettled();
  }

  #perform(entry: Entry, effect: ErrorEffect): void {
    switch (effect.type) {
      case "call":
        return this.#options.calls.call(effect.module, effect.call, (outcome) => {
          // Of a device that has gone meanwhile, nobody wants to know.
          if (this.#devices.get(entry.key) !== entry) return;
          this.#take(entry, { type: "returned", id: effect.id, outcome });
        });
      case "error_message":
        return this.#options.onMessage(effect.device, effect.message);
      // For subscribers.
      case "call_failed":
      case "dropped":
    }
  }

  #checkSettled(): void {
    if (!this.#stopped && this.isSettled) this.#options.onSettled();
  }
}
