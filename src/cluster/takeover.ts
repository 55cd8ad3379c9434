// Takes a car's conversation over from the broker: collects the last checkpoint and everything since
// it, then decides how to go on. Pure; a driver has the connection.
import type { ClientMessage, ServerMessage } from "../protocol/mod.ts";
import {
  decodeServerMessage,
  MalformedMessageError,
  readClientMessage,
} from "../protocol/codec/mod.ts";
import {
  catchUp,
  createSession,
  type InexactReason,
  type Session,
  type SessionSettings,
} from "../session/mod.ts";
import {
  type Checkpoint,
  type Collected,
  encodeCheckpoint,
  readCheckpoint,
  type Unreadable,
} from "./checkpoint.ts";
import { CHECKPOINT_AFTER_MESSAGES } from "./coverage.ts";

/**
 * More messages than this before the barrier: the gateway is to connect again. Brokers keep 1,000 for
 * a client by default, and each pending checkpoint repeats those before it.
 */
export const MAX_COLLECTED_MESSAGES = 2_000;
/** More bytes than this, likewise. */
const MAX_COLLECTED_BYTES = 4 * 1024 * 1024;

/** Why a gateway must connect again although its conversation was to be taken over. */
export type ReconnectReason =
  | Unreadable["reason"]
  | InexactReason
  | "no_checkpoint"
  /** An owner before has given the conversation up, and has not begun another. */
  | "given_up"
  /** The owner before has written a later checkpoint than the broker has. */
  | "older_epoch"
  /** The broker has no session for the car's client id. */
  | "broker_session_lost"
  /** More came before the barrier than is kept. */
  | "too_much";

/** How to go on. `uncovered` are packet identifiers that the next checkpoint is to cover. */
export type Decision =
  /** With this session; give it `take_over` with what was missed, as soon as contexts are there. */
  | {
    readonly type: "go_on";
    readonly session: Session;
    readonly missed: readonly ClientMessage[];
    readonly uncovered: readonly number[];
  }
  /** With an offline session: connect it as if for the first time, which tells the gateway. */
  | {
    readonly type: "connect_again";
    readonly reason: ReconnectReason;
    /** Human-readable. */
    readonly detail: string;
    readonly session: Session;
    readonly uncovered: readonly number[];
  }
  /** Not at all: an owner with a later epoch has taken the car. */
  | { readonly type: "leave"; readonly epoch: number };

export type TakeoverInput =
  /** The retained checkpoint; `null`: the broker has none. */
  | { readonly type: "checkpoint"; readonly encoded: Uint8Array | null }
  /** A message of the conversation with QoS 1. */
  | {
    readonly type: "message";
    readonly packetId: number;
    readonly isDuplicate: boolean;
    readonly message: Collected;
  }
  /** The barrier has come back: whatever is delivered from now on is new. */
  | { readonly type: "barrier" };

/** To be carried out in this order, on one connection. */
export type TakeoverEffect =
  /** Publish the retained message with QoS 1. */
  | { readonly type: "checkpoint"; readonly encoded: Uint8Array }
  | { readonly type: "acknowledge"; readonly packetIds: readonly number[] };

export interface TakeoverEnvironment {
  /** In milliseconds. */
  readonly now: number;
  readonly settings: SessionSettings;
}

interface Received {
  readonly packetId: number;
  readonly isDuplicate: boolean;
  readonly message: Collected;
}

/** What stands instead of a usable checkpoint. */
interface Unusable {
  readonly reason: ReconnectReason;
  readonly detail: string;
}

export interface Takeover {
  /** Of this owner. */
  readonly epoch: number;
  /** The checkpoint must be at least of this epoch. */
  readonly minEpoch: number;
  /** Whether the broker had a session for the car's client id. */
  readonly sessionPresent: boolean;
  /** What came before the checkpoint. */
  readonly early: readonly Received[];
  /** The checkpoint as it was read; `null`: it has not come. */
  readonly base: Checkpoint | null;
  /** Why the conversation cannot be continued; `null`: nothing is known against it. */
  readonly unusable: Unusable | null;
  /** What the session of the checkpoint has not seen. */
  readonly collected: readonly Collected[];
  readonly collectedBytes: number;
  /** Packet identifiers that were not acknowledged. */
  readonly uncovered: readonly number[];
  readonly barrier: boolean;
  /** `null`: not yet. Inputs after it are ignored. */
  readonly decision: Decision | null;
}

export interface TakeoverStep {
  readonly takeover: Takeover;
  readonly effects: readonly TakeoverEffect[];
}

/**
 * Begins to take a car over, once the broker has accepted the connection with the car's client id:
 * whoever had it before is cut off by then.
 *
 * @param minEpoch of an owner that is known to have written a checkpoint; 0: of none
 */
export function createTakeover(
  epoch: number,
  sessionPresent: boolean,
  minEpoch = 0,
): Takeover {
  return {
    epoch,
    minEpoch,
    sessionPresent,
    early: [],
    base: null,
    unusable: null,
    collected: [],
    collectedBytes: 0,
    uncovered: [],
    barrier: false,
    decision: null,
  };
}

/** Takes one input. Never throws. */
export function stepTakeover(
  takeover: Takeover,
  input: TakeoverInput,
  environment: TakeoverEnvironment,
): TakeoverStep {
  if (takeover.decision !== null) return { takeover, effects: [] };
  const effects: TakeoverEffect[] = [];
  const next = relieve(transition(takeover, input, environment), environment, effects);
  return { takeover: decide(next, environment), effects };
}

