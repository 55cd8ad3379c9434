// Where events are exported to: the section sinks.
import assert from "node:assert/strict";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import { documented, failure, lines, load } from "./support.ts";

const LOG = { event_log: { directory: "events" }, state_dir: "state" };
const HOOK = { kind: "webhook", url: "https://hook.example/x", secret_file: "password" };
const MQTT = { kind: "mqtt", address: "mqtt://127.0.0.1" };
const NATS = { kind: "nats", address: "nats://127.0.0.1" };

Deno.test("sinks are resolved with their defaults, and written as they are read", () => {
  const sinks = {
    hook: { ...HOOK, events: ["status", "command.sent"], format: "json", bytes_per_second: 5 },
    archive: { kind: "file", directory: "archive", keep: 7, batch_ms: 0.5 },
    broker: {
      kind: "mqtt",
      address: "mqtts://broker.test",
      username: "sink",
      password_file: "password",
    },
    stream: { kind: "nats", address: "nats://127.0.0.1:4222", stream: "cars", max_in_flight: 1 },
  };
  const { config } = load(documented({ ...LOG, sinks }));
  assert.deepEqual(config.sinks, [
    {
      kind: "webhook",
      name: "hook",
      events: ["status", "command.sent"],
      url: "https://hook.example/x",
      secretFile: "/srv/password",
      format: "json",
      batchEvents: 500,
      batchMs: 1000,
      bytesPerSecond: 5,
    },
    {
      kind: "file",
      name: "archive",
      format: "ndjson",
      directory: "/srv/archive",
      maxBytes: 67_108_864,
      keep: 7,
      batchEvents: 500,
      batchMs: 1,
      bytesPerSecond: 0,
    },
    {
      kind: "mqtt",
      name: "broker",
      address: "mqtts://broker.test",
      topic: "telemetry/{company}/{car}/{module}/{role}",
      resendMs: 10_000,
      username: "sink",
      passwordFile: "/srv/password",
      maxInFlight: 100,
      batchEvents: 500,
      batchMs: 1000,
      bytesPerSecond: 0,
    },
    {
      kind: "nats",
      name: "stream",
      address: "nats://127.0.0.1:4222",
      subject: "telemetry.{company}.{car}.{module}.{role}",
      stream: "cars",
      maxInFlight: 1,
      batchEvents: 500,
      batchMs: 1000,
      bytesPerSecond: 0,
    },
  ]);
  assert.deepEqual(load(effectiveDocument(config, { showSecrets: true })).config, config);
  assert.equal(load(documented({ ...LOG, sinks: {} })).config.sinks, undefined);
  assert.equal(load(documented(LOG)).config.sinks, undefined);
});

