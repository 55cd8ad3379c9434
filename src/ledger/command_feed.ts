// Tells what becomes of commands while it happens, to those who listen.
import { sessionIdOf, type Turn, type TurnSubscriber } from "../car/mod.ts";
import { commandEvents } from "../record/mod.ts";
import { changeOf, type LiveChange } from "./ledger_command.ts";

/** Must not throw. */
type Listener = (changes: readonly LiveChange[]) => void;

/** Subscribes to all cars; without a listener, it does nothing. */
export class CommandFeed implements TurnSubscriber {
  readonly #listeners = new Set<Listener>();

  /** Adds a listener, which gets the changes of each turn; the returned function removes it. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** See {@linkcode TurnSubscriber}. */
  onTurn(turn: Turn): void {
    if (this.#listeners.size === 0) return;
    const session = sessionIdOf(turn.after) ?? sessionIdOf(turn.before);
    const changes = commandEvents(turn, session).flatMap((event) => changeOf(event) ?? []);
    if (changes.length === 0) return;
    for (const listener of this.#listeners) listener(changes);
  }
}
