// The driver of an internal server: sockets and time in, what its core decides out.
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import { acceptAll, ConnLink, describeListenFailure, type Link, ListenError } from "../net/mod.ts";
import { type Device, deviceKey, type DeviceMessage, NO_BYTES } from "../protocol/mod.ts";
import { decodeDeviceMessage } from "../protocol/codec/mod.ts";
import { Alarm, type Clock, systemClock } from "../time/mod.ts";
import type { CloseReason, Effect, Input } from "./inputs.ts";
import { closeListener, type ListenAddress, listenAt } from "./listen.ts";
import { Peer } from "./peer.ts";
import type { InternalServerSettings } from "./settings.ts";
import { createInternalServer, type Environment, phaseOf } from "./state.ts";
import { denialOf } from "./tokens.ts";
import { EffectCounts, type InternalServerStatistics } from "./statistics.ts";
import { deadlineOf, nextDeadline, step } from "./step.ts";

/** Who decides about devices. Answers come through the server, at once or later. */
export interface ModuleHandler {
  /** May this device connect? To be answered with {@linkcode InternalServer.answerConnect}. */
  onConnected(device: Device, request: number): void;
  /** To be answered with {@linkcode InternalServer.answerStatus}, or not if it is invalid. */
  onStatus(device: Device, data: Uint8Array, request: number): void;
  /** A device that was not refused has gone. */
  onDisconnected(device: Device): void;
}

export interface InternalServerOptions {
  readonly settings: InternalServerSettings;
  readonly handler: ModuleHandler;
  readonly log: Log;
  readonly clock?: Clock;
}

/** Ends that are nobody's fault. */
const ORDERLY: ReadonlySet<CloseReason> = new Set(["peer_closed", "replaced", "stopped"]);

/** Serves the devices of a car; see {@linkcode listen}. */
export class InternalServer {
  #settings: InternalServerSettings;
  readonly #handler: ModuleHandler;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #once: Once;
  readonly #alarm: Alarm;
  readonly #counts = new EffectCounts();
  readonly #stopped = new AbortController();
  readonly #listeners: (Deno.Listener | Deno.UnixListener)[] = [];
  readonly #accepting: Promise<void>[] = [];
  /** By number. */
  readonly #peers: (Peer | undefined)[] = [];
  /** Numbers to be used again. */
  readonly #free: number[] = [];
  #state = createInternalServer();
  #accepted = 0;
  #inputs: Input[] = [];
  #stepping = false;
  /** Peers that were sent something: they may have frames that nobody has taken. */
  #answered: Peer[] = [];

