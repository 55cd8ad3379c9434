// A broker and its connections in virtual time: every link delays as it likes, and keeps the order.
import type { Timeline } from "./timeline.ts";

/** What a client of the broker hears. */
export interface ConnectionListener {
  /** Accepted by the broker; what is published now arrives before SUBSCRIBE does. */
  onAccepted?(): void;
  /** Subscribed. */
  onUp(): void;
  /** Refused or lost; not called after `close`. */
  onDown(): void;
  onMessage(topic: string, payload: unknown): void;
}

/** One direction of a link. What is sent at one moment travels together, as in one packet. */
class Lane {
  readonly #network: Network;
  #sentAt = -1;
  #arrivesAt = 0;

  constructor(network: Network) {
    this.#network = network;
  }

  send(act: () => void): void {
    const { timeline, delay } = this.#network;
    const now = timeline.now();
    if (now !== this.#sentAt) this.#arrivesAt = Math.max(this.#arrivesAt, now + delay());
    this.#sentAt = now;
    timeline.set(act, this.#arrivesAt - now);
  }
}

/** A client's connection; it connects and subscribes by itself. */
export class Connection {
  readonly clientId: string;
  readonly topics: readonly string[];
  /** As the broker sees it. */
  isSubscribed = false;
  readonly #network: Network;
  readonly #listener: ConnectionListener;
  readonly #up: Lane;
  readonly #down: Lane;
  #isOpen = true;

  constructor(
    network: Network,
    clientId: string,
    topics: readonly string[],
    listener: ConnectionListener,
  ) {
    this.#network = network;
    this.clientId = clientId;
    this.topics = topics;
    this.#listener = listener;
    this.#up = new Lane(network);
    this.#down = new Lane(network);
    this.#up.send(() => network.connected(this));
  }

  publish(topic: string, payload: unknown): void {
    this.#up.send(() => this.#network.published(this, topic, payload));
  }

  close(): void {
    this.#isOpen = false;
    this.#up.send(() => this.#network.left(this));
  }

  /** From the broker: accepted. */
  accept(): void {
    this.#hear(() => {
      this.#listener.onAccepted?.();
      this.#up.send(() => this.#network.subscribed(this));
    });
  }

  /** From the broker: the subscription stands. */
  acknowledge(): void {
    this.#hear(() => this.#listener.onUp());
  }

  deliver(topic: string, payload: unknown): void {
    this.#hear(() => this.#listener.onMessage(topic, payload));
  }

  /** From the broker, or what is left of it. */
  drop(): void {
    this.#hear(() => {
      this.#isOpen = false;
      this.#listener.onDown();
    });
  }

  #hear(act: () => void): void {
    this.#down.send(() => {
      if (this.#isOpen) act();
    });
  }
}

/** The broker, and how long messages take to and from it. */
export class Network {
  readonly timeline: Timeline;
  readonly delay: () => number;
  readonly #connections = new Map<string, Connection>();
  #isUp = true;

  constructor(timeline: Timeline, delay: () => number) {
    this.timeline = timeline;
    this.delay = delay;
  }

  /** The broker dies. */
  kill(): void {
    this.#isUp = false;
    for (const connection of this.#connections.values()) connection.drop();
    this.#connections.clear();
  }

  start(): void {
    this.#isUp = true;
  }

  /** The broker loses one client, which hears of it. */
  lose(clientId: string): void {
    this.#connections.get(clientId)?.drop();
    this.#connections.delete(clientId);
  }

  connected(connection: Connection): void {
    if (!this.#isUp) return connection.drop();
    // A client id has one connection.
    this.lose(connection.clientId);
    this.#connections.set(connection.clientId, connection);
    connection.accept();
  }

  subscribed(connection: Connection): void {
    if (!this.#has(connection)) return;
    connection.isSubscribed = true;
    connection.acknowledge();
  }

  published(connection: Connection, topic: string, payload: unknown): void {
    if (!this.#has(connection)) return;
    for (const other of this.#connections.values()) {
      if (other.isSubscribed && other.topics.includes(topic)) other.deliver(topic, payload);
    }
  }

  left(connection: Connection): void {
    if (this.#has(connection)) this.#connections.delete(connection.clientId);
  }

  #has(connection: Connection): boolean {
    return this.#connections.get(connection.clientId) === connection;
  }
}
