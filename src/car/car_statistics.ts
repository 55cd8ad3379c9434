// Counters of one car, cheap enough to be always on.
import type { ServerMessage } from "../protocol/mod.ts";
import type { Dropped, FailureReason, Note, NotForwarded } from "../session/mod.ts";
import type { Turn, TurnSubscriber } from "./turn.ts";

/** The counters as plain data. */
export type CarCounts = Readonly<
  Omit<CarStatistics, "onTurn" | "snapshot">
>;

function add<K extends string>(counts: Partial<Record<K, number>>, key: K, count: number): void {
  counts[key] = (counts[key] ?? 0) + count;
}

/** Counters of a car since the server started. */
export class CarStatistics implements TurnSubscriber {
  sessionsStarted = 0;
  sessionsFailed = 0;
  statusesReceived = 0;
  statusesForwarded = 0;
  /** Answered but not forwarded. */
  statusesNotForwarded = 0;
  statusesAnswered = 0;
  commandsSent = 0;
  /** Answered with OK. */
  commandsAcknowledged = 0;
  commandsRefused = 0;
  /** Published, but not answered before their session ended. */
  commandsUnanswered = 0;
  commandsDropped = 0;
  moduleCallsFailed = 0;
  /** Payloads that were malformed or too large. */
  messagesRejected = 0;
  /** {@linkcode sessionsFailed} by reason; reasons without any are absent. */
  readonly failuresByReason: Partial<Record<FailureReason, number>> = {};
  /** {@linkcode statusesNotForwarded} by reason. */
  readonly notForwardedByReason: Partial<Record<NotForwarded, number>> = {};
  /** {@linkcode commandsDropped} by reason. */
  readonly droppedByReason: Partial<Record<Dropped, number>> = {};

  /** A copy of the counters. */
  snapshot(): CarCounts {
    return {
      ...this,
      failuresByReason: { ...this.failuresByReason },
      notForwardedByReason: { ...this.notForwardedByReason },
      droppedByReason: { ...this.droppedByReason },
    };
  }

  /** See {@linkcode TurnSubscriber}. */
  onTurn({ input, effects }: Turn): void {
    if (input.type === "message") {
      if (input.message.kind === "status") this.statusesReceived++;
    } else if (input.type === "forwarded") this.statusesForwarded++;
    for (const effect of effects) {
      switch (effect.type) {
        case "publish":
          this.#countPublished(effect.message);
          break;
        case "note":
          this.#countNote(effect.note);
          break;
        case "acknowledge":
          this.commandsAcknowledged++;
          break;
        case "ended":
          this.sessionsFailed++;
          add(this.failuresByReason, effect.failure.reason, 1);
      }
    }
  }

  #countPublished(message: ServerMessage): void {
    if (message.kind === "status_response") this.statusesAnswered++;
    else if (message.kind === "command") this.commandsSent++;
  }

  #countNote(note: Note): void {
    switch (note.code) {
      case "running":
        this.sessionsStarted++;
        return;
      case "call_failed":
        this.moduleCallsFailed++;
        return;
      case "rejected":
        this.messagesRejected++;
        return;
      case "not_forwarded":
        this.statusesNotForwarded++;
        add(this.notForwardedByReason, note.why, 1);
        return;
      case "command_refused":
        this.commandsRefused++;
        return;
      case "command_dropped":
        this.commandsDropped += note.count;
        add(this.droppedByReason, note.why, note.count);
        return;
      case "commands_unanswered":
        this.commandsUnanswered += note.count;
        return;
    }
  }
}
