// The keys of what leaves the server: telemetry, incidents, the event log and its sinks.
import * as z from "zod";
import * as field from "./fields.ts";
import { channelKeys, channelSchema, decoderSchema } from "./channel_keys.ts";
import { key } from "./key.ts";
import {
  DURABILITIES,
  type MqttSinkConfig,
  type NatsSinkConfig,
  SINK_FORMATS,
  SINK_KINDS,
  type SinkConfig,
} from "../resolve/config.ts";

/** Metrics and traces for OpenTelemetry. */
export const OPENTELEMETRY = {
  endpoint: key(field.httpUrl(), {
    doc: "The collector, such as http://127.0.0.1:4318; /v1/metrics and /v1/traces are appended",
    takes: "restart",
    at: "opentelemetry.endpoint",
  }),
  authorization: key(field.filledText("a string").optional(), {
    doc: "The header Authorization of each request",
    takes: "restart",
    secret: true,
    at: "opentelemetry.authorization",
  }),
  authorization_file: key(field.filledText("the path of a file").optional(), {
    doc: "File with the header, instead of authorization; a newline at its end is dropped",
    takes: "restart",
  }),
  metrics_interval: key(field.seconds({ zero: true }).default(60), {
    doc: "Seconds from one sending of metrics to the next; 0: no metrics",
    takes: "restart",
    unit: "s",
    at: "opentelemetry.metricsIntervalMs",
    of: ({ opentelemetry }) => opentelemetry && opentelemetry.metricsIntervalMs / 1000,
  }),
  trace_ratio: key(field.share().default(0.01), {
    doc: "The share of statuses and commands that are traced, from 0 to 1; 0: no traces",
    takes: "restart",
    at: "opentelemetry.traceRatio",
  }),
};

/** Incidents for other systems. */
export const WEBHOOK = {
  url: key(field.httpUrl(), {
    doc: "Where the begin and the end of each incident are posted",
    takes: "restart",
    at: "webhook.url",
  }),
  secret: key(field.filledText("a string").optional(), {
    doc: "What requests are signed with (HMAC-SHA-256)",
    takes: "restart",
    secret: true,
    at: "webhook.secret",
  }),
  secret_file: key(field.filledText("the path of a file").optional(), {
    doc: "File with the secret, instead of secret; a newline at its end is dropped",
    takes: "restart",
  }),
};

/** What happened, on the disk. */
export const EVENT_LOG = {
  directory: key(field.filledText("the path of a directory"), {
    doc: "Directory of its segments, made when it is not there",
    takes: "restart",
    at: "eventLog.directory",
  }),
  durability: key(field.word(DURABILITIES).default("batch"), {
    doc:
      "batch: synced at most 0.2 s after it happened; each: a status is synced before it is answered",
    takes: "restart",
    at: "eventLog.durability",
  }),
  max_bytes: key(field.fileSize().default(10_737_418_240), {
    doc: "With more in all segments, the oldest is deleted; 0: never",
    takes: "restart",
    unit: "bytes",
    at: "eventLog.maxBytes",
  }),
  max_age_hours: key(field.count(0).default(720), {
    doc: "A segment that was last written to before that is deleted; 0: never",
    takes: "restart",
    unit: "h",
    at: "eventLog.maxAgeHours",
  }),
};

