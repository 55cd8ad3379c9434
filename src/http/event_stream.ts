// Server-sent events: sends events of the fleet to every client, and drops slow clients.
import type { ServerConfig } from "../config/mod.ts";
import type { FleetListener, IncidentChange, SecondOfFleet } from "../observe/mod.ts";
import type { CommandFeed, LiveChange } from "../ledger/mod.ts";
import { liveChangeView } from "./api/commands.ts";
import type { ServerEvent } from "./api/event_schemas.ts";
import type { TimerHandle } from "../time/mod.ts";
import { quote } from "../text/mod.ts";
import type { Caller } from "./access/caller.ts";
import { RequestError } from "./errors.ts";
import { EventBuffer } from "./event_buffer.ts";
import { carSummaries, fleetView, positionView, type ViewSource } from "./api/views.ts";

/** Clients at a time, of all keys and of one. */
export const MAX_EVENT_CLIENTS = { all: 32, ofKey: 16 } as const;
/** A client with more bytes waiting, besides as much as the whole fleet, is too slow. */
const MAX_WAITING_BYTES = 1024 * 1024;

/** How long changes of commands are gathered, in milliseconds. */
const GATHER_MS = 200;
/** Further ones in that time are only counted. */
const MAX_CHANGES = 200;

/** What events are made from. */
export interface EventSource extends ViewSource {
  /** Absent: nothing is told of commands. */
  readonly feed?: CommandFeed;
}

type Client = ReadableStreamDefaultController<Uint8Array>;

const utf8 = new TextEncoder();

/** How long events are kept for clients that come back, when the last one has left; in milliseconds. */
const LINGER_MS = 60_000;
/** Bytes of events that are kept for them. */
const MAX_KEPT_BYTES = 1024 * 1024;

/** All clients of events; a minute after the last one, it costs nothing. */
export class EventStream implements FleetListener {
  readonly #source: EventSource;
  readonly #maxWaitingBytes: number;
  /** Distinguishes the ids of this run from those of another. */
  readonly #epoch = crypto.randomUUID().slice(0, 8);
  /** Clients, the name of each one's key, and what to call when it is gone. */
  readonly #clients = new Map<Client, { readonly name: string; readonly onGone: () => void }>();
  #unlisten: (() => void) | undefined;
  readonly #kept = new EventBuffer(MAX_KEPT_BYTES);
  /** Ends the listening when no client has come back. */
  #linger: TimerHandle | undefined;
  /** The size of the whole fleet: all cars may change at once, also for clients that come back. */
  #fleetBytes = 0;
  /** The configuration that clients were last told. */
  #config: ServerConfig | undefined;
  /** Changes of commands that clients will be told. */
  #changes: LiveChange[] = [];
  #missedChanges = 0;
  #gather: TimerHandle | undefined;

  constructor(source: EventSource, maxWaitingBytes = MAX_WAITING_BYTES) {
    this.#source = source;
    this.#maxWaitingBytes = maxWaitingBytes;
  }

  /** The number of clients. */
  get size(): number {
    return this.#clients.size;
  }

