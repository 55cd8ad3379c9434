// A sink as plain data.
import type { LogCount } from "../record/mod.ts";
import type { ReplaySnapshot } from "./replay.ts";

/** The states of a sink. */
export const SINK_STATES = ["idle", "delivering", "failing", "stopped"] as const;

/** `idle`: nothing waits; `failing`: what has failed is tried again. */
export type SinkState = typeof SINK_STATES[number];

/** What has become of the events of a channel, since it is there. */
export interface ChannelSnapshot {
  readonly name: string;
  readonly sent: number;
  /** Not reported, or not in the sample. */
  readonly dropped: number;
  /** Lost to an expression that has failed. */
  readonly failed: number;
}

/** A cursor and what waits for it. Moments are milliseconds of the clock. */
export interface ExporterSnapshot {
  readonly name: string;
  readonly target: string;
  /** What waits for it: records, bytes, and for how long the oldest has, in seconds. */
  readonly lag: LogCount & { readonly seconds: number };
  /** Records and their bytes, since the start. */
  readonly delivered: LogCount;
  /** The same a second, in the last ten. */
  readonly rate: LogCount;
  readonly state: SinkState;
  /** Records that were deleted before they were delivered, since the start, and their bytes. */
  readonly missed: number;
  readonly missedBytes: number;
  /** When that was noticed last; `null`: never. */
  readonly missedAt: number | null;
  /** Failures since the last delivery. */
  readonly failures: number;
  /** Why the last one failed; `null`: none has since. */
  readonly trouble: string | null;
  /** Since when it fails, and when it is tried again. */
  readonly failingSince: number | null;
  readonly nextAttemptAt: number | null;
  readonly channels: readonly ChannelSnapshot[];
  /** Payloads that a decoder could not read, since the channels are there. */
  readonly undecoded: number;
}

/** A sink with what it gets again; `replay` stays when it is over. */
export interface SinkSnapshot extends ExporterSnapshot {
  readonly replay: ReplaySnapshot | null;
}
