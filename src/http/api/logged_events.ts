// Events as the event log has them: pages, files and what happens now. Loaded only when it is on.
import {
  eventJson,
  type LogEvent,
  LogReader,
  LogSearch,
  type Position,
  type Recorder,
  type SearchCursor,
} from "../../record/mod.ts";
import { type Clock, every, ReadShare } from "../../time/mod.ts";
import { quote } from "../../text/mod.ts";
import type { Caller } from "../access/caller.ts";
import { RequestError, RpcError } from "../errors.ts";
import { MAX_EVENT_CLIENTS } from "../event_stream.ts";
import { csvHeader, csvRow } from "./events_csv.ts";
import { RpcCode } from "./json_rpc.ts";
import { type EventFilter, eventView, queryOf } from "./event_filter.ts";
import type { EventPage } from "./schemas.ts";

/** The log that is written. */
export type WrittenLog = Pick<Recorder, "directory" | "counts" | "onWritten">;

/** Who reads. */
type Client = Pick<Caller, "name" | "ended">;

/** Files that are written at a time; each takes a share of a core. */
const MAX_FILES = 4;
/** Events that are found at once for a file. */
const FILE_PAGE = 500;
/** Bytes of records that are read at once for what happens now. */
const READ_BYTES = 32 * 1024;
/** A client that hears nothing for longer takes the server for gone, in milliseconds. */
const ALIVE_MS = 10_000;

const utf8 = new TextEncoder();

/** Reads one log for any number of clients. */
export class LoggedEvents {
  readonly #log: WrittenLog;
  readonly #clock: Clock;
  readonly #search: LogSearch;
  #files = 0;
  /** Names of the keys of clients that read what happens now. */
  readonly #live: string[] = [];
  readonly #stop = new AbortController();

  constructor(log: WrittenLog, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#search = new LogSearch(log.directory);
  }

  /** Ends what is still read. */
  stop(): void {
    this.#stop.abort(new Error("The server stops"));
  }

  /** @throws {RpcError} when the cursor is none */
  async list(
    { limit, cursor, ...filter }: EventFilter & {
      readonly limit: number;
      readonly cursor?: string | undefined;
    },
    client: Client,
  ): Promise<EventPage> {
    const query = { ...queryOf(filter), limit, cursor: cursor && cursorOf(cursor) || undefined };
    const page = await this.#search.page(query, this.#signal(client));
    return {
      source: "log",
      events: page.events.map(eventView),
      next: page.next && `${page.next.segment}-${page.next.offset}-${page.next.skip}`,
      searchedTo: page.searchedTo,
      reachesBackTo: await this.#search.oldestAt(),
    };
  }

