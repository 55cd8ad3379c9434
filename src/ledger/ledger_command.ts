// A command of the ledger: what was told of it, in order.
import { responseName } from "../car/mod.ts";
import { deviceKey } from "../protocol/mod.ts";
import type { LogEvent } from "../record/mod.ts";

/** What a command can be. */
export const COMMAND_STATES = [
  "popped",
  "queued",
  "sent",
  "accepted",
  "refused",
  "superseded",
  "expired",
  "dropped",
  "lost",
] as const;

/** See {@linkcode COMMAND_STATES}. */
export type CommandState = typeof COMMAND_STATES[number];

/** States in which something will still become of a command. */
const GOING: ReadonlySet<CommandState> = new Set(["popped", "queued", "sent"]);

/** A new state of a command. */
export interface CommandChange {
  readonly state: CommandState;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly session: string | null;
  /** Under which it was sent. */
  readonly counter: number | null;
  /** Coded; `null` where the state says it all. */
  readonly why: string | null;
}

/** A command, and what has become of it. */
export interface LedgerCommand {
  /** `company/car/moment/number`: when its module gave it, and which one of the car it was. */
  readonly id: string;
  readonly car: string;
  /** `module/type/role`. */
  readonly device: string;
  /** The beginning of its data. */
  readonly data: Uint8Array;
  /** Of the whole data. */
  readonly bytes: number;
  /** In order, at least one. */
  readonly changes: readonly CommandChange[];
}

/** A change as it happens; the first of a command tells its data. */
export interface LiveChange extends CommandChange {
  readonly id: string;
  readonly car: string;
  readonly device: string;
  readonly payload: Pick<LedgerCommand, "data" | "bytes"> | null;
}

/** Bytes of a command's data that are kept. */
const MAX_DATA = 1024;

/** What an event tells of a command; undefined: nothing. */
export function changeOf(
  { kind, at, car, session, counter, device, payload, data }: LogEvent,
): LiveChange | undefined {
  const { command: id, why, type } = data;
  if (typeof id !== "string" || car === null || device === null) return undefined;
  const state = COMMAND_STATES.find((one) => kind === `command.${one}`);
  if (state === undefined) return undefined;
  return {
    id,
    car,
    device: deviceKey(device),
    state,
    at: Math.floor(at),
    session,
    counter,
    why: state === "refused" ? responseName(Number(type)) : why === undefined ? null : String(why),
    payload: state === "popped" && payload !== null
      ? { data: payload.slice(0, MAX_DATA), bytes: payload.length }
      : null,
  };
}

/** A change without what all changes of a command share. */
export function bare({ state, at, session, counter, why }: CommandChange): CommandChange {
  return { state, at, session, counter, why };
}

/** The state that a command has come to. */
export function stateOf({ changes }: Pick<LedgerCommand, "changes">): CommandState {
  return changes.at(-1)?.state ?? "popped";
}

/** Whether something will still become of a command. */
export function isGoing(command: Pick<LedgerCommand, "changes">): boolean {
  return GOING.has(stateOf(command));
}

/** What a server had not ended when it did is lost. @param restartedAt when the next one began */
export function lostAt(restartedAt: number): CommandChange {
  return { state: "lost", at: restartedAt, session: null, counter: null, why: "server_stopped" };
}