/** The sinks of the event log by name. */
export const sinksSchema = z.record(
  z.string(),
  z.strictObject({
    kind: field.word(SINK_KINDS, {
      kafka:
        "Kafka is left out, as it is not tried against a broker: bridge it from nats, mqtt or webhook",
    }).describe(
      "webhook: posted to a URL in batches; file: written to files; mqtt: published to a " +
        "broker; nats: published to a stream of JetStream",
    ),
    events: z.array(field.filledText("a kind of events, such as status or command.sent"), {
      error: "a list of kinds of events",
    }).optional().describe("Kinds of events that it gets, or what they begin with; all by default"),
    url: field.httpUrl().optional().describe("webhook: where batches are posted"),
    secret_file: field.filledText("the path of a file").optional()
      .describe("webhook: file with the secret that requests are signed with (HMAC-SHA-256)"),
    format: field.word(SINK_FORMATS).default("ndjson")
      .describe(
        "webhook: a batch as lines of JSON (ndjson), or as a JSON array (json); file: lines of JSON, or parquet",
      ),
    directory: field.filledText("the path of a directory").optional()
      .describe("file: directory of the files, made when it is not there"),
    max_bytes: field.fileSize().optional().describe(
      "file: with more, a new one is begun; 64 MiB by default. parquet: bytes of the log in a file, 4 MiB by default, 16 MiB at most",
    ),
    keep: field.count(0).default(0)
      .describe("file: full ones that are kept, the oldest is deleted; 0: all"),
    address: field.filledText("an address").optional().describe(
      "mqtt: the broker, such as mqtts://broker.test; nats: servers of one cluster, such as " +
        "nats://a.test,nats://b.test",
    ),
    topic: field.filledText("a topic").default("telemetry/{company}/{car}/{module}/{role}")
      .describe(
        "mqtt: where an event is published, with {company}, {car}, {module}, {type}, {role}, {name} " +
          "and {kind} of it",
      ),
    subject: field.filledText("a subject").default("telemetry.{company}.{car}.{module}.{role}")
      .describe("nats: where an event is published, as topic"),
    stream: field.filledText("the name of a stream").optional()
      .describe("nats: the stream that has to take it; any by default"),
    username: field.filledText("a string").optional().describe("mqtt, nats: name of the user"),
    password_file: field.filledText("the path of a file").optional()
      .describe("mqtt, nats: file with the user's password"),
    token_file: field.filledText("the path of a file").optional()
      .describe("nats: file with a token, instead of a user"),
    credentials_file: field.filledText("the path of a file").optional()
      .describe("nats: file with a JWT and its key, instead of a user"),
    ca_certs_file: field.filledText("the path of a PEM file").optional()
      .describe("mqtt, nats: certificates to trust, with an address that begins with mqtts or tls"),
    cert_file: field.filledText("the path of a PEM file").optional()
      .describe("mqtt, nats: client certificate; requires key_file"),
    key_file: field.filledText("the path of a PEM file").optional()
      .describe("mqtt, nats: private key of the client certificate"),
    max_in_flight: field.count(1).default(100)
      .describe("mqtt, nats: messages that wait for their acknowledgement at most"),
    resend_ms: field.count(0).default(10_000).describe(
      "mqtt: after a lost connection, what was acknowledged in the last so many ms before is sent " +
        "again, as a broker that dies loses what only it has; 0: nothing",
    ),
    batch_events: field.count(1).optional().describe(
      "Events of a batch at most, 500 by default; of a file of parquet, 50000",
    ),
    batch_ms: field.milliseconds().optional().describe(
      "How long an event waits for others, in ms, 1000 by default; for the file of parquet, 60000",
    ),
    bytes_per_second: field.fileSize().default(0)
      .describe("Bytes of the log that are delivered a second at most; 0: unlimited"),
    decoders: z.record(z.string(), decoderSchema).optional()
      .describe("How payloads are read, by module number, for its channels; requires channels"),
    channels: z.record(z.string(), channelSchema).optional().describe(
      "What goes to it, and how, by name: an event goes through the first that takes it; without any, all events do",
    ),
  }),
).meta({ id: "sinks", propertyNames: { pattern: "^[A-Za-z0-9_.-]{1,64}$" } });

/** A sink as written in a document. */
export function sinkKeys(sink: SinkConfig) {
  const { kind, events, batchEvents, batchMs, bytesPerSecond } = sink;
  return {
    kind,
    ...(events && { events }),
    ...ownKeys(sink),
    batch_events: batchEvents,
    batch_ms: batchMs,
    bytes_per_second: bytesPerSecond,
    ...channelKeys(sink),
  };
}

function ownKeys(sink: SinkConfig) {
  switch (sink.kind) {
    case "webhook":
      return { url: sink.url, secret_file: sink.secretFile, format: sink.format };
    case "file": {
      const { format, directory, maxBytes, keep } = sink;
      return { format, directory, max_bytes: maxBytes, keep };
    }
    case "mqtt":
      return { topic: sink.topic, resend_ms: sink.resendMs, ...connectionKeys(sink) };
    case "nats": {
      const { subject, stream, tokenFile, credentialsFile } = sink;
      return {
        subject,
        ...(stream === undefined ? {} : { stream }),
        ...(tokenFile === undefined ? {} : { token_file: tokenFile }),
        ...(credentialsFile === undefined ? {} : { credentials_file: credentialsFile }),
        ...connectionKeys(sink),
      };
    }
  }
}

function connectionKeys(
  { address, username, passwordFile, caFile, certFile, keyFile, maxInFlight }:
    | MqttSinkConfig
    | NatsSinkConfig,
) {
  return {
    address,
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password_file: passwordFile }),
    ...(caFile === undefined ? {} : { ca_certs_file: caFile }),
    ...(certFile === undefined ? {} : { cert_file: certFile }),
    ...(keyFile === undefined ? {} : { key_file: keyFile }),
    max_in_flight: maxInFlight,
  };
}
