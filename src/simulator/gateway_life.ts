// A Module Gateway without its wire: links, sessions and retries (protocol sections 4.2 to 4.5).
//
// Like the session, it is told the time and reads no clock.
import type { Command, Device, ServerMessage } from "../protocol/messages.ts";
import { DeviceState } from "../protocol/messages.ts";
import { DeviceBook } from "./device_book.ts";
import { GatewaySession, type SessionContext } from "./gateway_session.ts";
import { derivedSeed, seededRandom } from "./misbehavior.ts";
import { Outbox } from "./outbox.ts";
import type {
  EndReason,
  GatewayPort,
  Phase,
  RestPhase,
  SessionOptions,
  StatusExtras,
} from "./session_types.ts";

/** A server that ends every connect sequence must not get a new Connect more often, in ms. */
const SEQUENCE_PAUSE_MS = 1_000;

/** The life of one gateway. */
export class GatewayLife {
  readonly #options: SessionOptions;
  readonly #port: GatewayPort;
  readonly #devices: DeviceBook;
  readonly #context: SessionContext;
  /** Where the gateway stands while there is no session. */
  #rest: RestPhase = "stopped";
  #session: GatewaySession | undefined;
  #linked = false;
  #begun = false;
  #draining = false;
  #sequenceRestartAt = -Infinity;
  #waitUntil = Infinity;

