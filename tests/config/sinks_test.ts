// Where events are exported to: the section sinks.
import assert from "node:assert/strict";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import { documented, failure, lines, load } from "./support.ts";

const LOG = { event_log: { directory: "events" }, state_dir: "state" };
const HOOK = { kind: "webhook", url: "https://hook.example/x", secret_file: "password" };

Deno.test("sinks are resolved with their defaults, and written as they are read", () => {
  const sinks = {
    hook: { ...HOOK, events: ["status", "command.sent"], format: "json", bytes_per_second: 5 },
    archive: { kind: "file", directory: "archive", keep: 7, batch_ms: 0.5 },
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
      directory: "/srv/archive",
      maxBytes: 67_108_864,
      keep: 7,
      batchEvents: 500,
      batchMs: 1,
      bytesPerSecond: 0,
    },
  ]);
  assert.deepEqual(load(effectiveDocument(config, { showSecrets: true })).config, config);
  assert.equal(load(documented({ ...LOG, sinks: {} })).config.sinks, undefined);
  assert.equal(load(documented(LOG)).config.sinks, undefined);
});

Deno.test("sinks are refused with the key and the reason", () => {
  const cases: [Record<string, unknown>, RegExp[]][] = [
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
