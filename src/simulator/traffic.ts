// The behavior of a simulated car: its devices send statuses at a rate, and at least at intervals;
// its gateway restarts at intervals.
import { type Device, deviceKey } from "../protocol/mod.ts";

/** Statuses that are sent without being asked, beside those that break a silence. */
export interface StatusLoad {
  /** Statuses a second, over all devices; 0: as fast as the window allows. */
  readonly rate: number;
  /** No further status is sent while so many are unanswered. */
  readonly window: number;
}

export interface TrafficOptions {
  readonly devices: readonly Device[];
  /** Absent: only what breaks a silence. */
  readonly load?: StatusLoad | undefined;
  /** The longest silence of a device, in milliseconds. */
  readonly keepAliveMs: number;
  /** How often the gateway restarts, in milliseconds; 0: never. */
  readonly reconnectEveryMs: number;
  readonly random: () => number;
}

interface Entry {
  device: Device;
  connected: boolean;
  sentAt: number;
}

/** How far behind its rate a gateway may catch up, in milliseconds. */
const CATCH_UP_MS = 1_000;

/** The devices of one gateway, and when each of them must send a status. */
export class Traffic {
  readonly #entries = new Map<string, Entry>();
  readonly #keepAliveMs: number;
  readonly #window: number;
  /** 0: as fast as the window allows. */
  readonly #intervalMs: number;
  readonly #hasLoad: boolean;
  readonly #reconnectEveryMs: number;
  readonly #random: () => number;
  // Statuses go out in turn, by index; and mostly from a device object that is in here.
  readonly #byObject = new Map<Device, Entry>();
  #connected: Entry[] = [];
  #turn = 0;
  #nextAt = Infinity;
  /** A lower bound. */
  #silenceEndsAt = Infinity;
  #restartAt = Infinity;

  constructor({ devices, load, keepAliveMs, reconnectEveryMs, random }: TrafficOptions) {
    this.#keepAliveMs = keepAliveMs;
    this.#reconnectEveryMs = reconnectEveryMs;
    this.#hasLoad = load !== undefined;
    this.#window = load?.window ?? 0;
    this.#intervalMs = load !== undefined && load.rate > 0 ? 1000 / load.rate : 0;
    this.#random = random;
    for (const device of devices) this.join(device);
  }

  /** All devices, connected or not. */
  get all(): Device[] {
    return [...this.#entries.values()].map(({ device }) => device);
  }

  /** Those that have not left, in the order in which they joined. */
  get connected(): Device[] {
    return this.#connected.map(({ device }) => device);
  }

  join(device: Device): void {
    const key = deviceKey(device);
    const sentAt = this.#entries.get(key)?.sentAt ?? -Infinity;
    this.#entries.set(key, { device, connected: true, sentAt });
    this.#refresh();
  }

  leave(device: Device): void {
    const known = this.#entries.get(deviceKey(device));
    if (known !== undefined) known.connected = false;
    this.#refresh();
  }

  /** Devices send statuses at intervals from now on. */
  start(now: number): void {
    this.#silenceEndsAt = now + this.#keepAliveMs;
  }

  /** A session runs. Everything is at a random point of its period: a fleet must not move in step. */
  begin(now: number): void {
    if (this.#hasLoad) this.#nextAt = now + this.#intervalMs * this.#random();
    const every = this.#reconnectEveryMs;
    this.#restartAt = every > 0 ? now + every * (1 - this.#random() / 2) : Infinity;
  }

  /** Stops all automatic behavior. */
  stop(): void {
    this.#nextAt = Infinity;
    this.#silenceEndsAt = Infinity;
    this.#restartAt = Infinity;
  }

  /** When the gateway restarts; Infinity: not in this session, or not yet known. */
  get restartAt(): number {
    return this.#restartAt;
  }

  /** The gateway restarts. */
  restart(): void {
    this.#restartAt = Infinity;
  }

  /** A status of the device was sent. */
  sent(device: Device, now: number): void {
    const entry = this.#byObject.get(device) ?? this.#entries.get(deviceKey(device));
    if (entry !== undefined) entry.sentAt = now;
  }

  /** When load is due with so many unanswered statuses; Infinity while the window is full. */
  dueAt(unanswered: number): number {
    return unanswered < this.#window && this.#connected.length > 0 ? this.#nextAt : Infinity;
  }

  /** When a device may have to break its silence; not before, but perhaps later. */
  get silenceEndsAt(): number {
    return this.#silenceEndsAt;
  }

  /** The device whose turn it is; its status counts as sent. */
  next(now: number): Device | undefined {
    const entry = this.#connected[this.#turn % this.#connected.length];
    this.#turn = (this.#turn + 1) % Math.max(1, this.#connected.length);
    if (this.#intervalMs > 0) {
      this.#nextAt = Math.max(this.#nextAt, now - CATCH_UP_MS) + this.#intervalMs;
    }
    return entry?.device;
  }

  /** Devices that have been silent for too long; their statuses count as sent. */
  silent(now: number): Device[] {
    const due = this.#connected.filter(({ sentAt }) => sentAt + this.#keepAliveMs <= now);
    for (const entry of due) entry.sentAt = now;
    const oldest = this.#connected.reduce((at, { sentAt }) => Math.min(at, sentAt), now);
    this.#silenceEndsAt = oldest + this.#keepAliveMs;
    return due.map(({ device }) => device);
  }

  #refresh(): void {
    this.#byObject.clear();
    this.#connected = [];
    for (const entry of this.#entries.values()) {
      this.#byObject.set(entry.device, entry);
      if (entry.connected) this.#connected.push(entry);
    }
  }
}
