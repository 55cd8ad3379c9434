// Sinks of events in the API of a server and of a gateway.
import * as z from "zod";
import type { SinkExport } from "../../export/mod.ts";
import { quote } from "../../text/mod.ts";
import { RpcError } from "../errors.ts";
import { RPC_ERRORS } from "./json_rpc.ts";
import { defineFor, type Method } from "./method.ts";
import { time } from "./schemas.ts";

/** A sink that operators can act on. */
export type OperatedSink = Pick<
  SinkExport,
  "name" | "snapshot" | "drain" | "replay" | "cancelReplay"
>;

/** What methods on sinks read from. */
export interface SinkSource {
  readonly sinks: () => readonly OperatedSink[];
}

const count = () => z.int().min(0);
const records = () => z.object({ records: count().describe("of the event log"), bytes: count() });

export const ReplayView = z.object({
  from: time().nullable().describe("events since then; null: as far as the log reaches back"),
  to: time().nullable().describe("events until then; null: until what the sink has had"),
  cars: z.array(z.string()).readonly().nullable().describe("null: all"),
  bytesPerSecond: count().describe("bytes of the log that are read a second at most"),
  startedAt: time(),
  state: z.enum(["running", "failing", "done", "cancelled"]),
  records: count().describe("of the log that stand in that span, those of other cars included"),
  passed: count().describe("those of them that are behind it"),
  trouble: z.string().nullable().describe("why the last delivery failed; null when none has"),
}).meta({ id: "ReplayView", description: "Events that a sink gets once more" });

export const ChannelView = z.object({
  name: z.string(),
  sent: count(),
  dropped: count().describe("not reported, or not in the sample"),
  failed: count().describe("lost to an expression that has failed"),
}).meta({ id: "ChannelView", description: "What has become of the events of a channel" });

export const SinkView = z.object({
  name: z.string(),
  target: z.string().describe("where it delivers to, without secrets"),
  state: z.enum(["idle", "delivering", "failing", "stopped"])
    .describe("idle: nothing waits; failing: what has failed is tried again"),
  lag: records().extend({
    seconds: z.number().min(0).describe("how long the oldest has waited"),
  }).describe("what waits for it"),
  delivered: records().describe("since the server started"),
  rate: records().describe("delivered a second, in the last ten"),
  missed: count().describe("records that were deleted or damaged before they were delivered"),
  missedBytes: count(),
  missedAt: time().nullable().describe("when that was noticed last; null: never"),
  failures: count().describe("since the last delivery"),
  trouble: z.string().nullable().describe("why the last delivery failed; null when none has"),
  failingSince: time().nullable(),
  nextAttemptAt: time().nullable().describe("null: none waits"),
  channels: z.array(ChannelView).readonly()
    .describe("since they are there: a reload that changes them begins anew"),
  undecoded: count().describe("payloads that a decoder could not read"),
  replay: ReplayView.nullable().describe("the last one; null: there was none"),
}).meta({ id: "SinkView", description: "A sink of events" });
export type SinkView = z.input<typeof SinkView>;

const Drained = z.object({
  sinks: z.array(z.object({
    name: z.string(),
    drained: z.boolean().describe("whether it has everything that the log had at the call"),
    lag: SinkView.shape.lag,
    trouble: SinkView.shape.trouble,
  })).readonly(),
}).meta({ id: "Drained" });

const MAX_CARS = 10_000;
const DRAIN_MS = 10_000;
const MAX_DRAIN_MS = 50_000;
/** Slow enough that neither cars nor what is new have to wait. */
const REPLAY_BYTES_PER_SECOND = 1_048_576;

const SINK = z.strictObject({ sink: z.string().describe("A sink of the configuration") });

