// What happened to all cars, out of the event log, or out of memory where there is none.
import * as z from "zod";
import { LOG_LEVELS } from "../../log/mod.ts";
import { type ListedEvent, MAX_EVENTS } from "../../observe/mod.ts";
import { quote } from "../../text/mod.ts";
import { RpcError } from "../errors.ts";
import { csvHeader, csvRow } from "./events_csv.ts";
import { RPC_ERRORS, RpcCode } from "./json_rpc.ts";
import type { MethodSource } from "./methods.ts";
import { defineFor, type FileRoute, type Method } from "./method.ts";
import { EventPage, type ListedEventView } from "./schemas.ts";

const NEEDS_LOG = "Expected `event_log` in the configuration: this server has no event log";
const MAX_PAGE = 1000;
const PATH = "/api/v1/history/events";

const FILTER = z.strictObject({
  cars: z.array(z.string()).min(1).max(1000).optional()
    .describe("Absent: all, and what happened to none"),
  kinds: z.array(z.string().max(100)).min(1).max(50).optional()
    .describe("Kinds of the event log, or what they begin with, such as command"),
  level: z.enum(LOG_LEVELS).optional().describe("This level and above"),
  text: z.string().max(100).optional().describe(
    "Events whose text, data, car, device or kind contains this, in any case",
  ),
});
const TIMES = FILTER.extend({
  from: z.int().min(0).optional().describe("Milliseconds since the epoch"),
  to: z.int().min(0).optional().describe("Milliseconds since the epoch"),
});
const LISTED = TIMES.extend({
  cursor: z.string().max(100).optional().describe("`next` of the page before"),
  limit: z.int().min(1).max(MAX_PAGE).optional().describe("Absent: 100"),
});
const WRITTEN = TIMES.extend({
  limit: z.int().min(1).optional().describe("Absent: all that the log has"),
});

/** The method. */
export const LIST_EVENTS: Method<MethodSource> = defineFor<MethodSource>()({
  name: "event.list",
  summary: "What happened, newest first: of the event log if there is one",
  scope: "read",
  rest: {
    verb: "GET",
    path: PATH,
    files: [csvFile(), ndjsonFile(), liveFile()],
  },
  params: LISTED,
  result: EventPage,
  run: ({ limit = 100, ...query }, source, caller) =>
    source.logged?.list({ ...query, limit }, caller) ?? remembered({ ...query, limit }, source),
});

function csvFile(): FileRoute<MethodSource> {
  return {
    path: `${PATH}.csv`,
    type: "text/csv; charset=utf-8",
    summary: "the same as CSV",
    isDownload: true,
    params: WRITTEN,
    body(params: z.output<typeof WRITTEN>, source, caller) {
      if (source.logged !== undefined) return source.logged.file("csv", params, caller);
      const { limit = MAX_EVENTS } = params;
      const { events } = remembered({ ...params, limit }, source);
      return csvHeader() + events.map(csvRow).join("");
    },
  };
}

function ndjsonFile(): FileRoute<MethodSource> {
  return {
    path: `${PATH}.ndjson`,
    type: "application/x-ndjson",
    summary: "the same as lines of JSON, with whole payloads, as `log --json` writes them",
    isDownload: true,
    params: WRITTEN,
    body: (params: z.output<typeof WRITTEN>, source, caller) =>
      logOf(source).file("ndjson", params, caller),
  };
}

function liveFile(): FileRoute<MethodSource> {
  return {
    path: `${PATH}/live`,
    type: "text/event-stream",
    summary: "events of the event log as they happen",
    isDownload: false,
    params: FILTER,
    body: (params: z.output<typeof FILTER>, source, caller, lastEventId) =>
      logOf(source).live(params, caller, lastEventId),
  };
}

function logOf({ logged }: MethodSource) {
  if (logged === undefined) throw new RpcError(RPC_ERRORS.UNAVAILABLE, NEEDS_LOG);
  return logged;
}

/** What the server remembers without an event log. */
function remembered(
  { cars, kinds, text: q, cursor, limit, ...query }: z.output<typeof TIMES> & {
    readonly cursor?: string | undefined;
    readonly limit: number;
  },
  { watch }: Pick<MethodSource, "watch">,
): EventPage {
  if (kinds !== undefined) throw new RpcError(RPC_ERRORS.UNAVAILABLE, `kinds: ${NEEDS_LOG}`);
  if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) {
    const message = `cursor: Expected \`next\` of the page before: found ${quote(cursor)}`;
    throw new RpcError(RpcCode.INVALID_PARAMS, message);
  }
  const { events } = watch.history;
  const before = cursor === undefined ? {} : { before: Number(cursor) };
  const found = events.list({ ...query, cars: cars && new Set(cars), q, ...before, limit });
  const last = found.at(-1);
  return {
    source: "memory",
    events: found.map(rememberedView),
    next: last === undefined || found.length < limit ? null : String(last.id),
    searchedTo: null,
    reachesBackTo: events.oldestAt,
  };
}

function rememberedView({ id, ...event }: ListedEvent): ListedEventView {
  return { ...event, id: String(id), kind: null, session: null, counter: null, payload: null };
}
