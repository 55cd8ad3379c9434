// The keys of what goes to a sink, and how: its decoders and channels.
import * as z from "zod";
import * as field from "./fields.ts";
import type { ChannelConfig, DecoderConfig, DecoderKind, Report } from "../../channel/mod.ts";
import type { SinkConfig } from "../resolve/config.ts";

const DECODERS = ["json", "protobuf", "text", "base64"] as const satisfies readonly DecoderKind[];
const REPORTS = [
  "received",
  "change",
  "period",
  "change-or-period",
] as const satisfies readonly Report[];

const messageNames = () => z.record(z.string(), field.filledText("the name of a message"));

export const decoderSchema = z.strictObject({
  kind: field.word(DECODERS).describe("How the payloads of the module are read"),
  descriptor_file: field.filledText("the path of a file").optional()
    .describe("protobuf: set of descriptors, as protoc --descriptor_set_out writes it"),
  messages: messageNames().optional()
    .describe("protobuf: full name of the message of a status, by device type"),
  commands: messageNames().optional()
    .describe("protobuf: full name of the message of a command, by device type"),
}).meta({ id: "decoder" });

const reportSchema = z.strictObject({
  when: field.word(REPORTS).default("received").describe(
    "Each event, only one that differs from the last one of its device, one a period, or both",
  ),
  period_ms: field.wholeMilliseconds().default(0)
    .describe("From one event of a device to the next, in ms"),
  fields: z.record(z.string(), field.atLeastZero()).optional().describe(
    "What is compared: paths in the decoded payload, each with its dead-band, in which a number counts as the same; the whole payload by default",
  ),
});

const sampleSchema = z.strictObject({
  one_in: field.count(1).optional().describe("One event in so many of a device"),
  share: field.share().optional().describe(
    "A share of all events, from 0 to 1, chosen by their ids",
  ),
});

export const channelSchema = z.strictObject({
  events: z.array(field.filledText("a kind of events, such as status or command.sent"), {
    error: "a list of kinds of events",
  }).optional().describe("Kinds of events that it takes, or what they begin with; all by default"),
  where: field.filledText("an expression in CEL").optional()
    .describe("CEL: whether it takes an event; the next channel is asked about others"),
  report: reportSchema.optional().describe("Which events are reported; each by default"),
  sample: sampleSchema.optional().describe("Which of them are sent; each by default"),
  map: field.filledText("an expression in JSONata").optional()
    .describe("JSONata: what is sent instead of the event; nothing is where it has no result"),
  example: z.record(z.string(), z.unknown()).optional().describe(
    "Parts of an event that the expressions are tried on when the configuration is read",
  ),
}).meta({ id: "channel" });

/** Decoders and channels as written in a document. */
export function channelKeys({ decoders, channels }: SinkConfig) {
  return {
    ...(decoders && { decoders: mapValues(decoders, decoderKeys) }),
    ...(channels && {
      channels: Object.fromEntries(
        channels.map((channel) => [channel.name, channelDocument(channel)]),
      ),
    }),
  };
}

function mapValues<From, To>(from: Readonly<Record<string, From>>, map: (one: From) => To) {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, map(value)]));
}

function decoderKeys(decoder: DecoderConfig) {
  if (decoder.kind !== "protobuf") return { kind: decoder.kind };
  const { kind, descriptorFile, messages, commands } = decoder;
  return { kind, descriptor_file: descriptorFile, messages, commands };
}

function channelDocument({ events, where, report, sample, map, example }: ChannelConfig) {
  const { when, periodMs, fields } = report;
  return {
    ...(events && { events }),
    ...(where && { where }),
    report: { when, period_ms: periodMs, ...(fields && { fields }) },
    ...(sample && { sample: "oneIn" in sample ? { one_in: sample.oneIn } : sample }),
    ...(map && { map }),
    ...(example && { example }),
  };
}
