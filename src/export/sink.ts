// The interface of a sink: where events go. What a sink does not take stays in the event log.
import type { LogEvent } from "../record/mod.ts";

/** Events that are delivered together, in the order of the log. */
export interface SinkBatch {
  /** The same whenever these events are delivered again. */
  readonly id: string;
  /** At least one. */
  readonly messages: readonly SinkMessage[];
}

/** An event as a sink sends it. */
export interface SinkMessage {
  readonly event: LogEvent;
  /** JSON, on one line: the event's own, or what a channel has made of it. */
  readonly body: string;
  /** Whether a channel has made it. @default {false} */
  readonly isMade?: boolean;
}

/** Delivers batches, one at a time. */
export interface Sink {
  /** For people: where it delivers to, without secrets. */
  readonly target: string;
  /**
   * Delivers a batch; resolves when the receiver has every message of it for good. The same batch may
   * come again, also in part.
   *
   * @throws {SinkError} or anything else; the batch is then delivered again after a pause
   */
  deliver(batch: SinkBatch, signal: AbortSignal): Promise<void>;
  /**
   * Tries, without an event, whether the receiver is there, lets this sink in and takes something;
   * resolves with what was found, for people. Ends what it has opened. Absent: it has no receiver.
   *
   * @throws {SinkError} or anything else, which says what has failed
   */
  probe?(signal: AbortSignal): Promise<string>;
  /** Ends its connection. Never rejects. */
  close(): Promise<void>;
}

/** A sink has not taken a batch; the message says why. */
export class SinkError extends Error {
  override readonly name = "SinkError";
  /** How long the receiver asks to be left alone, in milliseconds; `null`: it does not say. */
  readonly retryAfterMs: number | null;
  /** Whether it may take a smaller batch. */
  readonly isTooLarge: boolean;
  /** What to do about it; `null`: that depends. */
  readonly advice: string | null;

  constructor(
    message: string,
    { retryAfterMs = null, isTooLarge = false, advice = null, ...options }: ErrorOptions & {
      readonly retryAfterMs?: number | null;
      readonly isTooLarge?: boolean;
      readonly advice?: string | null;
    } = {},
  ) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
    this.isTooLarge = isTooLarge;
    this.advice = advice;
  }
}
