// The state of remote configuration, a plain value; what of it is kept on the disk; its inputs and
// effects.
import type { DocumentInfo } from "./envelope.ts";

/** Where a document comes from: the source, one of the two in the cache, or the local file. */
export type Origin = "remote" | "cache" | "previous" | "local";

/** A document that is refused until the source has another one. */
export interface Refusal {
  readonly hash: string;
  readonly version: number | null;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly why: string;
}

/** Who holds a document, so that nothing that is pulled takes its place. */
export interface Pin {
  readonly hash: string;
  readonly by: string;
  readonly at: number;
}

/** A document was used that had not passed its probation yet. */
export interface Attempt {
  readonly hash: string;
  readonly at: number;
}

/** What a restart must not forget. */
export interface Journal {
  /** Versions and refusals are those of this source. */
  readonly url: string;
  /** The version of the last good document; `null`: it had none. */
  readonly version: number | null;
  /** The newest last. */
  readonly refused: readonly Refusal[];
  readonly attempts: readonly Attempt[];
  readonly pin: Pin | null;
  /** The share of cars that were RUNNING at the last clean stop. */
  readonly share: { readonly value: number; readonly at: number } | null;
}

/** What was last pulled. */
export type Pulled =
  | { readonly kind: "document"; readonly info: DocumentInfo }
  | { readonly kind: "failed"; readonly why: string }
  /** It is no document, or not signed as it has to be. */
  | {
    readonly kind: "refused";
    readonly hash: string;
    readonly version: number | null;
    readonly why: string;
  };

/** The document that is in use. */
export interface Live {
  readonly info: DocumentInfo;
  readonly origin: Origin;
  readonly since: number;
  readonly why: string;
}

/** A document on probation. */
export interface Trial {
  readonly info: DocumentInfo;
  readonly origin: Origin;
  /** Whether only the cars of its labels have it. */
  readonly phase: "canary" | "all";
  /** What returns when it fails; `null`: there is nothing. */
  readonly before: Live | null;
  /** `null` until it has been applied. */
  readonly beganAt: number | null;
  /** Cars that count, and those of them that were RUNNING before. */
  readonly of: number;
  readonly running: number;
  /** Looks in the second half, and those at which enough cars were RUNNING. */
  readonly looks: number;
  readonly goodLooks: number;
  /** RUNNING at the last look. */
  readonly lastRunning: number;
}

export interface SourceState {
  readonly journal: Journal;
  readonly live: Live | null;
  /** Documents at the start that have not been tried, the best first. */
  readonly candidates: readonly Candidate[];
  /** Why those before them were not used. */
  readonly passed: readonly string[];
  readonly trial: Trial | null;
  /** What has to come back, and could not yet. */
  readonly owed: Live | null;
  /** In the cache. */
  readonly good: DocumentInfo | null;
  readonly previous: DocumentInfo | null;
  /** Whether the cache has to be written, and could not be yet. */
  readonly uncached: boolean;
  readonly lastPull: { readonly at: number; readonly failure: string | null } | null;
  readonly failures: number;
}

/** A document at the start, and why it would be used. */
export interface Candidate {
  readonly info: DocumentInfo;
  readonly origin: Origin;
  readonly why: string;
}

/** What there is at the start. */
export interface Found {
  readonly type: "found";
  readonly journal: Journal | null;
  readonly pulled: Pulled;
  readonly good: DocumentInfo | null;
  readonly previous: DocumentInfo | null;
  readonly local: DocumentInfo | null;
}

/** Cars that count, and those of them that are RUNNING. */
export interface Counted {
  readonly of: number;
  readonly running: number;
}

/** What an operator can hold. */
export const PIN_TARGETS = ["live", "good", "previous", "local"] as const;
export type PinTarget = typeof PIN_TARGETS[number];

export type SourceInput =
  | Found
  /** The candidate or document that was to be used is in use; before: as it was just before. */
  | { readonly type: "used"; readonly before: Counted; readonly isTouched: boolean }
  /** It cannot be used. */
  | { readonly type: "unusable"; readonly problems: readonly string[] }
  /** All cars are served. */
  | { readonly type: "serving"; readonly cars: number }
  | { readonly type: "pulled"; readonly pulled: Pulled }
  /** Once a second while there is a trial. */
  | { readonly type: "look"; readonly running: number }
  | { readonly type: "cached"; readonly ok: boolean }
  | {
    readonly type: "pin";
    readonly to: PinTarget | null;
    readonly by: string;
    readonly local: DocumentInfo | null;
  }
  | { readonly type: "stopping"; readonly counted: Counted };

export type SourceEffect =
  /** At the start: read and check it. */
  | { readonly type: "load"; readonly hash: string }
  /** Change the running server to it, all of it or only for the cars with its labels. */
  | { readonly type: "apply"; readonly hash: string; readonly canary: boolean }
  /** Write the journal, before what follows. */
  | { readonly type: "keep" }
  /** Write the document to the cache, whose last good one becomes the one before. */
  | { readonly type: "cache"; readonly hash: string }
  | { readonly type: "log"; readonly level: "info" | "warning" | "error"; readonly text: string }
  /** No document can be used. */
  | { readonly type: "give_up"; readonly problems: readonly string[] };

export interface SourceEnvironment {
  /** Milliseconds since the epoch; the machine's clock may be wrong. */
  readonly now: number;
  readonly settings: {
    readonly url: string;
    readonly mode: "prefer" | "only";
    readonly confirmMs: number;
  };
}

export interface SourceStep {
  readonly state: SourceState;
  readonly effects: readonly SourceEffect[];
}

/** Before anything is known. */
export function initialState(url: string): SourceState {
  return {
    journal: emptyJournal(url),
    live: null,
    candidates: [],
    passed: [],
    trial: null,
    owed: null,
    good: null,
    previous: null,
    uncached: false,
    lastPull: null,
    failures: 0,
  };
}

export function emptyJournal(url: string): Journal {
  return { url, version: null, refused: [], attempts: [], pin: null, share: null };
}

/** Refusals that are remembered; the oldest is forgotten. */
const MAX_REFUSALS = 20;

/** The journal with one more refusal. */
export function withRefusal(journal: Journal, refusal: Refusal): Journal {
  const others = journal.refused.filter(({ hash }) => hash !== refusal.hash);
  return { ...journal, refused: [...others, refusal].slice(-MAX_REFUSALS) };
}

/** A document as messages name it, such as `version 7 (3f2a9c01d4e5)`. */
export function documentText({ version, hash }: Pick<DocumentInfo, "version" | "hash">): string {
  const short = hash.slice(0, 12);
  return version === null ? `document ${short}` : `version ${version} (${short})`;
}
