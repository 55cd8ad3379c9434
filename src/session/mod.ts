// One car's life as a pure state machine.
export type { CommandPolicy } from "./command_policy.ts";
export { catchUp, type CaughtUp, type InexactReason } from "./catch_up.ts";
export {
  type Doubtful,
  type Dropped,
  DROPPED_REASONS,
  type Effect,
  type Environment,
  type Ignored,
  type Input,
  type LeftCommand,
  NOT_FORWARDED_REASONS,
  type Note,
  type NotForwarded,
} from "./effects.ts";
export { type Failure, FAILURE_REASONS, type FailureReason, FAILURES } from "./failure.ts";
export { decode, encode } from "./encoding.ts";
export {
  connectedDevices,
  oldestUnanswered,
  type QueueDepths,
  queueDepths,
} from "./queue_depths.ts";
export type { SentCommand } from "./sent_commands.ts";
export { createSession, isSaturated, nextDeadline, step } from "./session.ts";
export { type SessionSettings, SILENCE_MS } from "./settings.ts";
export { type Base, type Session, STATE_NAMES, type StateName, stateName } from "./state.ts";
