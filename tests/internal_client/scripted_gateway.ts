// A gateway that a test scripts byte by byte, on a socket of its own.
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import {
  decodeDeviceMessage,
  encodeGatewayMessage,
  frameOf,
  FrameReader,
} from "../../src/protocol/codec/mod.ts";
import {
  type Device,
  DeviceConnectResponseType,
  type DeviceMessage,
  type GatewayMessage,
} from "../../src/protocol/mod.ts";
import { delay, Inbox } from "../support/wait.ts";

/** How what is sent is cut into segments. */
export type Cut = "whole" | "byte by byte" | "header apart";

/** One connection of a device. */
export class Peer {
  readonly #socket: Socket;
  readonly #inbox = new Inbox<DeviceMessage>();
  readonly #cut: Cut;
  readonly closed: Promise<unknown>;
  /** The device, once it has connected. */
  device: Device | null = null;

  constructor(socket: Socket, cut: Cut) {
    this.#socket = socket;
    this.#cut = cut;
    const frames = new FrameReader(2 ** 24);
    socket.on("data", (bytes) => {
      for (const body of frames.take(bytes as Uint8Array)) {
        this.#inbox.push(decodeDeviceMessage(body));
      }
    });
    socket.on("error", () => {});
    this.closed = new Promise((resolve) => socket.on("close", resolve));
  }

  /** The next message of the device. */
  next(): Promise<DeviceMessage> {
    return this.#inbox.next("a message of the device");
  }

  /** Takes Connect, and answers it. */
  async accept(type: number = DeviceConnectResponseType.OK): Promise<Device> {
    const { kind, device } = await this.next();
    if (kind !== "device_connect") throw new Error(`Expected Connect: got ${kind}`);
    this.device = device;
    await this.send({ kind: "device_connect_response", type, device });
    return device;
  }

  /** Takes a status, and answers it. */
  async answer(command: string, device = this.device): Promise<string> {
    const status = await this.next();
    if (status.kind !== "device_status") throw new Error(`Expected a status: got ${status.kind}`);
    await this.send(this.command(command, device));
    return new TextDecoder().decode(status.statusData);
  }

  /** A command to the device. */
  command(text: string, device = this.device): GatewayMessage {
    if (device === null) throw new Error("Expected a device that is connected");
    return { kind: "device_command", device, commandData: new TextEncoder().encode(text) };
  }

  /** Sends messages in one go, cut as it should be. */
  async send(...messages: GatewayMessage[]): Promise<void> {
    const frames = messages.map((message) => frameOf(encodeGatewayMessage(message)));
    const bytes = Buffer.concat(frames);
    switch (this.#cut) {
      case "whole":
        return await this.raw(bytes);
      case "header apart":
        await this.raw(bytes.subarray(0, 3));
        return await this.raw(bytes.subarray(3));
      case "byte by byte":
        for (const byte of bytes) await this.raw(Uint8Array.of(byte));
    }
  }

  /** Sends bytes as they are, in a segment of their own. */
  async raw(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write(bytes, () => resolve()));
  }

  /** Closes the connection as an orderly peer does. */
  end(): void {
    this.#socket.end();
  }

  /** Resets the connection. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** Listens on a free port until disposed. */
export class ScriptedGateway implements AsyncDisposable {
  readonly #server: Server;
  readonly #peers = new Inbox<Peer>();
  readonly #sockets = new Set<Socket>();
  #connections = 0;

  private constructor(cut: Cut) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      this.#connections++;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      this.#peers.push(new Peer(socket, cut));
    });
  }

  static async start(cut: Cut = "whole", port = 0): Promise<ScriptedGateway> {
    const gateway = new ScriptedGateway(cut);
    gateway.#server.listen(port, "127.0.0.1");
    await once(gateway.#server, "listening");
    return gateway;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** How many connections there have been. */
  get connections(): number {
    return this.#connections;
  }

  /** The next connection. */
  peer(): Promise<Peer> {
    return this.#peers.next("a connection of the device");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The server's own "close" never comes in Deno 2.4 when a socket has ended by itself.
    const closed = [...this.#sockets].map((socket) =>
      new Promise((resolve) => socket.on("close", resolve))
    );
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(closed);
    // It closes in a timer of its own there.
    await delay(0);
  }
}