/** The methods, for the list of a server or a gateway. */
export function sinkMethods<Source extends SinkSource>(): readonly Method<Source>[] {
  const define = defineFor<Source>();
  return [
    define({
      name: "sink.list",
      summary: "Where events are delivered to, and what waits for it",
      scope: "read",
      rest: { verb: "GET", path: "/api/v1/sinks" },
      result: z.array(SinkView).readonly(),
      run: (_, { sinks }) => sinks().map((sink) => sink.snapshot()),
    }),
    define({
      name: "export.drain",
      summary: "Deliver now what waits, without a pause after failures, and wait for it",
      scope: "operate",
      rest: { verb: "POST", path: "/api/v1/sinks/drain" },
      params: z.strictObject({
        sink: z.string().optional().describe("Absent: all"),
        timeoutMs: z.int().min(0).max(MAX_DRAIN_MS).optional().describe(
          `How long is waited, in ms; absent: ${DRAIN_MS}`,
        ),
      }),
      result: Drained,
      run: async ({ sink, timeoutMs = DRAIN_MS }, { sinks }) => {
        const wanted = sink === undefined ? sinks() : [sinkOf(sinks(), sink)];
        const drained = await Promise.all(wanted.map(async (one) => {
          const drained = await one.drain(timeoutMs);
          const { name, lag, trouble } = one.snapshot();
          return { name, drained, lag, trouble };
        }));
        return { sinks: drained };
      },
      outcome: ({ sinks }) =>
        sinks.map(({ name, drained, lag: { records } }) =>
          drained ? `${name} drained` : `${name}: ${records} records wait`
        ).join(", "),
    }),
    define({
      name: "export.replay",
      summary: "Deliver a part of the log once more, with the same ids, beside what is new",
      scope: "operate",
      rest: { verb: "POST", path: "/api/v1/sinks/{sink}/replay" },
      params: SINK.extend({
        from: z.int().min(0).optional().describe(
          "Milliseconds since the epoch; absent: as far as the log reaches back",
        ),
        to: z.int().min(0).optional().describe(
          "Milliseconds since the epoch; absent: until what the sink has had",
        ),
        cars: z.array(z.string()).min(1).max(MAX_CARS).optional().describe("Absent: all"),
        bytesPerSecond: z.int().min(1).optional().describe(
          `Bytes of the log that are read a second at most; absent: ${REPLAY_BYTES_PER_SECOND}`,
        ),
      }),
      result: SinkView,
      run: async ({ sink, from, to, cars, bytesPerSecond }, { sinks }) => {
        const one = sinkOf(sinks(), sink);
        const refused = await one.replay({
          from: from ?? null,
          to: to ?? null,
          cars: cars ?? null,
          bytesPerSecond: bytesPerSecond ?? REPLAY_BYTES_PER_SECOND,
        });
        if (refused !== null) throw new RpcError(RPC_ERRORS.UNAVAILABLE, refused);
        return one.snapshot();
      },
    }),
    define({
      name: "export.cancel_replay",
      summary: "End the replay of a sink",
      scope: "operate",
      rest: { verb: "POST", path: "/api/v1/sinks/{sink}/replay/cancel" },
      params: SINK,
      result: SinkView,
      run: async ({ sink }, { sinks }) => {
        const one = sinkOf(sinks(), sink);
        const refused = await one.cancelReplay();
        if (refused !== null) throw new RpcError(RPC_ERRORS.UNAVAILABLE, refused);
        return one.snapshot();
      },
    }),
  ];
}

/** What readiness says of sinks; they are no reason to take anything out of service. */
export function degradedSinks({ sinks }: SinkSource): string[] {
  const all = sinks().map((sink) => sink.snapshot());
  const failing = all.filter(({ state }) => state === "failing");
  return failing.length === 0 ? [] : [`${failing.length} of ${all.length} sinks take no events`];
}

function sinkOf(sinks: readonly OperatedSink[], name: string): OperatedSink {
  const sink = sinks.find((one) => one.name === name);
  if (sink !== undefined) return sink;
  const message = `Expected a sink of the configuration: found ${quote(name)}`;
  throw new RpcError(RPC_ERRORS.NO_SUCH_SINK, message);
}
