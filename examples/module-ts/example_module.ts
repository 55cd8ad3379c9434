// A module to copy: buttons (device type 0) and LEDs (device type 1).
//
// A button reports {"pressed": true} or {"pressed": false}; the module then has every LED of the same
// car lit or put out with the command {"lit": true} or {"lit": false}. An LED reports {"lit": ...};
// one that differs from what the button wants is told again.
import type { Command, Device, ServerModule } from "fleet-module";

const BUTTON = 0;
const LED = 1;
/** Both are bounded: a server that never asks must not fill the memory. */
const MAX_LEDS = 64;
const MAX_COMMANDS = 1024;

/** Everything of one car. */
export default class ExampleModule implements ServerModule {
  static readonly moduleNumber = 1000;
  readonly commands: ReadableStream<Command>;
  readonly #leds = new Map<string, Device>();
  #queue!: ReadableStreamDefaultController<Command>;
  #pressed = false;

  constructor() {
    const limit = new CountQueuingStrategy({ highWaterMark: MAX_COMMANDS });
    this.commands = new ReadableStream({ start: (queue) => void (this.#queue = queue) }, limit);
  }

  static isDeviceTypeSupported(type: number): boolean {
    return type === BUTTON || type === LED;
  }

  deviceConnected(device: Device): boolean {
    if (device.type !== LED) return ExampleModule.isDeviceTypeSupported(device.type);
    if (this.#leds.size >= MAX_LEDS && !this.#leds.has(device.role)) return false;
    this.#leds.set(device.role, device);
    return true;
  }

  deviceDisconnected(device: Device): void {
    if (device.type === LED) this.#leds.delete(device.role);
  }

  forwardStatus(status: Uint8Array, device: Device): boolean {
    const name = device.type === BUTTON ? "pressed" : "lit";
    const value: unknown = JSON.parse(new TextDecoder().decode(status))[name];
    if (typeof value !== "boolean") return false;
    if (device.type === LED) return value === this.#pressed || this.#light(device);
    this.#pressed = value;
    return [...this.#leds.values()].map((led) => this.#light(led)).every((sent) => sent);
  }

  forwardErrorMessage(): void {
    // A place for an alarm: the bytes are whatever the device's own software wrote.
  }

  commandAck(): void {
    // The LED has the command. One that must not get lost would be kept until now.
  }

  #light({ type, role, name }: Device): boolean {
    if ((this.#queue.desiredSize ?? 0) <= 0) return false;
    const data = new TextEncoder().encode(JSON.stringify({ lit: this.#pressed }));
    this.#queue.enqueue({ device: { type, role, name }, data });
    return true;
  }
}
