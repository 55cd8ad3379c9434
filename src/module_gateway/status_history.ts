// Keeps the statuses that the cloud could not be told on the disk, and offers them afterwards on a
// topic of its own [GATEWAY-HISTORY]. Nothing waits for the disk.
import { Buffer } from "node:buffer";
import { andSuppressed, type Log, Once } from "../log/mod.ts";
import type { Device } from "../protocol/mod.ts";
import { type Clock, firstOf, within } from "../time/mod.ts";
import { HistoryFiles } from "./history_files.ts";
import type { HistoryCounts } from "./snapshot.ts";
import type { GatewayTurn, GatewayTurnSubscriber } from "./turn.ts";

export interface StatusHistoryOptions {
  readonly endpoint: string;
  readonly directory: string;
  readonly maxBytes: number;
  readonly log: Log;
  readonly clock: Clock;
  /** Publishes an event; resolves with whether the broker has it. */
  publish(event: Uint8Array): Promise<boolean>;
}

/** What waits for the disk, in bytes; more is lost. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;
/** Events that the broker has not acknowledged. */
const WINDOW = 20;
/** How long the broker may take for these, and the disk for the last ones, in milliseconds. */
const ACKNOWLEDGE_MS = 30_000;
const STOP_MS = 2_000;

/** The history of one endpoint. */
export class StatusHistory implements GatewayTurnSubscriber {
  readonly #options: StatusHistoryOptions;
  readonly #files: HistoryFiles;
  readonly #once: Once;
  /** Makes the ids of events differ from those of other processes. */
  readonly #process = crypto.randomUUID();
  #counter = 0;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #kept = 0;
  #offered = 0;
  #lostBytes = 0;
  #isRunning = false;
  /** Ends waits for the broker when the session ends. */
  #ended = Promise.withResolvers<void>();
  #isOpen = false;
  /** Whether there may be more to do than the work under way knows of. */
  #isWoken = false;
  #stopped = false;
  #working: Promise<void> | null = null;

  constructor(options: StatusHistoryOptions) {
    this.#options = options;
    this.#files = new HistoryFiles(options);
    this.#once = new Once({ clock: options.clock });
  }

  get counts(): HistoryCounts {
    return {
      kept: this.#kept,
      offered: this.#offered,
      lostBytes: this.#lostBytes,
      bytes: this.#files.bytes + this.#pendingBytes,
    };
  }

  /** See {@linkcode GatewayTurnSubscriber}. */
  onTurn(turn: GatewayTurn): void {
    if (turn.kind !== "session" || turn.endpoint !== this.#options.endpoint) return;
    for (const effect of turn.effects) {
      if (effect.type === "fold") this.#keep(effect.device, effect.data, turn.at);
      if (effect.type === "ended") this.#end();
      if (effect.type === "running") {
        this.#isRunning = true;
        this.#ended = Promise.withResolvers();
        this.#wake();
      }
    }
  }

  /** Writes what waits; never rejects. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#end();
    this.#wake();
    await within(this.#idle(), STOP_MS, this.#options.clock);
  }

  async #idle(): Promise<void> {
    while (this.#working !== null) await this.#working;
  }

  #end(): void {
    this.#isRunning = false;
    this.#ended.resolve();
  }

  #keep(device: Device, data: Uint8Array, at: number): void {
    const { module, deviceType: type, deviceRole: role, deviceName: name } = device;
    const line = JSON.stringify({
      id: `${this.#process}-${++this.#counter}`,
      at: new Date(at).toISOString(),
      device: { module, type, role, name },
      status: Buffer.from(data).toString("base64"),
    });
    const bytes = new TextEncoder().encode(`${line}\n`);
    if (this.#pendingBytes + bytes.length > MAX_PENDING_BYTES) {
      return this.#lose(bytes.length, "the disk is too slow");
    }
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    this.#wake();
  }

  #wake(): void {
    this.#isWoken = true;
    this.#working ??= this.#work().finally(() => {
      this.#working = null;
      if (this.#isWoken) this.#wake();
    });
  }

  /** Writes what waits, then offers what there is. Never rejects. */
  async #work(): Promise<void> {
    this.#isWoken = false;
    try {
      if (!this.#isOpen) await this.#files.open();
      this.#isOpen = true;
      do await this.#write(); while (await this.#offerOldest());
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const bytes = this.#pendingBytes;
      this.#pending = [];
      this.#pendingBytes = 0;
      this.#lose(bytes, reason);
    }
  }

  async #write(): Promise<void> {
    while (this.#pending.length > 0) {
      const events = this.#pending.length;
      const lines = Buffer.concat(this.#pending);
      const lost = await this.#files.append(lines);
      this.#pending.splice(0, events);
      this.#pendingBytes -= lines.length;
      this.#kept += events;
      if (lost > 0) this.#lose(lost, `more than ${this.#options.maxBytes} bytes are kept`);
    }
  }

  /** Returns whether there may be more to do. */
  async #offerOldest(): Promise<boolean> {
    if (!this.#isRunning || this.#stopped) return false;
    const oldest = await this.#files.oldest();
    if (oldest === null) return this.#pending.length > 0;
    const { number, lines } = oldest;
    for (let at = 0; at < lines.length; at += WINDOW) {
      const offered = lines.slice(at, at + WINDOW);
      if (!await this.#offer(offered)) return this.#pending.length > 0;
      this.#offered += offered.length;
      await this.#write();
    }
    await this.#files.remove(number);
    return true;
  }

  async #offer(lines: readonly string[]): Promise<boolean> {
    if (!this.#isRunning || this.#stopped) return false;
    const encoder = new TextEncoder();
    const { publish, clock } = this.#options;
    let isAcknowledged = false;
    const all = Promise.all(lines.map((line) => publish(encoder.encode(line))));
    const acknowledged = all.then((each) => isAcknowledged = each.every((one) => one));
    await within(firstOf<unknown>(acknowledged, this.#ended.promise), ACKNOWLEDGE_MS, clock);
    // The next session begins with these again.
    if (!isAcknowledged) this.#isRunning = false;
    return isAcknowledged;
  }

  #lose(bytes: number, reason: string): void {
    this.#lostBytes += bytes;
    const count = this.#once.ask(reason);
    if (count === undefined) return;
    const { log, endpoint, directory } = this.#options;
    const what = bytes === 0 ? "Cannot read" : `Lost ${bytes} bytes of`;
    log.warning(() =>
      `${what} the history of endpoint "${endpoint}" in "${directory}": ${reason}` +
      andSuppressed(count)
    );
  }
}
