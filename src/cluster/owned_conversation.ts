// One connection to a car's conversation: takes it over, then serves it, and writes checkpoints.
import type { Session, SessionSettings } from "../session/mod.ts";
import type { Conversation, ConversationListener } from "../transport/mod.ts";
import { Alarm, type Clock } from "../time/mod.ts";
import { encodeCheckpoint } from "./checkpoint.ts";
import { ALL_COVERED, checkpointDueAt, type Coverage, withHandled } from "./coverage.ts";
import {
  createTakeover,
  type Decision,
  stepTakeover,
  type Takeover,
  type TakeoverInput,
} from "./takeover.ts";

/** What checkpoints are made of; `Car` implements it. */
export interface CheckpointSource {
  readonly session: Session;
  readonly settings: SessionSettings;
  /** Messages that the session has sent, and that are held back; see `Car`. */
  readonly heldMessages: number;
}

export interface OwnedConversationListener {
  /** How to go on; {@linkcode OwnedConversation.serve} is awaited. */
  onDecision(decision: Decision): void;
  /** A gateway's message, while the car is served. */
  onMessage(payload: Uint8Array): void;
  /** The last call. */
  onClosed(reason: string): void;
}

export interface OwnedConversationOptions {
  readonly epoch: number;
  readonly minEpoch: number;
  readonly source: CheckpointSource;
  readonly clock: Clock;
  readonly listener: OwnedConversationListener;
}

/** The session is ahead of what was sent while messages are held back; asked again after so long. */
const HELD_RETRY_MS = 5;

/** From connecting until it is closed. */
export class OwnedConversation implements ConversationListener {
  readonly #options: OwnedConversationOptions;
  readonly #alarm: Alarm;
  #conversation: Conversation | null = null;
  #takeover: Takeover | null = null;
  #coverage: Coverage = ALL_COVERED;
  #isServing = false;
  #isPaused = false;
  #isClosed = false;

  constructor(options: OwnedConversationOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#keepCovered());
  }

  /** Whether the session lives here. */
  get isServing(): boolean {
    return this.#isServing && !this.#isClosed;
  }

  /** Connects. */
  open(conversation: Conversation): void {
    this.#conversation = conversation;
    conversation.open();
  }

  /**
   * Carries the decision out by `begin`, which makes it the session of the source; messages are delivered
   * after that.
   *
   * @param uncovered packet identifiers that the next checkpoint covers
   */
  serve(uncovered: readonly number[], begin: () => void): void {
    const { clock } = this.#options;
    for (const id of uncovered) this.#coverage = withHandled(this.#coverage, id, clock.now());
    begin();
    if (this.#isClosed) return;
    this.#isServing = true;
    this.writeCheckpoint();
    if (!this.#isPaused) this.#conversation?.resume();
  }

  publish(payload: Uint8Array): void {
    this.#conversation?.publish(payload);
  }

  notifyDisconnect(): void {
    this.#conversation?.notifyDisconnect();
  }

  get conversation(): Conversation | null {
    return this.#conversation;
  }

  pause(): void {
    this.#isPaused = true;
    this.#conversation?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#isServing) this.#conversation?.resume();
  }

  /** Covers everything that was handled; not yet when something is held back. */
  writeCheckpoint(): void {
    const { source, epoch, clock } = this.#options;
    if (!this.isServing) return;
    const now = clock.now();
    if (source.heldMessages > 0) return this.#alarm.set(now + HELD_RETRY_MS);
    const session = source.session.kind === "stopped" ? null : source.session;
    const { paused } = source.session.base;
    const covered = this.#coverage.packetIds;
    const checkpoint = { epoch, paused, session, covered, pending: [] };
    this.#coverage = ALL_COVERED;
    this.#conversation?.writeCheckpoint(encodeCheckpoint(checkpoint, now), covered);
  }

  /**
   * Writes the last checkpoint and leaves the broker.
   *
   * @returns whether the broker has it
   */
  async leave(): Promise<boolean> {
    const conversation = this.#conversation;
    const isCovered = this.isServing && this.#options.source.heldMessages === 0;
    this.writeCheckpoint();
    this.#isServing = false;
    this.#alarm.set(Infinity);
    const isSettled = await conversation?.leave() ?? false;
    return isCovered && isSettled;
  }

  /** Leaves at once. */
  async destroy(): Promise<void> {
    this.#isServing = false;
    this.#alarm.set(Infinity);
    await this.#conversation?.destroy();
  }

  onAccepted(sessionPresent: boolean): void {
    const { epoch, minEpoch } = this.#options;
    this.#takeover = createTakeover(epoch, sessionPresent, minEpoch);
  }

  onCheckpoint(encoded: Uint8Array | null): void {
    this.#take({ type: "checkpoint", encoded });
  }

  onBarrier(): void {
    this.#take({ type: "barrier" });
  }

  onMessage(
    from: "gateway" | "self",
    payload: Uint8Array,
    packetId: number,
    isDuplicate: boolean,
  ): void {
    if (!this.#isServing) {
      const message = { from, payload: payload.slice() };
      return this.#take({ type: "message", packetId, isDuplicate, message });
    }
    // Covered by a checkpoint that its turn causes.
    this.#coverage = withHandled(this.#coverage, packetId, this.#options.clock.now());
    if (from === "gateway") this.#options.listener.onMessage(payload);
    this.#keepCovered();
  }

  onClosed({ reason }: { readonly reason: string }): void {
    this.#isClosed = true;
    this.#alarm.set(Infinity);
    this.#options.listener.onClosed(reason);
  }

  #keepCovered(): void {
    if (!this.isServing) return;
    const dueAt = checkpointDueAt(this.#coverage);
    if (dueAt <= this.#options.clock.now()) this.writeCheckpoint();
    else this.#alarm.set(dueAt);
  }

  #take(input: TakeoverInput): void {
    const { source, clock, listener } = this.#options;
    if (this.#takeover === null || this.#takeover.decision !== null) return;
    const environment = { now: clock.now(), settings: source.settings };
    const { takeover, effects } = stepTakeover(this.#takeover, input, environment);
    this.#takeover = takeover;
    let checkpoint: Uint8Array | null = null;
    for (const effect of effects) {
      if (effect.type === "checkpoint") checkpoint = effect.encoded;
      else if (checkpoint !== null) {
        this.#conversation?.writeCheckpoint(checkpoint, effect.packetIds);
      }
    }
    if (takeover.decision === null) return;
    // What comes from now on is for the session, which may have to wait for its modules.
    this.#conversation?.pause();
    listener.onDecision(takeover.decision);
  }
}
