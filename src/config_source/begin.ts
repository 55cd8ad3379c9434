// Which document a server starts with: what the source has, else the last good one, else the one
// before, else the local file; not one that starts have died of.
import {
  type Candidate,
  documentText,
  emptyJournal,
  type Found,
  type Journal,
  type Origin,
  type Refusal,
  type SourceEffect,
  type SourceEnvironment,
  type SourceState,
  type SourceStep,
  withRefusal,
} from "./state.ts";
import type { DocumentInfo } from "./envelope.ts";

/** So many starts within so long that died before their document was confirmed. */
const LOOP_STARTS = 3;
const LOOP_MS = 5 * 60_000;
/** Attempts that are remembered. */
const MAX_ATTEMPTS = 10;

/** A refusal as it is reported, once. */
export function refusedLine({ version, hash, why }: Refusal) {
  const text = `Configuration ${documentText({ version, hash })} of the source is refused: ${why}`;
  return { level: "error", text } as const;
}

/** Lists the candidates, and has the first loaded. */
export function begin(found: Found, env: SourceEnvironment, state: SourceState): SourceStep {
  const { url } = env.settings;
  const kept = found.journal?.url === url ? found.journal : emptyJournal(url);
  const versions = [kept.version, found.journal?.url === url ? found.good?.version ?? null : null];
  const version = versions.reduce((one, other) =>
    one === null || (other !== null && other > one) ? other : one
  );
  const recent = kept.attempts.filter(({ at }) => Math.abs(env.now - at) <= LOOP_MS);
  const isLooping = recent.length >= LOOP_STARTS;
  const journal: Journal = { ...kept, version, attempts: isLooping ? [] : recent };
  const suspects = new Set(isLooping ? recent.map(({ hash }) => hash) : []);
  const { list, refused, why } = candidatesOf(found, journal, env);
  const passed = why === null ? [] : [why];
  const usable = list.filter(({ info }) => !suspects.has(info.hash));
  const loop = `${recent.length} starts within 5 minutes died before it was confirmed`;
  const guarded = list.filter(({ info }) => suspects.has(info.hash));
  const effects: SourceEffect[] = [];
  let next = refused;
  if (refused !== journal) {
    const refusal = refused.refused.at(-1);
    if (refusal !== undefined) effects.push({ type: "log", ...refusedLine(refusal) });
  }
  // With nothing else to start with, what starts have died of is tried again.
  const isGuarded = guarded.length > 0 && usable.length > 0;
  for (const { info } of isGuarded ? guarded : []) {
    next = withRefusal(next, { hash: info.hash, version: info.version, at: env.now, why: loop });
    effects.push({
      type: "log",
      level: "error",
      text: `Configuration ${documentText(info)} is left out: ${loop}`,
    });
  }
  const candidates = isGuarded
    ? usable.map((one) => ({
      ...one,
      why: `${loop}: ${documentText(guarded[0]?.info ?? one.info)}`,
    }))
    : list;
  const lastPull = {
    at: env.now,
    failure: found.pulled.kind === "document" ? null : found.pulled.why,
  };
  return tryNext({
    ...state,
    journal: next,
    candidates,
    passed,
    good: found.good,
    previous: found.previous,
    lastPull,
    failures: lastPull.failure === null ? 0 : 1,
  }, effects);
}

/** Loads the best candidate that is left. */
export function tryNext(
  state: SourceState,
  effects: readonly SourceEffect[],
): SourceStep {
  const [first] = state.candidates;
  const problems = state.passed.length > 0 ? state.passed : ["There is no configuration"];
  const effect: SourceEffect = first === undefined
    ? { type: "give_up", problems }
    : { type: "load", hash: first.info.hash };
  return { state, effects: [...effects, effect] };
}

/** The attempt is on the disk before it can kill anything. */
export function withAttempt(journal: Journal, hash: string, now: number): Journal {
  return { ...journal, attempts: [...journal.attempts, { hash, at: now }].slice(-MAX_ATTEMPTS) };
}

interface Candidates {
  readonly list: readonly Candidate[];
  /** The journal with what is refused by that. */
  readonly refused: Journal;
  /** Why what the source has is not among them. */
  readonly why: string | null;
}

function candidatesOf(
  { pulled, good, previous, local }: Found,
  journal: Journal,
  { now, settings }: SourceEnvironment,
): Candidates {
  const { remote, refused, why } = remoteOf(pulled, journal, good, now);
  const reason = why ?? "";
  const all: readonly (readonly [Origin, DocumentInfo | null, string])[] = [
    ["remote", remote, "the source has it"],
    ["cache", good, reason],
    ["previous", previous, reason],
    ["local", settings.mode === "only" ? null : local, reason],
  ];
  const { pin } = journal;
  const list: Candidate[] = [];
  for (const [origin, info, why] of all) {
    if (info === null || list.some((one) => one.info.hash === info.hash)) continue;
    const isBad = refused.refused.some(({ hash }) => hash === info.hash);
    const isPinned = pin?.hash === info.hash;
    const candidate = { info, origin, why: isPinned ? `pinned by ${pin.by}` : why };
    if (isPinned) list.unshift(candidate);
    else if (!isBad || origin === "local") list.push(candidate);
  }
  return { list, refused, why };
}

/** What the source has, if it may be used. */
function remoteOf(
  pulled: Found["pulled"],
  journal: Journal,
  good: DocumentInfo | null,
  now: number,
): { remote: DocumentInfo | null; refused: Journal; why: string | null } {
  if (pulled.kind === "failed") return { remote: null, refused: journal, why: pulled.why };
  if (pulled.kind === "refused") {
    if (journal.refused.some(({ hash }) => hash === pulled.hash)) {
      return { remote: null, refused: journal, why: pulled.why };
    }
    const { hash, version, why } = pulled;
    const refused = withRefusal(journal, { hash, version, at: now, why });
    return { remote: null, refused, why };
  }
  const { info } = pulled;
  const known = journal.refused.find(({ hash }) => hash === info.hash);
  if (known !== undefined) return { remote: null, refused: journal, why: known.why };
  const why = info.hash === good?.hash ? null : tooOld(info, journal);
  if (why === null) return { remote: info, refused: journal, why };
  const refusal = { hash: info.hash, version: info.version, at: now, why };
  return { remote: null, refused: withRefusal(journal, refusal), why };
}

/** Why a version is refused: it must grow, or somebody could bring an old document back. */
export function tooOld({ version }: DocumentInfo, journal: Journal): string | null {
  if (version === null || journal.version === null || version > journal.version) return null;
  return `Expected a version above ${journal.version}, the last good one: found ${version}`;
}