Deno.test("sinks are refused with the key and the reason", () => {
  type Case = [Record<string, unknown>, RegExp[]];
  const cases: Case[] = [
    [{ sinks: { hook: HOOK } }, [/^event_log: .*found nothing$/, /^state_dir: .*found nothing$/]],
    [{ ...LOG, sinks: { hook: { kind: "webhook" } } }, [
      /^sinks\.hook\.url: Expected it for a sink of the kind "webhook": found nothing$/,
      /^sinks\.hook\.secret_file: Expected it for/,
    ]],
    [{ ...LOG, sinks: { hook: { ...HOOK, secret_file: "none" } } }, [
      /^sinks\.hook\.secret_file: Expected an existing file/,
    ]],
    [{ ...LOG, sinks: { a: { kind: "file" } } }, [/^sinks\.a\.directory: Expected it for/]],
    [{ ...LOG, sinks: { a: { kind: "paper" } } }, [/^sinks\.a\.kind: Expected one of "webhook", /]],
    [{ ...LOG, sinks: { a: { kind: "kafka" } } }, [
      /^sinks\.a\.kind: Expected one of "webhook", .*"nats" \(Kafka is left out, .* nats, mqtt or webhook\): found the string "kafka"$/,
    ]],
    [{ ...LOG, sinks: { a: { kind: "mqtt" } } }, [/^sinks\.a\.address: Expected it for/]],
    [{ ...LOG, sinks: { a: { ...MQTT, address: "http://a" } } }, [
      /^sinks\.a\.address: Expected an address that begins with mqtt:/,
    ]],
    [{ ...LOG, sinks: { a: { ...MQTT, topic: "t/{care}" } } }, [
      /^sinks\.a\.topic: Expected no names but \{company\}, \{car\}, .*: found the string "\{care\}"$/,
    ]],
    ...["t/{car", "t/car}", "t/{{car}", "t/{car}}"].map((topic) => {
      const sinks = { a: { ...MQTT, topic } };
      return [{ ...LOG, sinks }, [/^sinks\.a\.topic: Expected braces in pairs: found/]] as Case;
    }),
    ...["t/+/{car}", "t/#", "t/\u0000", "$SYS/{car}"].map((topic) => {
      const sinks = { a: { ...MQTT, topic } };
      return [{ ...LOG, sinks }, [/^sinks\.a\.topic: Expected a topic (?:without|that)/]] as Case;
    }),
    ...["t.*", "t.>", "t..{car}", "t.{car}.", "a b", "$JS.{car}"].map((subject) => {
      const sinks = { a: { ...NATS, subject } };
      return [{ ...LOG, sinks }, [/^sinks\.a\.subject: Expected a subject /]] as Case;
    }),
    ...["nats://a:b@c", "http://a", "nats://a,", "a:4222", "nats://a,tls://b"].map((address) => {
      const sinks = { a: { ...NATS, address } };
      return [{ ...LOG, sinks }, [/^sinks\.a\.address: Expected addresses that begin/]] as Case;
    }),
    [{ ...LOG, sinks: { a: { ...MQTT, password_file: "password", key_file: "x" } } }, [
      /^sinks\.a\.username: Expected a string, as there is a password_file/,
      /^sinks\.a\.key_file: Expected it with an address that begins with mqtts/,
      /^sinks\.a\.cert_file: Expected it beside key_file: found nothing$/,
    ]],
    [{ ...LOG, sinks: { a: { ...NATS, username: "x", token_file: "password" } } }, [
      /^sinks\.a\.username: Expected one of username, token_file and credentials_file/,
    ]],
    [{ ...LOG, sinks: { "a b": HOOK } }, [/^sinks\["a b"\]: Expected a name of 1 to 64 letters/]],
    [{ ...LOG, sinks: { a: { ...HOOK, events: "status" } } }, [
      /^sinks\.a\.events: Expected a list/,
    ]],
  ];
  for (const [more, expected] of cases) {
    const problems = lines(failure(documented(more)).problems);
    assert.equal(problems.length, expected.length, problems.join("\n"));
    for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? "", pattern);
  }
});

Deno.test("a file of Parquet is one batch, which has its own limits", () => {
  const archive = { kind: "file", format: "parquet", directory: "archive" };
  const { config } = load(documented({ ...LOG, sinks: { archive } }));
  assert.deepEqual(config.sinks, [{
    kind: "file",
    name: "archive",
    format: "parquet",
    directory: "/srv/archive",
    maxBytes: 4_194_304,
    keep: 0,
    batchEvents: 50_000,
    batchMs: 60_000,
    bytesPerSecond: 0,
  }]);
  assert.deepEqual(load(effectiveDocument(config, { showSecrets: true })).config, config);
  const refused: [Record<string, unknown>, RegExp][] = [
    [{ ...archive, max_bytes: 16_777_217 }, /^sinks\.a\.max_bytes: Expected from 1 to 16777216 /],
    [
      { ...archive, format: "json" },
      /^sinks\.a\.format: Expected "ndjson" or "parquet" for .*"json"/,
    ],
    [
      { ...HOOK, format: "parquet" },
      /^sinks\.a\.format: Expected "ndjson" or "json" for .*"parquet"/,
    ],
  ];
  for (const [sink, expected] of refused) {
    const problems = lines(failure(documented({ ...LOG, sinks: { a: sink } })).problems);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", expected);
  }
});