  constructor(options: SessionOptions, port: GatewayPort) {
    this.#options = options;
    this.#port = port;
    this.#devices = new DeviceBook(options.devices);
    const seed = derivedSeed(options.seed, options.car);
    this.#context = {
      options,
      port,
      outbox: new Outbox(port, options.stats, options.misbehavior, seed),
      devices: this.#devices,
      random: seededRandom(derivedSeed(seed, "phase")),
      onFail: (reason, detail, now) => this.#fail(reason, detail, now),
    };
  }

  get phase(): Phase {
    return this.#session?.phase ?? this.#rest;
  }

  /** The id of the current session; undefined between sessions. */
  get sessionId(): string | undefined {
    return this.#session?.id;
  }

  /** How many statuses wait for their answer. */
  get inFlight(): number {
    return this.#session?.inFlight ?? 0;
  }

  /** All devices, connected or not. */
  get devices(): readonly Device[] {
    return this.#devices.all();
  }

  /** `tick` has to be called by then; Infinity when nothing is due. */
  get deadline(): number {
    return this.#session?.deadline ?? this.#waitUntil;
  }

  /** Begins: from now on the gateway tries to have a session. Idempotent. */
  start(now: number): void {
    if (this.phase !== "stopped") return;
    this.#draining = false;
    this.#connect(now);
  }

  /** Ends for good; the link is closed. Idempotent. */
  stop(): void {
    if (this.phase === "stopped") return;
    this.#endSession("stopped", "the gateway was stopped");
    this.#leave("stopped");
  }

  /** The broker is connected and the topics are subscribed. */
  linkUp(now: number): void {
    if (this.phase !== "linking") return;
    this.#linked = true;
    this.#begin(now);
  }

  /** The broker is gone, or could not be reached. */
  linkDown(reason: string, now: number): void {
    if (this.#rest === "stopped" || this.#rest === "idle") return;
    this.#options.stats.linkFailures += 1;
    this.#linked = false;
    this.#endSession("link_lost", reason);
    this.#wait(now + this.#options.clocks.retryMs);
  }

  /** The disconnect notification: connect again now (protocol sections 1 and 4.5). */
  notified(now: number): void {
    this.#options.stats.notifications += 1;
    this.#port.onEvent({ kind: "notified" });
    if (this.#session === undefined) return;
    const hadRun = this.phase === "running";
    this.#endSession("notified", "the server sent the disconnect notification");
    if (hadRun) return this.#connect(now);
    const at = Math.max(now, this.#sequenceRestartAt + SEQUENCE_PAUSE_MS);
    this.#sequenceRestartAt = at;
    if (at > now) this.#wait(at);
    else this.#connect(now);
  }

  /** Bytes that are no message of the protocol. */
  malformed(detail: string, now: number): void {
    if (this.#session === undefined) this.#options.stats.foreign += 1;
    else this.#session.violate("malformed", detail, now);
  }

  /** Whatever the server says; what belongs to another session is ignored and counted. */
  message(message: ServerMessage, now: number): void {
    const session = this.#session;
    if (message.kind === "connect_response" && session !== undefined) {
      // Whatever it says: connect again at once when connected, give up a sequence (section 4.5).
      const detail = `a connect response of session "${message.sessionId}"`;
      if (session.phase === "running") {
        this.#endSession("already_logged", detail);
        return this.#connect(now);
      }
      if (message.sessionId !== session.id) return this.#fail("already_logged", detail, now);
    }
    if (session !== undefined && message.sessionId === session.id) session.message(message, now);
    else this.#options.stats.foreign += 1;
  }

  /** Does what is due. */
  tick(now: number): void {
    const session = this.#session;
    if (session === undefined) {
      if (now >= this.#waitUntil) this.#connect(now);
    } else if (now >= session.restartAt) {
      this.restart(now);
    } else {
      session.tick(now);
    }
  }

  /**
   * Sends one status of a device, known or not, in normal communication.
   *
   * @returns its counter, or undefined when there is no normal communication (`done` is not called)
   */
  send(device: Device, data: Uint8Array, extras: StatusExtras, now: number): number | undefined {
    return this.#session?.send(device, data, extras, now);
  }

  /** Answers a command of the current session, for gateways that do not do so by themselves. */
  answer(command: Command, type: number, now: number): void {
    this.#session?.answer(command, type, now);
  }

  /** A device joins, or comes back (`CONNECTING` in normal communication, section 4.3). */
  connectDevice(device: Device, extras: StatusExtras, now: number): number | undefined {
    this.#devices.connect(device);
    if (this.phase === "idle") this.#connect(now);
    return this.#sendState(device, DeviceState.CONNECTING, extras, now);
  }

  /** A device leaves (`DISCONNECT` in normal communication, section 4.3). */
  disconnectDevice(device: Device, extras: StatusExtras, now: number): number | undefined {
    this.#devices.disconnect(device);
    return this.#sendState(device, DeviceState.DISCONNECT, extras, now);
  }

  /** A new session at once, as a gateway does that was restarted; open statuses are abandoned. */
  restart(now: number): void {
    if (this.#session === undefined && this.#rest !== "waiting") return;
    this.#endSession("restarted", "the gateway asked for a new session");
    this.#connect(now);
  }

  /** Drops the link as if the network had failed, and comes back as after any failure. */
  dropLink(now: number): void {
    if (this.#linked) this.#fail("link_dropped", "the gateway dropped its link", now);
  }

  /** Sends nothing more by itself; `drained` follows once no answer can come any more. */
  drain(): void {
    this.#draining = true;
    this.#session?.drain();
    this.#checkDrained();
  }

  #sendState(
    device: Device,
    state: number,
    extras: StatusExtras,
    now: number,
  ): number | undefined {
    const session = this.#session;
    if (session === undefined) return undefined;
    const data = this.#options.payload(device, session.counter);
    return session.send(device, data, { ...extras, state }, now);
  }

  #connect(now: number): void {
    if (this.#devices.connected.length === 0) return this.#leave("idle");
    if (this.#linked) return this.#begin(now);
    this.#waitUntil = Infinity;
    this.#enter("linking");
    this.#port.openLink();
  }

  #begin(now: number): void {
    if (this.#begun) this.#options.stats.reconnects += 1;
    this.#begun = true;
    this.#waitUntil = Infinity;
    this.#session = new GatewaySession(this.#context, this.#draining);
    this.#session.begin(now);
  }

  #fail(reason: EndReason, detail: string, now: number): void {
    this.#endSession(reason, detail);
    if (this.#linked) this.#port.closeLink();
    this.#linked = false;
    this.#wait(now + this.#options.clocks.retryMs);
  }

  #endSession(reason: EndReason, detail: string): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    session.end(reason, detail);
    this.#checkDrained();
  }

  #checkDrained(): void {
    if (this.#draining && (this.#session?.answerable ?? 0) === 0) {
      this.#port.onEvent({ kind: "drained" });
    }
  }

  #wait(until: number): void {
    this.#waitUntil = until;
    this.#enter("waiting");
  }

  #leave(phase: "stopped" | "idle"): void {
    if (this.#linked || this.#rest === "linking") this.#port.closeLink();
    this.#linked = false;
    this.#waitUntil = Infinity;
    this.#enter(phase);
  }

  #enter(phase: RestPhase): void {
    if (this.#rest === phase) return;
    this.#rest = phase;
    this.#port.onEvent({ kind: "phase", phase });
  }
}
