// The devices that a gateway has listed, as operators see them, including those that are not
// connected.
import type { Note } from "../session/mod.ts";
import { type Device, deviceKey } from "../protocol/mod.ts";
import type { SeenStatus } from "./car_record.ts";
import type { Unserved } from "./health/health.ts";

/** Maximum number of devices per car; a gateway may invent more. */
const MAX_DEVICES = 1000;

/** Reasons that are told of one session. */
const MAX_REASONS = 10;

/**
 * Bytes of last statuses per car, with their identities; beyond them, that of the device that was
 * silent for longest is forgotten.
 */
const MAX_STATUS_BYTES = 128 * 1024;

/** A device of the current or last session. Times are in milliseconds since the epoch. */
export interface SeenDevice {
  readonly device: Device;
  connectedSince: number | null;
  lastStatusAt: number | null;
  lastStatusCounter: number | null;
  /** Why it is not connected: a reason of the session, or a module's outcome. */
  why: string | null;
}

/** The last status of each device, whether it is listed yet or not. */
class LastStatuses {
  /** The one that was heard last at the end. */
  readonly #statuses = new Map<string, SeenStatus>();
  #bytes = 0;

  get(id: string): SeenStatus | null {
    return this.#statuses.get(id) ?? null;
  }

  list(): SeenStatus[] {
    return [...this.#statuses.values()];
  }

  set(status: SeenStatus): void {
    this.#forget(status.device);
    this.#statuses.set(status.device, status);
    this.#bytes += sizeOf(status);
    for (const id of this.#statuses.keys()) {
      if (this.#bytes <= MAX_STATUS_BYTES && this.#statuses.size <= MAX_DEVICES) return;
      this.#forget(id);
    }
  }

  #forget(id: string): void {
    const status = this.#statuses.get(id);
    if (status === undefined) return;
    this.#statuses.delete(id);
    this.#bytes -= sizeOf(status);
  }
}

function sizeOf({ device, data, errorMessage }: SeenStatus): number {
  return 2 * device.length + data.data.length + errorMessage.data.length;
}

/** Devices of one car by identity. */
export class CarDevices {
  readonly #devices = new Map<string, SeenDevice>();
  readonly #last = new LastStatuses();
  #over = false;

  /** Identity and device, connected ones first. */
  list(): (readonly [id: string, device: SeenDevice])[] {
    const all = [...this.#devices];
    const connected = ([, { connectedSince }]: (typeof all)[number]) => connectedSince !== null;
    return [...all.filter(connected), ...all.filter((one) => !connected(one))];
  }

  /** The last status of a device, perhaps of an earlier session. */
  lastStatusOf(id: string): SeenStatus | null {
    return this.#last.get(id);
  }

  /** The last status of each device, the newest at the end. */
  lastStatuses(): SeenStatus[] {
    return this.#last.list();
  }

  /** A status has come. */
  heard(status: SeenStatus): void {
    this.#last.set(status);
    const seen = this.#devices.get(status.device);
    if (seen === undefined) return;
    seen.lastStatusAt = status.at;
    seen.lastStatusCounter = status.counter;
  }

  /** Takes a note of the session. @returns whether devices have connected or disconnected */
  onNote(note: Note, at: number): boolean {
    switch (note.code) {
      case "device_connected":
        this.#set(note.device, at, null);
        return true;
      case "device_not_connected":
        this.#set(note.device, null, note.outcome ?? note.why);
        return true;
      case "device_disconnected": {
        const seen = this.#devices.get(deviceKey(note.device));
        if (seen === undefined) return false;
        seen.connectedSince = null;
        seen.why = "left";
        return true;
      }
      case "not_forwarded":
        if (note.first) this.#notForwarded(note.device, note.why);
        return note.first;
      default:
        return false;
    }
  }

  /** The session has ended: its devices are shown until the next one begins. */
  ended(): void {
    for (const seen of this.#devices.values()) {
      if (seen.connectedSince === null) continue;
      seen.connectedSince = null;
      seen.why = "ended";
    }
    this.#over = true;
  }

  /** Devices of this session that are not connected although they have not left. */
  unserved(): Unserved {
    if (this.#over) return { count: 0, reasons: [] };
    let count = 0;
    const reasons = new Map<string, { module: number; why: string }>();
    for (const { device: { module }, connectedSince, why } of this.#devices.values()) {
      if (connectedSince !== null || why === null || why === "left") continue;
      count++;
      if (reasons.size < MAX_REASONS) reasons.set(`${module} ${why}`, { module, why });
    }
    return { count, reasons: [...reasons.values()] };
  }

  /** A status of an unknown state says nothing about the connection. */
  #notForwarded(device: Device, why: string): void {
    const { connectedSince = null } = this.#devices.get(deviceKey(device)) ?? {};
    this.#set(device, why === "unknown_state" ? connectedSince : null, why);
  }

  #set(device: Device, connectedSince: number | null, why: string | null): void {
    if (this.#over) {
      this.#devices.clear();
      this.#over = false;
    }
    const id = deviceKey(device);
    const known = this.#devices.get(id);
    if (known === undefined && this.#devices.size >= MAX_DEVICES) return;
    const last = this.#last.get(id);
    const {
      lastStatusAt = last?.at ?? null,
      lastStatusCounter = last?.counter ?? null,
    } = known ?? {};
    this.#devices.set(id, { device, connectedSince, lastStatusAt, lastStatusCounter, why });
  }
}
