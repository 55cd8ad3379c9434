// The server's side of the chain's module: tells the device when each of its statuses arrived.
import type { Command, Device, ServerModule } from "fleet-module";

export default class ChainServerModule implements ServerModule {
  static readonly moduleNumber = 1000;
  readonly commands: ReadableStream<Command>;
  #queue!: ReadableStreamDefaultController<Command>;

  constructor() {
    this.commands = new ReadableStream({ start: (queue) => void (this.#queue = queue) });
  }

  static isDeviceTypeSupported(): boolean {
    return true;
  }

  deviceConnected(): void {}

  deviceDisconnected(): void {}

  forwardStatus(status: Uint8Array, device: Device): void {
    const at = performance.timeOrigin + performance.now();
    const { n } = JSON.parse(new TextDecoder().decode(status));
    const data = new TextEncoder().encode(JSON.stringify({ n, at }));
    this.#queue.enqueue({ device, data });
  }

  forwardErrorMessage(): void {}

  commandAck(): void {}
}
