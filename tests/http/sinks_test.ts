// Sinks in API, metrics, readiness and page.
import assert from "node:assert/strict";
import type { SinkSnapshot } from "../../src/export/snapshot.ts";
import { lagText, replayText, troubleText } from "../../src/http/page/static/sink_cards.js";
import type { OperatedSink } from "../../src/http/api/sinks.ts";
import { keyHash } from "../../src/config/resolve/http.ts";
import { waitFor } from "../support/wait.ts";
import { chromiumTest } from "./browser.ts";
import { Fixture } from "./fixture.ts";
import { PageServer, someCar } from "./page_server.ts";

/** A sink that does well, with what a test wants different. */
function someSink(different: Partial<SinkSnapshot> = {}): SinkSnapshot {
  return {
    name: "lake",
    target: "https://lake.test",
    state: "idle",
    lag: { records: 0, bytes: 0, seconds: 0 },
    delivered: { records: 100, bytes: 20_000 },
    rate: { records: 10, bytes: 2048 },
    missed: 0,
    missedBytes: 0,
    missedAt: null,
    failures: 0,
    trouble: null,
    failingSince: null,
    nextAttemptAt: null,
    channels: [],
    undecoded: 0,
    replay: null,
    ...different,
  };
}

const FAILING = {
  state: "failing",
  lag: { records: 12, bytes: 3200, seconds: 8.2 },
  failures: 3,
  trouble: "connection refused",
  failingSince: 1_000,
  nextAttemptAt: 9_000,
} as const;

/** A sink that remembers what it was asked for. */
class FakeSink implements OperatedSink {
  readonly name: string;
  readonly asked: unknown[] = [];
  now: Partial<SinkSnapshot> = {};
  refusal: string | null = null;

  constructor(name: string) {
    this.name = name;
  }

  snapshot(): SinkSnapshot {
    return someSink({ name: this.name, ...this.now });
  }

  drain(timeoutMs: number): Promise<boolean> {
    this.asked.push(timeoutMs);
    return Promise.resolve(this.now.lag === undefined);
  }

  replay(order: unknown): Promise<string | null> {
    this.asked.push(order);
    return Promise.resolve(this.refusal);
  }

  cancelReplay(): Promise<string | null> {
    this.asked.push("cancel");
    return Promise.resolve(this.refusal);
  }
}

Deno.test("export.drain and export.replay act on sinks by name, and stand in the audit list", async () => {
  const [lake, archive] = [new FakeSink("lake"), new FakeSink("archive")];
  await using fixture = await Fixture.start({ sinks: () => [lake, archive] });
  fixture.up();
  archive.now = FAILING;
  const listed = await fixture.json<SinkSnapshot[]>("/api/v1/sinks");
  assert.deepEqual(listed.map(({ name, state }) => [name, state]), [
    ["lake", "idle"],
    ["archive", "failing"],
  ]);
  const { result } = await fixture.rpc("export.drain", { timeoutMs: 5 });
  assert.deepEqual(result.sinks, [
    { name: "lake", drained: true, lag: someSink().lag, trouble: null },
    { name: "archive", drained: false, lag: FAILING.lag, trouble: "connection refused" },
  ]);
  await fixture.rpc("export.drain", { sink: "lake" });
  assert.deepEqual([lake.asked, archive.asked], [[5, 10_000], [5]]);
  const post = { method: "POST", headers: { "content-type": "application/json" } };
  const body = JSON.stringify({ from: 5, cars: ["car_a"], bytesPerSecond: 9 });
  const answer = await fixture.get("/api/v1/sinks/archive/replay", { ...post, body });
  assert.equal(answer.status, 200);
  assert.equal((await answer.json() as SinkSnapshot).name, "archive");
  assert.deepEqual(archive.asked.at(-1), {
    from: 5,
    to: null,
    cars: ["car_a"],
    bytesPerSecond: 9,
  });
  await fixture.rpc("export.cancel_replay", { sink: "archive" });
  assert.equal(archive.asked.at(-1), "cancel");
  archive.refusal = "Expected no replay";
  const refused = await fixture.get("/api/v1/sinks/archive/replay/cancel", post);
  assert.equal(refused.status, 503);
  assert.equal((await refused.json()).detail, "Expected no replay");
  const missing = await fixture.rpc("export.replay", { sink: "none" });
  assert.equal(missing.error?.code, -32006);
  assert.match(
    missing.error?.message ?? "",
    /^Expected a sink of the configuration: found "none"$/,
  );
  const { result: audit } = await fixture.rpc("audit.list", {});
  const told = audit.map((one: Record<string, unknown>) => [one["action"], one["result"]]);
  assert.deepEqual(told.slice(-3), [
    ["export.replay", "done"],
    ["export.drain", "lake drained"],
    ["export.drain", "lake drained, archive: 12 records wait"],
  ]);
  const replayed = audit.filter((one: { action: string }) => one.action === "export.replay");
  assert.deepEqual(replayed.at(-1).cars, ["car_a"]);
});