  /** The newest events first, as lines. @throws {RequestError} when there are too many files */
  file(
    format: "csv" | "ndjson",
    { limit = Infinity, ...filter }: EventFilter & { readonly limit?: number | undefined },
    client: Client,
  ): ReadableStream<Uint8Array> {
    if (this.#files >= MAX_FILES) throw busy(`${MAX_FILES} files of events`);
    this.#files++;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal(client), stop.signal]);
    const lineOf = format === "csv"
      ? (event: LogEvent) => csvRow(eventView(event))
      : (event: LogEvent) => `${JSON.stringify(eventJson(event))}\n`;
    const query = queryOf(filter);
    let cursor: SearchCursor | undefined;
    let left = limit;
    let start = format === "csv" ? csvHeader() : "";
    let end = () => {
      this.#files--;
      end = () => {};
    };
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        try {
          for (let text = start;; text = "") {
            const page = { ...query, cursor, limit: Math.min(left, FILE_PAGE) };
            const { events, next } = await this.#search.page(page, signal);
            text += events.map(lineOf).join("");
            left -= events.length;
            cursor = next ?? undefined;
            start = "";
            if (text !== "") controller.enqueue(utf8.encode(text));
            if (next === null || left <= 0) {
              end();
              return controller.close();
            }
            if (text !== "") return;
          }
        } catch (error) {
          end();
          throw error;
        }
      },
      cancel: () => {
        end();
        stop.abort(new Error("The client has gone"));
      },
    }, { highWaterMark: 0 });
  }

  /**
   * Events as they happen, as server-sent events, each with an id to go on behind.
   *
   * @param lastEventId the last one that was received. @default {what is written from now on}
   * @throws {RequestError} when there are too many clients, or too many with this key
   */
  live(
    filter: EventFilter,
    client: Client,
    lastEventId?: string,
  ): ReadableStream<Uint8Array> {
    const { all, ofKey } = MAX_EVENT_CLIENTS;
    const { name } = client;
    if (this.#live.length >= all) throw busy(`${all} clients of live events`);
    if (this.#live.filter((other) => other === name).length >= ofKey) {
      throw busy(`${ofKey} clients of live events with the key ${quote(name)}`);
    }
    const from = positionOf(lastEventId) ?? this.#log.counts.end;
    const reader = new LogReader({ directory: this.#log.directory, from });
    const { cars, isWanted } = queryOf(filter);
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#signal(client), stop.signal]);
    let isReading = false;
    let end = () => {};
    this.#live.push(name);
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        const beat = () => controller.enqueue(utf8.encode(":\n\n"));
        beat();
        const stopBeats = every(ALIVE_MS, () => {
          if ((controller.desiredSize ?? 0) > 0) beat();
        }, this.#clock);
        end = () => {
          end = () => {};
          stopBeats();
          this.#live.splice(this.#live.indexOf(name), 1);
          reader[Symbol.dispose]();
          if (!stop.signal.aborted) controller.close();
        };
        signal.addEventListener("abort", () => isReading || end(), { once: true });
      },
      pull: async (controller) => {
        isReading = true;
        try {
          const chunk = await this.#next(
            reader,
            signal,
            (event) =>
              isWanted(event) && (cars === undefined || event.car !== null && cars.has(event.car)),
          );
          if (chunk !== undefined) controller.enqueue(chunk);
        } catch (error) {
          stop.abort();
          end();
          throw error;
        } finally {
          isReading = false;
          if (signal.aborted) end();
        }
      },
      cancel: () => stop.abort(),
    });
  }

  /** Waits for events that are wanted; undefined: it was ended. */
  async #next(
    reader: LogReader,
    signal: AbortSignal,
    isWanted: (event: LogEvent) => boolean,
  ): Promise<Uint8Array | undefined> {
    const share = new ReadShare();
    while (!signal.aborted) {
      const more = this.#nextWrite(signal);
      const { events, position, isEnd } = await reader.read(READ_BYTES);
      const text = events.filter(isWanted)
        .map((event) => `data: ${JSON.stringify(eventView(event))}\n\n`).join("");
      await share.spend(READ_BYTES);
      if (!isEnd || text !== "") more.forget();
      if (signal.aborted) return undefined;
      if (text !== "") {
        const { segment, offset, records, bytes } = position;
        // Of the last one: those of a chunk arrive together.
        const id = [segment, offset, records, bytes].join("-");
        return utf8.encode(`${text.slice(0, -1)}id: ${id}\n\n`);
      }
      if (isEnd) await more.written;
    }
    return undefined;
  }

  /** Resolves when more is written, when it is forgotten, or when the signal is aborted. */
  #nextWrite(signal: AbortSignal): { readonly written: Promise<void>; forget(): void } {
    const { promise: written, resolve } = Promise.withResolvers<void>();
    const forget = () => {
      unlisten();
      signal.removeEventListener("abort", forget);
      resolve();
    };
    const unlisten = this.#log.onWritten(forget);
    signal.addEventListener("abort", forget);
    if (signal.aborted) forget();
    return { written, forget };
  }

  #signal({ ended }: Client): AbortSignal {
    return AbortSignal.any([this.#stop.signal, ended]);
  }
}

function cursorOf(text: string): SearchCursor {
  const [segment, offset, skip] = numbersOf(text, 3);
  if (segment === undefined || offset === undefined || skip === undefined) {
    const message = `cursor: Expected \`next\` of the page before: found ${quote(text)}`;
    throw new RpcError(RpcCode.INVALID_PARAMS, message);
  }
  return { segment, offset, skip };
}

function positionOf(id: string | undefined): Position | undefined {
  const [segment, offset, records, bytes] = numbersOf(id ?? "", 4);
  if (segment === undefined || offset === undefined) return undefined;
  if (records === undefined || bytes === undefined) return undefined;
  return { segment, offset, records, bytes };
}

/** So many numbers with dashes between them; none when it is something else. */
function numbersOf(text: string, count: number): number[] {
  const parts = text.split("-");
  const isOne = parts.length === count && parts.every((part) => /^\d{1,16}$/.test(part));
  return isOne ? parts.map(Number) : [];
}

function busy(limit: string): RequestError {
  const message = `Expected at most ${limit}: found one more`;
  return new RequestError(503, "busy", message, { "retry-after": "5" });
}
