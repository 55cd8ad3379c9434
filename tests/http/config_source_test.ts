// A configuration that is pulled, in API, metrics and page.
import assert from "node:assert/strict";
import { sourceLines } from "../../src/http/page/static/config_page.js";
import type { OperatedSource } from "../../src/http/api/config_source.ts";
import type { ConfigSourceView } from "../../src/http/api/config_source.ts";
import { Fixture } from "./fixture.ts";
import { someSource } from "./some_source.ts";

/** A source that remembers who held what. */
class FakeSource implements OperatedSource {
  now = someSource();
  readonly pins: unknown[] = [];

  view() {
    return this.now;
  }

  pin(to: unknown, by: string): Promise<boolean> {
    this.pins.push([to, by]);
    return Promise.resolve(to !== "previous");
  }
}

Deno.test("config.source says what is in use and why, and so do metrics", async () => {
  const configSource = new FakeSource();
  await using fixture = await Fixture.start({ configSource });
  fixture.up();
  assert.deepEqual(await fixture.json<ConfigSourceView>("/api/v1/config/source"), someSource());
  const metrics = await (await fixture.get("/metrics")).text();
  const hash = "1".repeat(64);
  for (
    const line of [
      `external_server_config_live{origin="cache",version="7",hash="${hash}"} 1`,
      "external_server_config_age_seconds 61",
      "external_server_config_on_probation 0",
      "external_server_config_refused 1",
      "external_server_config_pull_failures 2",
    ]
  ) assert.ok(metrics.split("\n").includes(line), `${line}\n${metrics}`);
});

Deno.test("config.pin holds a configuration for an operator, and stands in the audit list", async () => {
  const configSource = new FakeSource();
  await using fixture = await Fixture.start({ configSource });
  fixture.up();
  assert.deepEqual((await fixture.rpc("config.pin", { to: "good" })).result, someSource());
  await fixture.rpc("config.pin", { to: null });
  const refused = await fixture.rpc("config.pin", { to: "previous" });
  assert.match(refused.error?.message ?? "", /^There is no such configuration: previous$/);
  assert.deepEqual(configSource.pins, [
    ["good", "api_key"],
    [null, "api_key"],
    ["previous", "api_key"],
  ]);
  const { result: audit } = await fixture.rpc("audit.list", {});
  const told = audit.map((one: Record<string, unknown>) => [one["action"], one["detail"]]);
  assert.deepEqual(told.slice(-1), [["config.pin", 'to "good"']]);
});

Deno.test("without a source there is nothing to hold, and no metric of it", async () => {
  await using fixture = await Fixture.start();
  fixture.up();
  assert.equal(await fixture.json("/api/v1/config/source"), null);
  const refused = await fixture.rpc("config.pin", { to: "good" });
  assert.equal(refused.error?.message, "The configuration is not pulled");
  const metrics = await (await fixture.get("/metrics")).text();
  assert.doesNotMatch(metrics, /^external_server_config_\w+[{ ]/m);
});

Deno.test("the page says what is in use, on probation and held, in words", () => {
  const { live, good } = someSource();
  const trial = {
    hash: "2".repeat(64),
    version: null,
    phase: "canary",
    endsAt: null,
    running: 1,
    runningBefore: 2,
  } as const;
  const pin = { hash: live?.hash ?? "", by: "desk", at: 5000 };
  const lines = new Map(sourceLines(someSource({ trial, pin }), 10_000));
  assert.equal(lines.get("In use"), "version 7 (111111111111)");
  assert.equal(lines.get("From"), "the cache, the last good one");
  assert.equal(lines.get("Because"), live?.why);
  assert.equal(
    lines.get("On probation"),
    "222222222222 with its canary: 1 RUNNING, before 2",
  );
  assert.match(lines.get("Held") ?? "", /^111111111111 by desk, /);
  assert.equal(lines.get("Last good"), `version ${good?.version} (111111111111)`);
  assert.match(lines.get("Last look") ?? "", /: https:\/\/config.example: it answered with 500$/);
});