  constructor({ settings, handler, log, clock = systemClock }: InternalServerOptions) {
    this.#settings = settings;
    this.#handler = handler;
    this.#log = log;
    this.#clock = clock;
    this.#once = new Once({ clock });
    this.#alarm = new Alarm(clock, () => {
      this.#step({ type: "tick" });
      this.#alarm.set(nextDeadline(this.#state, this.#environment()));
    });
  }

  /**
   * Accepts devices at an address, besides others it was given; returns where. Some supported
   * runtimes do not say the transport of a TLS listener: look for a port.
   *
   * @throws {ListenError} when the address cannot be had, or the server has stopped.
   * @throws {TlsFileError} when a file for TLS cannot be used.
   */
  async listen(address: ListenAddress): Promise<Deno.Addr> {
    const listener = await listenAt(address);
    if (this.#stopped.signal.aborted) {
      await closeListener(listener);
      throw new ListenError("Cannot listen for devices: the internal server has stopped");
    }
    this.#listeners.push(listener);
    this.#accepting.push(acceptAll(listener, {
      take: (conn) => this.#accept(conn),
      onError: (error) =>
        this.#warn("accept", () => `Cannot accept a device: ${describeListenFailure(error)}`),
      closed: this.#stopped.signal,
      clock: this.#clock,
    }));
    return listener.addr;
  }

  /** Serves a connection that is open. */
  take(link: Link, address: string): void {
    const id = this.#free.pop() ?? this.#peers.length;
    const peer = new Peer(id, address, link, this.#settings.limits.maxMessageBytes);
    this.#peers[id] = peer;
    this.#accepted++;
    link.start({
      onData: (bytes) => this.#onData(peer, bytes),
      onDrained: () => peer.onDrained(),
      onClosed: (error) => {
        if (this.#peers[id] !== peer) return;
        // TLS that was not ended in order: frames show by themselves whether they are whole.
        const isEnd = error === undefined || error instanceof Deno.errors.UnexpectedEof;
        this.#step({ type: "closed", connection: id, error: isEnd ? null : error.message });
      },
    });
    this.#step({ type: "accepted", connection: id });
  }

  /** Whether the device of {@linkcode ModuleHandler.onConnected} may connect. */
  answerConnect(device: Device, request: number, responseType: number): void {
    this.#step({ type: "answer_connect", device, request, responseType });
  }

  /** The command for the status of {@linkcode ModuleHandler.onStatus}; empty: nothing new. */
  answerStatus(device: Device, request: number, command: Uint8Array): void {
    this.#step({ type: "answer_status", device, request, command });
  }

  /** Sends a command that the device did not ask for, when its settings allow. */
  push(device: Device, command: Uint8Array): void {
    this.#step({ type: "push", device, command });
  }

  /** Closes the connection of a device that has said nothing for too long. */
  dead(device: Device): void {
    this.#step({ type: "dead", device });
  }

  /**
   * Takes other settings, from the next input on; another maximum length of messages holds for
   * connections from now on.
   */
  configure(settings: InternalServerSettings): void {
    this.#settings = settings;
    const next = nextDeadline(this.#state, this.#environment());
    if (next !== Infinity) this.#alarm.set(next);
  }

  get statistics(): InternalServerStatistics {
    const { statuses, closed, slowAnswers, lateAnswers, droppedCommands } = this.#counts;
    const { connections, registered: devices, heldBytes } = this.#state;
    const counted = { statuses, closed, slowAnswers, lateAnswers, droppedCommands };
    return { connections, devices, accepted: this.#accepted, heldBytes, ...counted };
  }

  /** Listens no more, and closes every connection; the handler is told of each device. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    const closing = this.#listeners.splice(0).map(closeListener);
    this.#step({ type: "stop" });
    this.#alarm.set(Infinity);
    // An address is free again once nothing is accepted there.
    await Promise.all([...closing, ...this.#accepting]);
  }

  #accept(conn: Deno.Conn): void {
    const { remoteAddr } = conn;
    const address = "hostname" in remoteAddr
      ? `${remoteAddr.hostname}:${remoteAddr.port}`
      : "a Unix socket";
    // Unix sockets have neither, and TLS connections do not in every supported runtime.
    if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
    if ("setKeepAlive" in conn) (conn as Deno.TcpConn).setKeepAlive(true);
    this.take(new ConnLink(conn), address);
  }

  #environment(): Environment {
    return { now: this.#clock.now(), settings: this.#settings };
  }

  #onData(peer: Peer, bytes: Uint8Array): void {
    if (this.#peers[peer.id] === peer && phaseOf(this.#state, peer.id) !== "closing") {
      this.#takeFrames(peer, bytes);
    }
  }

  /** Hands frames in, as long as nothing is awaited; then nothing more is read. */
  #takeFrames(peer: Peer, bytes: Uint8Array): void {
    const { id: connection, frames, link } = peer;
    if (peer.taking) return;
    peer.taking = true;
    try {
      for (const body of frames.take(bytes)) {
        this.#step(this.#received(connection, decodeDeviceMessage(body)));
        if (!this.#isReading(peer)) break;
      }
    } catch (error) {
      const detail = error instanceof Error ? error.message : String(error);
      this.#step({ type: "malformed", connection, detail });
    } finally {
      peer.taking = false;
    }
    if (this.#peers[connection] !== peer) return;
    if (phaseOf(this.#state, connection) === "awaiting") return link.pause();
    link.resume();
    if (frames.begun && this.#isReading(peer)) {
      this.#step({ type: "partial", connection, bytes: frames.heldBytes });
    }
  }

  /** Tokens go no further. */
  #received(connection: number, message: DeviceMessage): Input {
    if (message.kind !== "device_connect") return { type: "received", connection, message };
    const { kind, device } = message;
    const denial = denialOf(message, this.#settings);
    const known = denial === undefined ? {} : { denial };
    return { type: "received", connection, message: { kind, device }, ...known };
  }

  #isReading(peer: Peer): boolean {
    return this.#peers[peer.id] === peer && phaseOf(this.#state, peer.id) === "reading";
  }

  /** Takes an input; what its effects bring in comes after it. */
  #step(input: Input): void {
    this.#inputs.push(input);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
        const { state, effects } = step(this.#state, next, this.#environment());
        this.#state = state;
        for (const effect of effects) this.#carryOut(effect);
        if ("connection" in next) this.#wakeFor(next.connection);
      }
    } finally {
      this.#stepping = false;
    }
    for (const peer of this.#answered.splice(0)) {
      if (this.#peers[peer.id] === peer) this.#takeFrames(peer, NO_BYTES);
    }
  }

  /** Sees to a tick for this connection; those of others stay. */
  #wakeFor(connection: number): void {
    const at = deadlineOf(this.#state, connection, this.#environment());
    if (at !== Infinity) this.#alarm.set(at);
  }

  #carryOut(effect: Effect): void {
    this.#counts.take(effect);
    switch (effect.type) {
      case "send":
        return this.#send(effect);
      case "close":
        this.#report(effect);
        if (effect.when === "now") return this.#drop(effect.connection);
        this.#peers[effect.connection]?.endWhenSent();
        return this.#wakeFor(effect.connection);
      case "drop":
        return this.#drop(effect.connection);
      case "connected":
        return this.#tell(() => this.#handler.onConnected(effect.device, effect.request));
      case "status":
        return this.#tell(() => this.#handler.onStatus(effect.device, effect.data, effect.request));
      case "disconnected":
        return this.#tell(() => this.#handler.onDisconnected(effect.device));
      case "dropped_command":
        return this.#warn("dropped_command", () => {
          return `Dropped a command for device ${deviceKey(effect.device)}: ${effect.detail}`;
        });
      case "slow_answer":
      case "late_answer":
        // The close says it; and what is late was slow before.
    }
  }

  #send({ connection, message }: Extract<Effect, { readonly type: "send" }>): void {
    const peer = this.#peers[connection];
    if (peer === undefined) return;
    peer.send(message);
    this.#answered.push(peer);
    const { unsentBytes: bytes } = peer;
    if (bytes > this.#settings.limits.maxUnsentBytes) {
      this.#step({ type: "unsent", connection, bytes });
    }
  }

  #drop(id: number): void {
    const peer = this.#peers[id];
    if (peer === undefined) return;
    this.#peers[id] = undefined;
    this.#free.push(id);
    peer.link.destroy();
  }

  /** A handler that throws has not answered; what follows is the same. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      const count = this.#once.ask("handler");
      if (count === undefined) return;
      this.#log.error(() => `The module handler failed: ${error}${andSuppressed(count)}`);
    }
  }

  #report({ connection, device, reason, detail }: Extract<Effect, { readonly type: "close" }>) {
    const who = device === null ? "a connection" : `device ${deviceKey(device)}`;
    const address = this.#peers[connection]?.address;
    const text = () => `Closed ${who} from ${address}: ${detail}`;
    if (ORDERLY.has(reason)) this.#log.info(text);
    // Once for each slow module, and else for each reason: peers that fail, fail again and again.
    else this.#warn(reason === "answer_timeout" ? `${reason} ${device?.module}` : reason, text);
  }

  #warn(kind: string, text: () => string): void {
    const count = this.#once.ask(kind);
    if (count !== undefined) this.#log.warning(() => text() + andSuppressed(count));
  }
}
