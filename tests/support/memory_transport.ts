// A CarTransport without a broker: the test is the broker and the gateway.
import { decodeServerMessage } from "../../src/protocol/codec/codec.ts";
import { ConnectResponseType } from "../../src/protocol/messages.ts";
import type { CarTransport, TransportListener } from "../../src/transport/transport.ts";

/**
 * The car's end is the {@linkcode CarTransport}; the other methods are the test's end.
 *
 * Like the real one it delivers nothing from within a call of the car's: what `resume()` lets
 * through comes in a microtask.
 */
export class MemoryTransport implements CarTransport {
  /** Everything the car published while the broker was there, copied, in order. */
  readonly published: Uint8Array[] = [];
  /** How many disconnect notifications the car sent. */
  notifications = 0;
  /** Called with each message as it is published, after it was added to `published`. */
  onPublish: (payload: Uint8Array) => void = () => {};
  /** Called with each disconnect notification. */
  onNotify: () => void = () => {};

  #listener: TransportListener | undefined;
  #up = false;
  #paused = false;
  #stopped = false;
  #waiting: Uint8Array[] = [];

  /** The session ids of everything that told the gateway to connect again [TELL-ONCE]. */
  get told(): string[] {
    return this.published.map(decodeServerMessage).flatMap((message) =>
      message.kind === "connect_response" && message.type === ConnectResponseType.ALREADY_LOGGED
        ? [message.sessionId]
        : []
    );
  }

  /** Whether the car has called `start`, and not yet `stop`. */
  get started(): boolean {
    return this.#listener !== undefined && !this.#stopped;
  }

  /** Whether the car has called `stop`. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether the car reads nothing at the moment. */
  get paused(): boolean {
    return this.#paused;
  }

  /** The broker is there. */
  up(): void {
    if (this.#up || !this.#listener || this.#stopped) return;
    this.#up = true;
    this.#listener.onConnected();
    this.#listener.onUp();
  }

  /** The broker is gone, and with it what waited there (clean session). */
  down(reason = "Lost the broker: connection reset"): void {
    if (!this.#up) return;
    this.#up = false;
    this.#waiting = [];
    this.#listener?.onDown(reason);
  }

  /** The car goes over to another broker. */
  leave(reason: string): void {
    if (!this.#up) return;
    this.#listener?.onLeaving(reason);
    this.down(reason);
  }

  /** The gateway publishes; lost while the broker is away, waits while the car has paused. */
  deliver(payload: Uint8Array): void {
    if (!this.#up || this.#stopped) return;
    if (this.#paused || this.#waiting.length > 0) this.#waiting.push(payload);
    else this.#listener?.onMessage(payload);
  }

  start(listener: TransportListener): void {
    if (this.#listener) throw new Error("Cannot start the transport: it was started before");
    this.#listener = listener;
  }

  publish(payload: Uint8Array): void {
    if (!this.#up || this.#stopped) return;
    const copy = payload.slice();
    this.published.push(copy);
    this.onPublish(copy);
  }

  notifyDisconnect(): void {
    if (!this.#up || this.#stopped) return;
    this.notifications++;
    this.onNotify();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    queueMicrotask(() => this.#drain());
  }

  stop(): Promise<void> {
    this.#stopped = true;
    this.#up = false;
    this.#waiting = [];
    return Promise.resolve();
  }

  #drain(): void {
    while (!this.#paused && this.#up) {
      const payload = this.#waiting.shift();
      if (!payload) return;
      this.#listener?.onMessage(payload);
    }
  }
}