  /**
   * Adds a client, which gets everything as its first event, or what it has missed.
   *
   * @param lastEventId the last event that it has received
   * @throws {RequestError} when there are too many, or too many with its key.
   */
  connect(
    { name, ended }: Pick<Caller, "name" | "ended">,
    lastEventId?: string,
  ): ReadableStream<Uint8Array> {
    const { all, ofKey } = MAX_EVENT_CLIENTS;
    if (this.#clients.size >= all) throw busy(`${all} clients of events`);
    const own = [...this.#clients.values()].filter((client) => client.name === name);
    if (own.length >= ofKey) throw busy(`${ofKey} clients of events with the key ${quote(name)}`);
    const first = this.#missed(lastEventId) ?? [this.#everything()];
    const bytes = Math.max(first.reduce((sum, { length }) => sum + length, 0), this.#fleetBytes);
    let client: Client;
    const end = () => {
      this.#remove(client);
      client.close();
    };
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        client = controller;
        for (const event of first) controller.enqueue(event);
        this.#add(controller, name, () => ended.removeEventListener("abort", end));
        ended.addEventListener("abort", end, { once: true });
      },
      cancel: () => this.#remove(client),
    }, new ByteLengthQueuingStrategy({ highWaterMark: this.#maxWaitingBytes + bytes }));
  }

  /** Ends every stream. */
  stop(): void {
    for (const client of [...this.#clients.keys()]) {
      this.#remove(client);
      client.close();
    }
    this.#endListening();
  }

  onChanged(cars: readonly string[]): void {
    if (this.#tellFleet()) return;
    const at = this.#now();
    for (const car of carSummaries(this.#source, new Set(cars))) {
      this.#send({ type: "car", at, car });
    }
  }

  onIncident({ kind: change, incident }: IncidentChange): void {
    this.#send({ type: "incident", at: this.#now(), change, incident });
  }

  onSecond({ fleet, cars, heardAt, positions }: SecondOfFleet): void {
    this.#tellFleet();
    this.#send({
      type: "rates",
      at: this.#now(),
      fleet,
      cars: Object.fromEntries(cars),
      heardAt: Object.fromEntries(heardAt),
      positions: Object.fromEntries([...positions].map(([car, it]) => [car, positionView(it)])),
    });
  }

  /** Sends everything again after a change of the configuration; then rows need not be sent. */
  #tellFleet(): boolean {
    const { config } = this.#source.fleet;
    if (config === this.#config) return false;
    this.#config = config;
    this.#send({ type: "fleet", ...fleetView(this.#source) });
    return true;
  }

  /** What came after an event; undefined when it is not known any more. */
  #missed(lastEventId: string | undefined): readonly Uint8Array[] | undefined {
    const [epoch, number = ""] = lastEventId?.split("-") ?? [];
    if (epoch !== this.#epoch || !/^\d{1,15}$/.test(number)) return undefined;
    return this.#kept.after(Number(number));
  }

  /** The state of the fleet after the last event. */
  #everything(): Uint8Array {
    const event = { type: "fleet" as const, ...fleetView(this.#source) };
    const bytes = this.#encode(event, this.#kept.newest);
    this.#fleetBytes = bytes.length;
    return bytes;
  }

  #now(): number {
    return Math.floor(this.#source.clock.now());
  }

  #add(client: Client, name: string, onGone: () => void): void {
    this.#clients.set(client, { name, onGone });
    this.#endLinger();
    if (this.#unlisten !== undefined) return;
    const { fleet, watch, feed } = this.#source;
    this.#config = fleet.config;
    const unlisten = [watch.listen(this), feed?.listen((changes) => this.#onCommands(changes))];
    this.#unlisten = () => unlisten.forEach((one) => one?.());
  }

  #remove(client: Client): void {
    this.#clients.get(client)?.onGone();
    this.#clients.delete(client);
    if (this.#clients.size > 0 || this.#unlisten === undefined) return;
    this.#endLinger();
    this.#linger = this.#source.clock.set(() => this.#endListening(), LINGER_MS);
  }

  #endListening(): void {
    this.#endLinger();
    this.#unlisten?.();
    this.#unlisten = undefined;
    this.#kept.clear();
    if (this.#gather !== undefined) this.#source.clock.clear(this.#gather);
    this.#gather = undefined;
    this.#changes = [];
    this.#missedChanges = 0;
  }

  #onCommands(changes: readonly LiveChange[]): void {
    const room = Math.max(0, MAX_CHANGES - this.#changes.length);
    this.#changes.push(...changes.slice(0, room));
    this.#missedChanges += Math.max(0, changes.length - room);
    this.#gather ??= this.#source.clock.set(() => this.#tellCommands(), GATHER_MS);
  }

  #tellCommands(): void {
    this.#gather = undefined;
    const changes = this.#changes.map(liveChangeView);
    const missed = this.#missedChanges;
    this.#changes = [];
    this.#missedChanges = 0;
    this.#send({ type: "commands", at: this.#now(), changes, missed });
  }

  #endLinger(): void {
    if (this.#linger !== undefined) this.#source.clock.clear(this.#linger);
    this.#linger = undefined;
  }

  #encode(event: ServerEvent, number: number): Uint8Array {
    const id = `${this.#epoch}-${number}`;
    const lines = `id: ${id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
    return utf8.encode(lines);
  }

  #send(event: ServerEvent): void {
    const bytes = this.#kept.push((number) => this.#encode(event, number));
    for (const client of [...this.#clients.keys()]) {
      if ((client.desiredSize ?? 0) >= bytes.length) {
        client.enqueue(bytes);
        continue;
      }
      // The client does not read, and its queue would only grow.
      this.#remove(client);
      client.error(new Error("Cannot keep up with the events"));
    }
  }
}

function busy(limit: string): RequestError {
  const message = `Expected at most ${limit}: found one more`;
  return new RequestError(503, "busy", message, { "retry-after": "5" });
}
