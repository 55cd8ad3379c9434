// Reports that a broker cannot be reached: at once, then once a minute, for all cars together.
import type { Log } from "../../log/mod.ts";
import type { Clock } from "../../time/mod.ts";
import { brokerAdvice } from "./broker_advice.ts";
import type { BrokerFailure } from "./failure.ts";

/** How long the same reason is not reported again, in milliseconds. */
const REPORT_EVERY_MS = 60_000;
/** More reasons at a time are counted as one. */
const MAX_REASONS = 20;
const OTHER = { code: "other", reason: "other reasons" } as const;

/** One reason and the cars it affects. */
interface Trouble {
  readonly cars: Set<string>;
  sinceMs: number;
  reportedMs: number;
  attempts: number;
  /** Whether the last line about it reported it. */
  announced: boolean;
}

/** Collects the failures of all cars at one broker address. */
export class FailureReporter {
  readonly #address: string;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #troubles = new Map<string, Trouble>();

  constructor(address: string, log: Log, clock: Clock) {
    this.#address = address;
    this.#log = log;
    this.#clock = clock;
  }

  /** A car's attempt has failed, for which so many others wait. */
  failed(
    car: string,
    { code, reason }: Pick<BrokerFailure, "code" | "reason">,
    waiting: number,
  ): void {
    const now = this.#clock.now();
    for (const [other, { cars }] of this.#troubles) if (other !== reason) cars.delete(car);
    let trouble = this.#troubles.get(reason);
    if (!trouble) {
      if (this.#troubles.size >= MAX_REASONS && reason !== OTHER.reason) {
        return this.failed(car, OTHER, waiting);
      }
      trouble = {
        cars: new Set(),
        sinceMs: now,
        reportedMs: -Infinity,
        attempts: 0,
        announced: false,
      };
      this.#troubles.set(reason, trouble);
    }
    if (trouble.cars.size === 0) trouble.sinceMs = now;
    trouble.cars.add(car);
    trouble.attempts++;
    if (now - trouble.reportedMs < REPORT_EVERY_MS) return;
    const { attempts } = trouble;
    const size = Math.max(trouble.cars.size, waiting + 1);
    const first = trouble.reportedMs === -Infinity;
    const extent = first
      ? `car ${car}`
      : `${size} ${size === 1 ? "car" : "cars"}, ${attempts} attempts since the last report`;
    // The advice is given only once.
    const advice = first ? `. ${brokerAdvice(code)}` : "";
    this.#log.warning(`Cannot use the broker ${this.#address}: ${reason} (${extent})${advice}`);
    trouble.reportedMs = now;
    trouble.attempts = 0;
    trouble.announced = true;
  }

  /** A car is connected and subscribed, or has stopped trying. */
  done(car: string, connected: boolean): void {
    const now = this.#clock.now();
    for (const [reason, trouble] of this.#troubles) {
      if (trouble.cars.delete(car) && connected && trouble.cars.size === 0 && trouble.announced) {
        const seconds = Math.round((now - trouble.sinceMs) / 1_000);
        this.#log.info(`The broker ${this.#address} works again after ${seconds} s: ${reason}`);
        trouble.announced = false;
      }
      // Kept for a minute, so that an intermittent failure is not reported each time.
      const forgotten = now - trouble.reportedMs >= REPORT_EVERY_MS;
      if (trouble.cars.size === 0 && forgotten) this.#troubles.delete(reason);
    }
  }
}
