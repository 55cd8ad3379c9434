// Which devices a gateway has, which of them are connected, and when each last said something.
import { deviceKey } from "../protocol/device.ts";
import { type Command, CommandResponseType, type Device } from "../protocol/messages.ts";

interface Entry {
  device: Device;
  connected: boolean;
  touchedAt: number;
}

/** The devices of one gateway; two with the same module, type and role are one. */
export class DeviceBook {
  readonly #entries = new Map<string, Entry>();
  // Statuses go out in turn, by index; and mostly from a device object that is in here.
  readonly #byObject = new Map<Device, Entry>();
  #connected: Device[] = [];
  #turn = 0;

  constructor(devices: readonly Device[]) {
    for (const device of devices) this.connect(device);
  }

  /** The connected devices, in the order in which they joined. */
  get connected(): readonly Device[] {
    return this.#connected;
  }

  all(): Device[] {
    return [...this.#entries.values()].map((entry) => entry.device);
  }

  connect(device: Device): void {
    const known = this.#entries.get(deviceKey(device));
    if (known === undefined) {
      this.#entries.set(deviceKey(device), { device, connected: true, touchedAt: -Infinity });
    } else {
      known.device = device;
      known.connected = true;
    }
    this.#refresh();
  }

  disconnect(device: Device): void {
    const known = this.#entries.get(deviceKey(device));
    if (known === undefined) return;
    known.connected = false;
    this.#refresh();
  }

  isConnected(device: Device): boolean {
    return this.#entries.get(deviceKey(device))?.connected ?? false;
  }

  /** How the real gateway answers a command to this device. */
  answerType({ device }: Command): number {
    if (this.isConnected(device)) return CommandResponseType.OK;
    const hasModule = this.all().some((known) => known.module === device.module);
    return hasModule
      ? CommandResponseType.DEVICE_NOT_CONNECTED
      : CommandResponseType.DEVICE_NOT_SUPPORTED;
  }

  /** The connected devices one after the other, over and over; undefined when there is none. */
  nextInTurn(): Device | undefined {
    const device = this.#connected[this.#turn % this.#connected.length];
    this.#turn = (this.#turn + 1) % Math.max(1, this.#connected.length);
    return device;
  }

  /** Notes that a status of the device was sent. */
  touch(device: Device, now: number): void {
    const entry = this.#byObject.get(device) ?? this.#entries.get(deviceKey(device));
    if (entry !== undefined) entry.touchedAt = now;
  }

  /** Connected devices that have said nothing for so long. */
  silentFor(ms: number, now: number): Device[] {
    return this.#connected.filter((device) => {
      const entry = this.#byObject.get(device);
      // The same sum as in the caller's deadline: another one would be rounded differently.
      return entry !== undefined && entry.touchedAt + ms <= now;
    });
  }

  /** When the device that has been silent longest last said something; `fallback` if never. */
  oldestTouch(fallback: number): number {
    let oldest = fallback;
    for (const device of this.#connected) {
      const touchedAt = this.#byObject.get(device)?.touchedAt ?? fallback;
      if (touchedAt < oldest && touchedAt !== -Infinity) oldest = touchedAt;
    }
    return oldest;
  }

  /** Connected devices that were not among these. */
  joinedSince(before: readonly Device[]): Device[] {
    const known = new Set(before.map(deviceKey));
    return this.#connected.filter((device) => !known.has(deviceKey(device)));
  }

  /** Those among these that are not connected any more. */
  leftSince(before: readonly Device[]): Device[] {
    return before.filter((device) => !this.isConnected(device));
  }

  #refresh(): void {
    this.#byObject.clear();
    this.#connected = [];
    for (const entry of this.#entries.values()) {
      this.#byObject.set(entry.device, entry);
      if (entry.connected) this.#connected.push(entry.device);
    }
  }
}
