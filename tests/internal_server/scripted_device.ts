// A device that a test scripts byte by byte, and a module handler that answers when told to.
import {
  INTERNAL_SERVER_SETTINGS,
  InternalServer,
  type InternalServerOptions,
  type ListenAddress,
} from "../../src/internal_server/mod.ts";
import { concatenate } from "../../src/net/mod.ts";
import {
  decodeGatewayMessage,
  encodeDeviceMessage,
  frameOf,
  FrameReader,
} from "../../src/protocol/codec/mod.ts";
import type { Device, DeviceMessage, GatewayMessage } from "../../src/protocol/mod.ts";
import type { Cut } from "../internal_client/scripted_gateway.ts";
import { ListLog } from "../support/list_log.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { Inbox, waitFor } from "../support/wait.ts";
import { bytes, text } from "./support.ts";

/** What a module handler is asked or told. */
export type Asked =
  | { readonly type: "connected"; readonly device: Device; readonly request: number }
  | {
    readonly type: "status";
    readonly device: Device;
    readonly request: number;
    readonly data: string;
  }
  | { readonly type: "disconnected"; readonly device: Device };

/** An internal server on a free port, on a clock of its own. */
export class Stage implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly log = new ListLog();
  readonly server: InternalServer;
  readonly #asked = new Inbox<Asked>();
  readonly #devices: ScriptedDevice[] = [];
  readonly #cut: Cut;
  port = 0;

  private constructor(cut: Cut, settings: Partial<InternalServerOptions["settings"]>) {
    this.#cut = cut;
    this.server = new InternalServer({
      settings: { ...INTERNAL_SERVER_SETTINGS, ...settings },
      log: this.log,
      clock: this.clock,
      handler: {
        onConnected: (device, request) => this.#asked.push({ type: "connected", device, request }),
        onStatus: (device, data, request) =>
          this.#asked.push({ type: "status", device, request, data: text(data) }),
        onDisconnected: (device) => this.#asked.push({ type: "disconnected", device }),
      },
    });
  }

  static async start(
    cut: Cut = "whole",
    settings: Partial<InternalServerOptions["settings"]> = {},
    address: ListenAddress = { host: "127.0.0.1", port: 0 },
  ): Promise<Stage> {
    const stage = new Stage(cut, settings);
    const addr = await stage.server.listen(address);
    if ("port" in addr) stage.port = addr.port;
    return stage;
  }

  /** The next thing the module handler is asked. */
  async asked<T extends Asked["type"]>(type: T): Promise<Extract<Asked, { readonly type: T }>> {
    const asked = await this.#asked.next(`"${type}" for the module handler`);
    if (asked.type !== type) throw new Error(`Expected "${type}": got "${asked.type}"`);
    return asked as Extract<Asked, { readonly type: T }>;
  }

  /** How many questions nobody has looked at. */
  get unasked(): number {
    return this.#asked.size;
  }

  /** A connection, accepted by the server. */
  async open(path?: string): Promise<ScriptedDevice> {
    const { accepted } = this.server.statistics;
    const conn = path === undefined
      ? await Deno.connect({ hostname: "127.0.0.1", port: this.port })
      : await Deno.connect({ transport: "unix", path });
    const device = new ScriptedDevice(conn, this.#cut);
    this.#devices.push(device);
    await waitFor(() => this.server.statistics.accepted > accepted, "the server to accept");
    return device;
  }

  /** Answers a Connect that the module handler was asked about. */
  async admit(responseType = 0): Promise<Device> {
    const { device, request } = await this.asked("connected");
    this.server.answerConnect(device, request, responseType);
    return device;
  }

  /** A device that is connected. */
  async connected(device: Device, path?: string): Promise<ScriptedDevice> {
    const scripted = await this.open(path);
    await scripted.connect(device);
    await this.admit();
    await scripted.next();
    return scripted;
  }

  /** Answers a status, and returns its data. */
  async answer(command: string): Promise<string> {
    const { device, request, data } = await this.asked("status");
    this.server.answerStatus(device, request, bytes(command));
    return data;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
    for (const device of this.#devices) device.close();
    await Promise.all(this.#devices.map(({ closed }) => closed));
  }
}

/** One connection to an internal server. */
export class ScriptedDevice {
  readonly #conn: Deno.Conn;
  readonly #cut: Cut;
  readonly #inbox = new Inbox<GatewayMessage>();
  /** Resolves when the server says no more. */
  readonly ended: Promise<void>;
  /** Resolves when both sides have closed. */
  readonly closed: Promise<void>;
  /** Whether it stays open when the server says no more, until {@linkcode close}. */
  lingers = false;
  readonly #left = Promise.withResolvers<void>();
  #closed = false;

  constructor(conn: Deno.Conn, cut: Cut) {
    this.#conn = conn;
    this.#cut = cut;
    if ("setNoDelay" in conn) (conn as Deno.TcpConn).setNoDelay(true);
    this.ended = this.#read();
    this.closed = this.#left.promise;
  }

  connect(device: Device): Promise<void> {
    return this.send({ kind: "device_connect", device });
  }

  status(device: Device, data: string): Promise<void> {
    return this.send({ kind: "device_status", device, statusData: bytes(data) });
  }

  /** Sends messages in one go, cut as it should be. */
  async send(...messages: DeviceMessage[]): Promise<void> {
    const all = concatenate(messages.map((message) => frameOf(encodeDeviceMessage(message))));
    const first = { "whole": all.length, "header apart": 3, "byte by byte": 1 }[this.#cut];
    const each = this.#cut === "byte by byte" ? 1 : all.length;
    await this.raw(all.subarray(0, first));
    for (let at = first; at < all.length; at += each) await this.raw(all.subarray(at, at + each));
  }

  /** Sends bytes as they are. */
  async raw(data: Uint8Array): Promise<void> {
    for (let sent = 0; sent < data.length;) sent += await this.#conn.write(data.subarray(sent));
  }

  /** The next message of the server. */
  next(): Promise<GatewayMessage> {
    return this.#inbox.next("a message of the internal server");
  }

  /** The data of the next command. */
  async command(): Promise<string> {
    const message = await this.next();
    if (message.kind !== "device_command") throw new Error(`Expected a command: ${message.kind}`);
    return text(message.commandData);
  }

  /** How many messages nobody has looked at. */
  get unread(): number {
    return this.#inbox.size;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
    this.#left.resolve();
  }

  async #read(): Promise<void> {
    const frames = new FrameReader(2 ** 24);
    const buffer = new Uint8Array(4096);
    try {
      for (
        let count = await this.#conn.read(buffer);
        count !== null;
        count = await this.#conn.read(buffer)
      ) {
        for (const body of frames.take(buffer.subarray(0, count))) {
          this.#inbox.push(decodeGatewayMessage(body));
        }
      }
    } catch {
      // Reset, or closed on this side.
    } finally {
      if (!this.lingers) this.close();
    }
  }
}
