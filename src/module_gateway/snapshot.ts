// A Module Gateway as plain data.
import type { Phase } from "../gateway/mod.ts";
import type { InternalServerStatistics } from "../internal_server/mod.ts";
import type { Device } from "../protocol/mod.ts";

/** A device that has sent a status, and has not gone. */
export interface DeviceSnapshot {
  /** `module/type/role`. */
  readonly key: string;
  readonly device: Device;
  /** As its module aggregated it. */
  readonly status: Uint8Array;
  /** Milliseconds since the epoch; `null`: this process has heard none. */
  readonly statusAt: number | null;
  /** What it was sent last; empty: nothing yet. */
  readonly command: Uint8Array;
  /** Milliseconds since the epoch; `null`: it was sent none. */
  readonly commandAt: number | null;
  /** Commands of the cloud that wait for its next status. */
  readonly waitingCommands: number;
  /** What waits for its module. */
  readonly waitingJobs: number;
}

/** An endpoint: its session, and what waits for it. */
export interface EndpointSnapshot {
  readonly name: string;
  readonly modules: readonly number[];
  readonly phase: Phase;
  /** Milliseconds since the epoch. */
  readonly since: number;
  readonly sessionId: string | null;
  /** Of devices that the cloud was told of, or is about to be: `module/type/role`. */
  readonly devices: readonly string[];
  /** Statuses without an answer. */
  readonly unanswered: number;
  /** Reports that wait to be sent. */
  readonly waitingReports: number;
  /** Statuses that wait to be folded into error messages. */
  readonly waitingErrors: number;
  /** What is kept on the disk of statuses that could not be sent; `null`: nothing is. */
  readonly history: HistoryCounts | null;
  /** Why the last session or the last attempt ended; `null`: none has. */
  readonly lastEnd: string | null;
  readonly counts: EndpointCounts;
}

/** Counts of an endpoint since the gateway was made. */
export interface EndpointCounts {
  readonly sessions: number;
  readonly failedSequences: number;
  readonly statusesSent: number;
  readonly statusesAnswered: number;
  /** Statuses that could not be sent, and are told as a last status and an error message. */
  readonly statusesFolded: number;
  readonly commands: number;
  readonly violations: number;
}

/** Statuses that are offered afterwards, since the gateway was made. */
export interface HistoryCounts {
  readonly kept: number;
  /** Offered again after a failure count again. */
  readonly offered: number;
  /** That the disk had no room for, in bytes. */
  readonly lostBytes: number;
  /** On the disk now, and on the way there. */
  readonly bytes: number;
}

/** Counts of all devices since the gateway was made. */
export interface DeviceCounts {
  readonly statuses: number;
  readonly reports: number;
  readonly commandsSent: number;
  readonly dead: number;
  /** By what was dropped and why, as in `status status_invalid`. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Calls that did not succeed, by function. */
  readonly failedCalls: Readonly<Record<string, number>>;
}

export interface ModuleGatewaySnapshot {
  readonly company: string;
  readonly car: string;
  readonly devices: readonly DeviceSnapshot[];
  readonly endpoints: readonly EndpointSnapshot[];
  readonly internalServer: InternalServerStatistics;
  readonly counts: DeviceCounts;
}