Deno.test("only keys of the scope operate act on sinks", async () => {
  const lake = new FakeSink("lake");
  const key = "0123456789abcdeg";
  const keys = [{ name: "eye", scope: "read" as const, hash: keyHash(key) }];
  await using fixture = await Fixture.start({ sinks: () => [lake], http: { keys } });
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "export.drain" });
  const headers = { "x-api-key": key, "content-type": "application/json" };
  const answer = await fixture.bare("/rpc", { method: "POST", body, headers });
  assert.equal((await answer.json()).error.code, -32003);
  assert.deepEqual(lake.asked, []);
});

Deno.test("a sink that fails degrades readiness, and metrics tell what it has missed", async () => {
  const lake = new FakeSink("lake");
  await using fixture = await Fixture.start({ sinks: () => [lake, new FakeSink("archive")] });
  fixture.up();
  lake.now = { ...FAILING, missed: 7, missedBytes: 700, missedAt: 5 };
  const ready = await fixture.json<{ degraded: string[] }>("/readyz");
  assert.ok(ready.degraded.includes("1 of 2 sinks take no events"));
  const metrics = await (await fixture.get("/metrics")).text();
  assert.match(metrics, /^external_server_sink_missed_records_total\{sink="lake"\} 7$/m);
  assert.match(metrics, /^external_server_sink_missed_bytes_total\{sink="lake"\} 700$/m);
  assert.match(metrics, /^external_server_sink_failures\{sink="lake"\} 3$/m);
  assert.match(metrics, /^external_server_sink_lag_bytes\{sink="archive"\} 0$/m);
});

Deno.test("texts of a sink say what waits, what fails and how far a replay is", () => {
  assert.equal(lagText(someSink().lag), "nothing");
  const lag = { records: 1, bytes: 3200, seconds: 8.2 };
  assert.equal(lagText(lag).replaceAll("\u00a0", " "), "1 record, 3.1 KiB, the oldest for 8 s");
  assert.equal(troubleText(someSink(), 0), "");
  assert.match(
    troubleText(someSink(FAILING), 4_000).replaceAll("\u00a0", " "),
    /^connection refused \(3 failures since [\d:]+, next attempt in 5 s\)$/,
  );
  assert.match(troubleText(someSink({ ...FAILING, nextAttemptAt: null }), 0), /, trying now\)$/);
  assert.equal(replayText(null, 0), "");
  const replay = {
    from: null,
    to: null,
    cars: ["car_1"],
    bytesPerSecond: 1,
    startedAt: 0,
    state: "running",
    records: 300,
    passed: 100,
    trouble: null,
  } as const;
  assert.equal(replayText(replay, 0), "running, 100 of 300 records (33 %), of car_1");
});

chromiumTest("page shows each sink, and operators deliver at once or once more", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start([someCar("car_1")]);
  const list = (...sinks: readonly SinkSnapshot[]) =>
    server.answers.set("sink.list", { result: sinks });
  list(
    someSink(),
    someSink({ name: "archive", ...FAILING, missed: 7, missedBytes: 1, missedAt: 5 }),
  );
  server.answers.set("export.drain", {
    result: { sinks: [{ name: "lake", drained: true, lag: someSink().lag, trouble: null }] },
  });
  server.answers.set("export.replay", { error: { code: -32002, message: "One is running" } });
  await page.goto(server.url);
  await page.getByRole("link", { name: "Sinks" }).click();
  await page.getByText("connection refused (3 failures").waitFor();
  await page.getByText("7 records, 1\u00a0B, deleted before they were delivered").waitFor();
  assert.deepEqual(await tab.violations(), []);
  const actions = page.getByRole("group", { name: "Actions on lake" });
  await actions.getByRole("button", { name: "Deliver now" }).click();
  await page.getByText("Everything is delivered.").waitFor();
  await actions.getByRole("button", { name: "Deliver again" }).click();
  await page.getByLabel("Of the last hours").fill("0,5");
  await page.getByLabel("Cars, by commas").fill("car_1, car_2");
  const before = Date.now();
  await page.getByRole("dialog").getByRole("button", { name: "Deliver again" }).click();
  await page.getByText("One is running").waitFor();
  const call = server.calls.find(({ method }) => method === "export.replay");
  const { from, ...others } = call?.params as { readonly from: number };
  assert.deepEqual(others, { sink: "lake", cars: ["car_1", "car_2"] });
  assert.ok(from >= before - 1_800_000 && from <= Date.now() - 1_800_000);
  // The focus stays in place while figures change.
  const button = actions.getByRole("button", { name: "Deliver now" });
  await button.focus();
  list(someSink({ lag: { records: 3, bytes: 900, seconds: 1 }, state: "delivering" }));
  await page.getByText("3 records, 900\u00a0B").waitFor();
  assert.ok(await button.evaluate((element) => element === document.activeElement));
  const passes = await waitFor(
    () => server.calls.filter(({ method }) => method === "sink.list").length > 1,
    "another look",
  );
  assert.ok(passes);
  server.scope = "read";
  await page.reload();
  await page.getByText("3 records, 900\u00a0B").waitFor();
  assert.equal(await page.getByRole("button", { name: "Deliver now" }).isVisible(), false);
  assert.deepEqual(tab.complaints, []);
});
