// Which configuration is in use, and why, as plain data.
import type { ConfigSourceConfig } from "../config/mod.ts";
import type { DocumentInfo } from "./envelope.ts";
import { shown } from "./pull.ts";
import type { Origin, SourceState } from "./state.ts";

/** For API, page and metrics. Times are in milliseconds since the epoch. */
export interface SourceView {
  /** Without path and query. */
  readonly url: string;
  readonly mode: ConfigSourceConfig["mode"];
  readonly live: {
    readonly origin: Origin;
    readonly hash: string;
    readonly version: number | null;
    readonly since: number;
    /** Since it was pulled. */
    readonly ageSeconds: number;
    readonly why: string;
  } | null;
  readonly trial: {
    readonly hash: string;
    readonly version: number | null;
    readonly phase: "canary" | "all";
    /** `null` while it is being applied. */
    readonly endsAt: number | null;
    readonly running: number;
    readonly runningBefore: number;
  } | null;
  readonly good: DocumentName | null;
  readonly previous: DocumentName | null;
  readonly refused: readonly {
    readonly hash: string;
    readonly version: number | null;
    readonly at: number;
    readonly why: string;
  }[];
  readonly pin: { readonly hash: string; readonly by: string; readonly at: number } | null;
  readonly lastPull: { readonly at: number; readonly failure: string | null } | null;
  /** Pulls that have failed, one after the other. */
  readonly failures: number;
}

interface DocumentName {
  readonly hash: string;
  readonly version: number | null;
}

export function sourceView(
  { live, trial, good, previous, journal, lastPull, failures }: SourceState,
  { url, mode, confirmMs }: Pick<ConfigSourceConfig, "url" | "mode" | "confirmMs">,
  now: number,
): SourceView {
  return {
    url: shown(url),
    mode,
    live: live && {
      ...nameOf(live.info),
      origin: live.origin,
      since: Math.floor(live.since),
      ageSeconds: Math.max(0, Math.floor((now - live.info.fetchedAt) / 1000)),
      why: live.why,
    },
    trial: trial && {
      ...nameOf(trial.info),
      phase: trial.phase,
      endsAt: trial.beganAt === null ? null : Math.floor(trial.beganAt + confirmMs),
      running: trial.lastRunning,
      runningBefore: trial.running,
    },
    good: good && nameOf(good),
    previous: previous && nameOf(previous),
    refused: journal.refused.map((one) => ({ ...one, at: Math.floor(one.at) })),
    pin: journal.pin && { ...journal.pin, at: Math.floor(journal.pin.at) },
    lastPull: lastPull && { ...lastPull, at: Math.floor(lastPull.at) },
    failures,
  };
}

function nameOf({ hash, version }: DocumentInfo): DocumentName {
  return { hash, version };
}
