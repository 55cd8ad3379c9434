// What may be acknowledged to the broker: only what a checkpoint covers. Pure bookkeeping.

/** A checkpoint is due so long after the first message that none covers, in milliseconds. */
export const CHECKPOINT_AFTER_MS = 50;

/**
 * A checkpoint is due when it would cover so many messages. Brokers send no more than 20 that are not
 * acknowledged, and the next ones are to arrive while these are.
 */
export const CHECKPOINT_AFTER_MESSAGES = 10;

/** Messages that were handled and that no checkpoint covers. */
export interface Coverage {
  /** Their packet identifiers, in the order of arrival. */
  readonly packetIds: readonly number[];
  /** When the first one came, in milliseconds; `null`: there is none. */
  readonly since: number | null;
}

/** Every message is covered. */
export const ALL_COVERED: Coverage = { packetIds: [], since: null };

/** Takes a message, the gateway's or an echo, which has been handled. */
export function withHandled(
  { packetIds, since }: Coverage,
  packetId: number,
  now: number,
): Coverage {
  return { packetIds: [...packetIds, packetId], since: since ?? now };
}

/** When the next checkpoint is due, in milliseconds; Infinity: there is nothing to cover. */
export function checkpointDueAt({ packetIds, since }: Coverage): number {
  if (since === null) return Infinity;
  return packetIds.length >= CHECKPOINT_AFTER_MESSAGES ? since : since + CHECKPOINT_AFTER_MS;
}
