// The interface between a car and its broker connection; tests have one in memory.

/** Limits of a gateway's messages. */
export interface MessageLimits {
  /** A larger payload is discarded unread. */
  readonly maxMessageBytes: number;
  /** With more messages a second, reading slows down, and they wait at the broker. */
  readonly maxMessagesPerSecond: number;
}

/** Plain counters of one transport, over all its connections. */
export interface TransportStats {
  /** Connections that were established and subscribed. */
  connects: number;
  /** Connections that were lost. */
  disconnects: number;
  bytesIn: number;
  bytesOut: number;
  messagesIn: number;
  messagesOut: number;
  /** Messages that were larger than allowed. */
  oversize: number;
}

/** All zero. */
export function newTransportStats(): TransportStats {
  return {
    connects: 0,
    disconnects: 0,
    bytesIn: 0,
    bytesOut: 0,
    messagesIn: 0,
    messagesOut: 0,
    oversize: 0,
  };
}

/** Why a transport is not connected. */
export interface BrokerTrouble {
  /** What the last attempt failed of, for people; `null`: none has failed. */
  readonly reason: string | null;
  /** Attempts that have failed since the broker last accepted one: of all cars while it accepts none. */
  readonly attempts: number;
  /** In milliseconds of the clock; `null` while one is in progress. */
  readonly nextAttemptAt: number | null;
}

/** Callbacks of a transport. None of these may throw. */
export interface TransportListener {
  /** The broker has accepted the connection: what is published now goes out before SUBSCRIBE. */
  onConnected(): void;
  /** Connected and subscribed: messages may arrive from now on. */
  onUp(): void;
  /** The transport is about to leave the broker for `reason`; what is published now still goes out. */
  onLeaving(reason: string): void;
  /** The connection was lost; the transport keeps retrying. `reason` is human-readable. */
  onDown(reason: string): void;
  /** One payload from the car's gateway topic, valid until the call returns unless copied. */
  onMessage(payload: Uint8Array): void;
}

/** What a car's transport is made from. */
export interface CarTransportOptions extends MessageLimits {
  readonly company: string;
  readonly car: string;
  /** Called for each payload that was discarded, with its size and the limit, in bytes. */
  readonly onOversize?: (payloadBytes: number, maxMessageBytes: number) => void;
  /** Called with the limit each time that reading slows down. */
  readonly onFlood?: (maxMessagesPerSecond: number) => void;
}

/** One car's connection to the broker [WAIT-RETRY]. */
export interface CarTransport {
  /** Counters since it was made; absent when it has none. */
  readonly stats?: Readonly<TransportStats>;
  /** Why it is not connected; `null` when it is, absent when it does not know. */
  readonly trouble?: BrokerTrouble | null;
  /** Starts connecting, and keeps trying until {@linkcode stop}. */
  start(listener: TransportListener): void;
  /** Sends an encoded `ExternalServer` with QoS 1; dropped silently while the broker is away. */
  publish(payload: Uint8Array): void;
  /** Sends the disconnect notification (empty, QoS 1); dropped silently while the broker is away. */
  notifyDisconnect(): void;
  /** Stops reading, so that messages wait at the broker; until {@linkcode resume}. Idempotent. */
  pause(): void;
  /** Reads again. Idempotent. */
  resume(): void;
  /** Sets the limits from now on. */
  limitMessages?(limits: MessageLimits): void;
  /**
   * Leaves the broker in order at a random moment within so many milliseconds, after
   * `onLeaving(reason)` and with `onDown(reason)`, and connects again as if for the first time.
   */
  reconnect?(reason: string, withinMs: number): void;
  /**
   * Waits (bounded) until everything published has left, then leaves the broker in order.
   * Idempotent, never rejects.
   */
  stop(): Promise<void>;
}