Deno.test("channels and decoders are resolved in their order, and written as they are read", () => {
  const archive = {
    kind: "file",
    directory: "archive",
    decoders: {
      7: { kind: "json" },
      8: { kind: "protobuf", descriptor_file: "bus.desc", messages: { 1: "acme.Status" } },
    },
    channels: {
      fast: { where: "decoded.speed > 10.0", map: "id", example: { decoded: { speed: 1 } } },
      rest: {
        events: ["status"],
        report: { when: "change-or-period", period_ms: 60_000, fields: { speed: 0.5 } },
        sample: { one_in: 10 },
      },
      share: { sample: { share: 0.1 } },
    },
  };
  const { config } = load(documented({ ...LOG, sinks: { archive } }));
  const [sink] = config.sinks ?? [];
  assert.deepEqual(sink?.channels, [
    {
      name: "fast",
      where: "decoded.speed > 10.0",
      report: { when: "received", periodMs: 0 },
      map: "id",
      example: { decoded: { speed: 1 } },
    },
    {
      name: "rest",
      events: ["status"],
      report: { when: "change-or-period", periodMs: 60_000, fields: { speed: 0.5 } },
      sample: { oneIn: 10 },
    },
    { name: "share", report: { when: "received", periodMs: 0 }, sample: { share: 0.1 } },
  ]);
  assert.deepEqual(sink?.decoders, {
    7: { kind: "json" },
    8: {
      kind: "protobuf",
      descriptorFile: "/srv/bus.desc",
      messages: { 1: "acme.Status" },
      commands: {},
    },
  });
  assert.deepEqual(load(effectiveDocument(config, { showSecrets: true })).config, config);
});

Deno.test("channels and decoders are refused with the key and the reason", () => {
  const file = { kind: "file", directory: "archive" };
  const channels = { all: {} };
  const cases: [Record<string, unknown>, RegExp[]][] = [
    [{ channels: {} }, [/^sinks\.a\.channels: Expected at least one channel: found none$/]],
    [{ channels: { 7: {} } }, [/^sinks\.a\.channels\.7: Expected a letter, .*: found "7"$/]],
    [{ decoders: { 7: { kind: "json" } } }, [/^sinks\.a\.channels: Expected channels, which/]],
    [{ channels, decoders: { x: { kind: "json" } } }, [/decoders\.x: Expected the number of a/]],
    [{ channels, decoders: { 7: { kind: "xml" } } }, [/decoders\.7\.kind: Expected one of "json"/]],
    [{ channels, decoders: { 7: { kind: "protobuf" } } }, [/7\.descriptor_file: Expected it for/]],
    [
      {
        channels,
        decoders: { 7: { kind: "protobuf", descriptor_file: "bus.desc", messages: { x: "y" } } },
      },
      [/decoders\.7\.messages\.x: Expected a device type: found "x"$/],
    ],
    [{ channels: { all: { where: "" } } }, [/channels\.all\.where: Expected an expression in CEL/]],
    [{ channels: { all: { report: { when: "period" } } } }, [
      /channels\.all\.report\.period_ms: Expected a period of at least 1 ms for "period": found 0$/,
    ]],
    [{ channels: { all: { sample: {} } } }, [/all\.sample: Expected either .*: found neither$/]],
    [{ channels: { all: { sample: { one_in: 2, share: 0.5 } } } }, [/sample: .*: found both$/]],
    [{ channels: { all: { report: { when: "change", fields: { x: -1 } } } } }, [
      /channels\.all\.report\.fields\.x: Expected a number, 0 or more: found the number -1$/,
    ]],
  ];
  for (const [more, expected] of cases) {
    const document = documented({ ...LOG, sinks: { a: { ...file, ...more } } });
    const problems = lines(failure(document).problems);
    assert.equal(problems.length, expected.length, problems.join("\n"));
    for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? "", pattern);
  }
});
