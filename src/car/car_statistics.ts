// Plain counters of one car, cheap enough to be always on.
import type { ServerMessage } from "../protocol/messages.ts";
import type { Note } from "./effects.ts";

/** The counters as plain data. */
export type CarCounts = Readonly<Omit<CarStatistics, "countPublished" | "countNote">>;

/** What has happened to a car since the server started. */
export class CarStatistics {
  sessionsStarted = 0;
  sessionsFailed = 0;
  statusesReceived = 0;
  statusesForwarded = 0;
  /** Answered, though no module got them. */
  statusesNotForwarded = 0;
  statusesAnswered = 0;
  commandsSent = 0;
  commandsRefused = 0;
  commandsDropped = 0;
  moduleCallsFailed = 0;
  /** Payloads that were no message of the protocol, or too large. */
  messagesRejected = 0;

  /** Counts a message on its way to the gateway. */
  countPublished(message: ServerMessage): void {
    if (message.kind === "status_response") this.statusesAnswered++;
    else if (message.kind === "command") this.commandsSent++;
  }

  /** Counts what a session noticed. */
  countNote(note: Note): void {
    switch (note.code) {
      case "running":
        this.sessionsStarted++;
        return;
      case "not_forwarded":
        this.statusesNotForwarded++;
        return;
      case "command_refused":
        this.commandsRefused++;
        return;
      case "command_dropped":
        this.commandsDropped += note.count;
        return;
    }
  }
}
