// One TCP connection to a gateway: the driver of a conversation.
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  decodeGatewayMessage,
  encodeDeviceMessage,
  frameOf,
  FrameReader,
} from "../protocol/codec/mod.ts";
import { type Clock, type TimerHandle } from "../time/mod.ts";
import { type Conversation, type Effect, type Input, step } from "./conversation.ts";
import { ConnectionRefused, InternalClientError, ProtocolError, Timeout } from "./errors.ts";
import type { Settings } from "./options.ts";

/** Maximum length of a message, in bytes; what gateways accept by default. */
export const MAX_MESSAGE_BYTES = 1024 * 1024;

/** What a connection tells its owner. None of these may throw. */
export interface ConnectionListener {
  /** An unsolicited command came. */
  onCommand(command: Uint8Array): void;
  /** The connection failed while nothing was awaited. */
  onLost(error: InternalClientError): void;
}

/** What is awaited: that the gateway accepts the device, or answers its status. */
interface Awaited {
  readonly what: string;
  readonly resolve: (answer: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
  readonly end: () => void;
}

const NOTHING = new Uint8Array(0);

/** A device's connection. Ends at its first failure, and closes its socket then. */
export class Connection {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #listener: ConnectionListener;
  readonly #socket: Socket;
  readonly #frames = new FrameReader(MAX_MESSAGE_BYTES);
  #conversation: Conversation = "connecting";
  #awaited: Awaited | null = null;

  private constructor(settings: Settings, listener: ConnectionListener, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#listener = listener;
    const socket = this.#socket = open(settings);
    const opened = settings.tls === null ? "connect" : "secureConnect";
    socket.on(opened, () => this.#step({ type: "opened" }));
    socket.on("data", (bytes: Uint8Array) => this.#onData(bytes));
    socket.on("end", () => this.#step({ type: "closed" }));
    socket.on("close", () => this.#step({ type: "closed" }));
    socket.on("error", (error: Error) => this.#fail(refused(settings, error)));
  }

  /**
   * Connects, until `until` on the clock at the latest.
   *
   * @throws {InternalClientError} when that fails.
   */
  static async open(
    settings: Settings,
    listener: ConnectionListener,
    { until, signal, clock }: { until: number; signal: AbortSignal | undefined; clock: Clock },
  ): Promise<Connection> {
    const connection = new Connection(settings, listener, clock);
    const what = `a connection to ${addressOf(settings)}`;
    await connection.#await(what, until, signal);
    return connection;
  }

  /** Whether it can be used. */
  get alive(): boolean {
    return this.#conversation !== "ended";
  }

  /**
   * Sends a status, and waits for the gateway's answer. One at a time.
   *
   * @throws {InternalClientError} when that fails.
   */
  exchange(
    statusData: Uint8Array,
    until: number,
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array> {
    const answer = this.#await("an answer to a status", until, signal);
    if (this.alive) this.#step({ type: "status", statusData });
    return answer;
  }

  /** Closes the connection; what is awaited is rejected with `reason`. */
  close(reason: unknown): void {
    this.#conversation = "ended";
    this.#socket.destroy();
    this.#awaited?.reject(reason);
  }

  #await(what: string, until: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    const begun = this.#clock.now();
    let timer: TimerHandle | undefined;
    const onAbort = () => this.close(signal?.reason);
    const promise = new Promise<Uint8Array>((resolve, reject) => {
      const end = () => {
        this.#awaited = null;
        if (timer !== undefined) this.#clock.clear(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      this.#awaited = {
        what,
        resolve: (answer) => (end(), resolve(answer)),
        reject: (error) => (end(), reject(error)),
        end,
      };
    });
    signal?.addEventListener("abort", onAbort);
    if (until !== Number.POSITIVE_INFINITY) {
      timer = this.#clock.set(() => {
        const ms = Math.round(this.#clock.now() - begun);
        this.#fail(new Timeout(`Expected ${what} within ${ms} ms`));
      }, Math.max(0, until - begun));
    }
    return promise;
  }

  #onData(bytes: Uint8Array): void {
    if (!this.alive) return;
    try {
      for (const body of this.#frames.take(bytes)) {
        this.#step({ type: "received", message: decodeGatewayMessage(body) });
        if (!this.alive) return;
      }
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#fail(new ProtocolError(`The gateway sent malformed bytes: ${why}`, { cause }));
    }
  }

  #step(input: Input): void {
    const { state, effect } = step(this.#conversation, input, this.#settings);
    this.#conversation = state;
    if (effect !== null) this.#carryOut(effect);
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case "send":
        this.#socket.write(frameOf(encodeDeviceMessage(effect.message)));
        break;
      case "connected":
        this.#awaited?.resolve(NOTHING);
        break;
      case "answer":
        this.#awaited?.resolve(effect.command);
        break;
      case "command":
        this.#listener.onCommand(effect.command);
        break;
      case "failed":
        this.#end(effect.error);
    }
  }

  #fail(error: InternalClientError): void {
    if (!this.alive) return;
    this.#conversation = "ended";
    this.#end(error);
  }

  #end(error: InternalClientError): void {
    this.#socket.destroy();
    if (this.#awaited === null) this.#listener.onLost(error);
    else this.#awaited.reject(error);
  }
}

function open({ host, port, tls }: Settings): Socket {
  if (tls === null) return connect({ host, port, noDelay: true, keepAlive: true });
  const { ca, serverName = host } = tls;
  // Addresses are no names to ask for.
  const servername = isIP(serverName) === 0 ? { servername: serverName } : {};
  const socket = connectTls({ host, port, ...servername, ...(ca === undefined ? {} : { ca }) });
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  return socket;
}

function refused(settings: Settings, cause: Error): ConnectionRefused {
  const { code } = cause as { code?: unknown };
  const why = typeof code === "string" ? code : cause.message;
  return new ConnectionRefused(`Cannot reach the gateway at ${addressOf(settings)}: ${why}`, {
    cause,
  });
}

function addressOf({ host, port }: Settings): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