function transition(
  takeover: Takeover,
  input: TakeoverInput,
  environment: TakeoverEnvironment,
): Takeover {
  switch (input.type) {
    case "checkpoint":
      return takeover.base === null ? onCheckpoint(takeover, input.encoded, environment) : takeover;
    case "message":
      // Nothing is acknowledged before the checkpoint is there: the broker's window bounds these.
      return takeover.base === null
        ? { ...takeover, early: [...takeover.early, input] }
        : collect(takeover, input);
    case "barrier":
      return { ...takeover, barrier: true };
  }
}

function onCheckpoint(
  takeover: Takeover,
  encoded: Uint8Array | null,
  { now }: TakeoverEnvironment,
): Takeover {
  const [base, unusable] = examine(takeover, encoded, now);
  if (base.epoch > takeover.epoch) {
    return { ...takeover, base, decision: { type: "leave", epoch: base.epoch } };
  }
  const { pending } = base;
  const pendingBytes = pending.reduce((sum, { payload }) => sum + payload.length, 0);
  let next: Takeover = {
    ...takeover,
    base,
    unusable,
    early: [],
    collected: pending,
    collectedBytes: pendingBytes,
  };
  for (const received of takeover.early) next = collect(next, received);
  return next;
}

function examine(
  { epoch, minEpoch, sessionPresent }: Takeover,
  encoded: Uint8Array | null,
  now: number,
): readonly [base: Checkpoint, unusable: Unusable | null] {
  const empty = { epoch, paused: false, session: null, covered: [], pending: [] };
  if (encoded === null) {
    return [empty, { reason: "no_checkpoint", detail: "The broker has no checkpoint of the car" }];
  }
  const read = readCheckpoint(encoded, now);
  if ("reason" in read) {
    const { reason, detail, paused } = read;
    return [{ ...empty, epoch: read.epoch ?? epoch, paused }, { reason, detail }];
  }
  if (read.epoch < minEpoch) {
    const detail = `The broker has a checkpoint of epoch ${read.epoch}: ` +
      `an owner with epoch ${minEpoch} has written one`;
    return [read, { reason: "older_epoch", detail }];
  }
  if (!sessionPresent) {
    const detail = "The broker has lost the messages since the last checkpoint";
    return [read, { reason: "broker_session_lost", detail }];
  }
  if (read.session === null) {
    const detail = `The owner with epoch ${read.epoch} has given the conversation up`;
    return [read, { reason: "given_up", detail }];
  }
  return [read, null];
}

function collect(takeover: Takeover, { packetId, isDuplicate, message }: Received): Takeover {
  const { base, collected, unusable } = takeover;
  const uncovered = [...takeover.uncovered, packetId];
  // The checkpoint has it; its acknowledgment was lost.
  if (isDuplicate && base?.covered.includes(packetId)) return { ...takeover, uncovered };
  if (unusable?.reason === "too_much") return { ...takeover, uncovered };
  const collectedBytes = takeover.collectedBytes + message.payload.length;
  const next = { ...takeover, uncovered, collectedBytes, collected: [...collected, message] };
  const isTooMuch = next.collected.length > MAX_COLLECTED_MESSAGES ||
    collectedBytes > MAX_COLLECTED_BYTES;
  if (!isTooMuch || unusable !== null) return next;
  const detail = `${next.collected.length} messages of ${collectedBytes} bytes came before the ` +
    "barrier";
  return { ...next, unusable: { reason: "too_much", detail } };
}

/** Makes room in the broker's window, behind which the barrier may be. */
function relieve(
  takeover: Takeover,
  { now }: TakeoverEnvironment,
  effects: TakeoverEffect[],
): Takeover {
  const { epoch, base, unusable, uncovered, barrier, decision } = takeover;
  if (base === null || barrier || decision !== null) return takeover;
  if (uncovered.length < CHECKPOINT_AFTER_MESSAGES) return takeover;
  // What cannot be continued is given up for whoever takes the car next as well.
  const isGivenUp = unusable !== null;
  const checkpoint: Checkpoint = {
    epoch,
    paused: base.paused,
    session: isGivenUp ? null : base.session,
    covered: uncovered,
    pending: isGivenUp ? [] : takeover.collected,
  };
  effects.push(
    { type: "checkpoint", encoded: encodeCheckpoint(checkpoint, now) },
    { type: "acknowledge", packetIds: uncovered },
  );
  return { ...takeover, uncovered: [] };
}

function decide(takeover: Takeover, environment: TakeoverEnvironment): Takeover {
  const { base, barrier, unusable, uncovered, collected, decision } = takeover;
  if (base === null || !barrier || decision !== null) return takeover;
  const conversation = collected.map(decoded).filter((message) => message !== null);
  const again = ({ reason, detail }: Unusable, kept: Session["base"]): Takeover => {
    const session = {
      kind: "offline",
      base: { ...kept, toldAt: null, paused: base.paused },
    } as const;
    const told = { type: "connect_again", reason, detail, session, uncovered } as const;
    return { ...takeover, collected: [], decision: told };
  };
  const session = base.session ?? createSession();
  const caughtUp = catchUp(session, conversation, environment);
  if (unusable !== null) {
    return again(unusable, caughtUp.exact ? caughtUp.session.base : caughtUp.base);
  }
  if (!caughtUp.exact) return again(caughtUp, caughtUp.base);
  const { missed } = caughtUp;
  const goOn = { type: "go_on", session: caughtUp.session, missed, uncovered } as const;
  return { ...takeover, collected: [], decision: goOn };
}

/** What is no message was ignored when it came, and is so again. */
function decoded({ from, payload }: Collected): ClientMessage | ServerMessage | null {
  try {
    const message = from === "self" ? decodeServerMessage(payload) : readClientMessage(payload);
    return message.kind === "malformed" ? null : message;
  } catch (error) {
    if (!(error instanceof MalformedMessageError)) throw error;
    return null;
  }
}
