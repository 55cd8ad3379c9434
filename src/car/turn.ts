// A turn: one step of a car's session, as subscribers see it.
import type { Effect, Input, Session, SessionSettings } from "../session/mod.ts";

/** One step of a car's session; a plain value. */
export interface Turn {
  readonly car: string;
  /** When the input came, in milliseconds of the car's clock. */
  readonly at: number;
  /** What the session was driven with; the same object until it changes. */
  readonly settings: SessionSettings;
  readonly input: Input;
  readonly before: Session;
  readonly after: Session;
  /** In the order in which they were carried out. */
  readonly effects: readonly Effect[];
}

/**
 * A subscriber: gets every turn in order, after its effects were carried out. Errors that it throws
 * are logged and have no other effect.
 */
export interface TurnSubscriber {
  onTurn(turn: Turn): void;
}
