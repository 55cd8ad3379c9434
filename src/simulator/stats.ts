// Counters of one gateway, or of a fleet that shares them.
import { Histogram, type HistogramJson } from "./histogram.ts";

/** Counts since the start or the last reset; statuses are those of normal communication. */
export interface GatewayCounts {
  /** Sent, or given to the plan of faults. */
  sent: number;
  answered: number;
  /** On the wire, and their session ended through no fault of the gateway. */
  unanswered: number;
  /** Never sent, on purpose. */
  dropped: number;
  /** Sent, but their answer was given up by the gateway itself, or cannot come after a drop. */
  abandoned: number;
  reordered: number;
  duplicated: number;
  /** Commands received, those of the connect sequence included. */
  commands: number;
  /** Command responses handed out. */
  responses: number;
  /** Sessions that reached normal communication. */
  sessions: number;
  /** Sessions begun after the first one of each gateway. */
  reconnects: number;
  /** Connect sequences that failed. */
  failedSequences: number;
  /** Disconnect notifications. */
  notifications: number;
  /** Broker connections that failed or were lost. */
  linkFailures: number;
  /** Messages of another session, which a gateway ignores. */
  foreign: number;
  violations: number;
}

/** The counts and the response times as plain data. */
export interface GatewayStatsJson extends Readonly<GatewayCounts> {
  readonly latency: HistogramJson;
}

/** A fresh set of counts. */
function zeroCounts(): GatewayCounts {
  return {
    sent: 0,
    answered: 0,
    unanswered: 0,
    dropped: 0,
    abandoned: 0,
    reordered: 0,
    duplicated: 0,
    commands: 0,
    responses: 0,
    sessions: 0,
    reconnects: 0,
    failedSequences: 0,
    notifications: 0,
    linkFailures: 0,
    foreign: 0,
    violations: 0,
  };
}

/** Counts and response times; several gateways may share one. */
export class GatewayStats implements GatewayCounts {
  sent = 0;
  answered = 0;
  unanswered = 0;
  dropped = 0;
  abandoned = 0;
  reordered = 0;
  duplicated = 0;
  commands = 0;
  responses = 0;
  sessions = 0;
  reconnects = 0;
  failedSequences = 0;
  notifications = 0;
  linkFailures = 0;
  foreign = 0;
  violations = 0;
  /** From sending a status of normal communication to its response, in milliseconds. */
  readonly latency: Histogram = new Histogram();

  /** Resets, for example after a warm-up. */
  reset(): void {
    Object.assign(this, zeroCounts());
    this.latency.reset();
  }

  toJSON(): GatewayStatsJson {
    const counts = zeroCounts();
    for (const name of Object.keys(counts) as (keyof GatewayCounts)[]) counts[name] = this[name];
    return { ...counts, latency: this.latency.toJSON() };
  }
}
