// A car's conversation with its gateway as the broker keeps it: under one client id for all servers, in a
// session that outlives each connection. What a server sends comes back to it, so that another one can
// find out what was said. Nothing of this is used without a cluster.
import type { CarTransportOptions, MessageLimits, TransportStats } from "./transport.ts";

/** Callbacks of a conversation, in this order. None of these may throw. */
export interface ConversationListener {
  /** The broker has accepted the connection, and whoever had it before is cut off. */
  onAccepted(sessionPresent: boolean): void;
  /** The retained checkpoint, `null`: the broker has none. Called once. */
  onCheckpoint(encoded: Uint8Array | null): void;
  /** Whatever is delivered from now on is new. Called once. */
  onBarrier(): void;
  /**
   * A message with QoS 1, of the gateway or sent under this client id, from before `onCheckpoint` on; valid
   * until the call returns unless copied. The broker sends it again until it is acknowledged.
   */
  onMessage(
    from: "gateway" | "self",
    payload: Uint8Array,
    packetId: number,
    isDuplicate: boolean,
  ): void;
  /** The connection could not be opened, or was closed: the last call. */
  onClosed(failure: { readonly reason: string }): void;
}

export interface ConversationOptions extends CarTransportOptions {
  /** Of the owner: distinguishes barriers. */
  readonly epoch: number;
  readonly stats: TransportStats;
  readonly listener: ConversationListener;
}

/** One connection to a conversation, never reused. */
export interface Conversation {
  /** Connects when it is its turn; called once. */
  open(): void;
  /** Sends an encoded `ExternalServer` with QoS 1. */
  publish(payload: Uint8Array): void;
  /** Sends the disconnect notification. */
  notifyDisconnect(): void;
  /** Sends the checkpoint behind everything published, and acknowledges messages behind it. */
  writeCheckpoint(encoded: Uint8Array, acknowledged: readonly number[]): void;
  /** Holds back messages that come. Idempotent. */
  pause(): void;
  resume(): void;
  limit(limits: MessageLimits): void;
  /**
   * Waits (bounded) until the broker has everything, and leaves it in order; the broker keeps the session.
   * `onClosed` follows.
   *
   * @returns whether the broker has everything
   */
  leave(): Promise<boolean>;
  /** Closes at once; `onClosed` follows. Resolves when nothing is left of it. */
  destroy(): Promise<void>;
}
