// Server-sent events: sends events of the fleet to every client, and drops slow clients.
import type { ServerConfig } from "../config/mod.ts";
import type { FleetListener, SecondOfFleet } from "../observe/mod.ts";
import type { ServerEvent } from "./api/schemas.ts";
import { RequestError } from "./errors.ts";
import { carList, carSummaries, failureView, type ViewSource } from "./api/views.ts";

/** Clients at a time. */
export const MAX_EVENT_CLIENTS = 32;
/** A client with more bytes waiting, besides its first event, is too slow. */
const MAX_WAITING_BYTES = 1024 * 1024;

type Client = ReadableStreamDefaultController<Uint8Array>;

const utf8 = new TextEncoder();

/** All clients of events; without any, it costs nothing. */
export class EventStream implements FleetListener {
  readonly #source: ViewSource;
  readonly #maxWaitingBytes: number;
  readonly #clients = new Set<Client>();
  #unlisten: (() => void) | undefined;
  /** The configuration that clients were last told. */
  #config: ServerConfig | undefined;

  constructor(source: ViewSource, maxWaitingBytes = MAX_WAITING_BYTES) {
    this.#source = source;
    this.#maxWaitingBytes = maxWaitingBytes;
  }

  /** The number of clients. */
  get size(): number {
    return this.#clients.size;
  }

  /**
   * Adds a client, which gets everything as its first event.
   *
   * @throws {RequestError} when there are too many.
   */
  connect(): ReadableStream<Uint8Array> {
    if (this.#clients.size >= MAX_EVENT_CLIENTS) {
      const message = `Expected at most ${MAX_EVENT_CLIENTS} clients of events: found one more`;
      throw new RequestError(503, "busy", message, { "retry-after": "5" });
    }
    const first = encode({ type: "fleet", ...carList(this.#source) });
    let client: Client;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        client = controller;
        controller.enqueue(first);
        this.#add(controller);
      },
      cancel: () => this.#remove(client),
    }, new ByteLengthQueuingStrategy({ highWaterMark: this.#maxWaitingBytes + first.length }));
  }

  /** Ends every stream. */
  stop(): void {
    for (const client of [...this.#clients]) {
      this.#remove(client);
      client.close();
    }
  }

  onChanged(cars: readonly string[]): void {
    if (this.#tellFleet()) return;
    const at = this.#now();
    for (const car of carSummaries(this.#source, new Set(cars))) {
      this.#send({ type: "car", at, car });
    }
  }

  onFailed(cars: readonly string[]): void {
    for (const car of cars) {
      const failure = this.#source.watch.record(car).failures.newest;
      if (failure !== undefined) {
        this.#send({ type: "failure", car, failure: failureView(failure) });
      }
    }
  }

  onSecond({ fleet, cars }: SecondOfFleet): void {
    this.#tellFleet();
    this.#send({ type: "rates", at: this.#now(), fleet, cars: Object.fromEntries(cars) });
  }

  /** Sends everything again after a change of the configuration; then rows need not be sent. */
  #tellFleet(): boolean {
    const { config } = this.#source.fleet;
    if (config === this.#config) return false;
    this.#config = config;
    this.#send({ type: "fleet", ...carList(this.#source) });
    return true;
  }

  #now(): number {
    return Math.floor(this.#source.clock.now());
  }

  #add(client: Client): void {
    this.#clients.add(client);
    if (this.#unlisten !== undefined) return;
    this.#config = this.#source.fleet.config;
    this.#unlisten = this.#source.watch.listen(this);
  }

  #remove(client: Client): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    this.#unlisten?.();
    this.#unlisten = undefined;
  }

  #send(event: ServerEvent): void {
    const bytes = encode(event);
    for (const client of [...this.#clients]) {
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

function encode(event: ServerEvent): Uint8Array {
  return utf8.encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}
