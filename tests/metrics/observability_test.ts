// examples/observability: what it asks Prometheus for exists, and Prometheus takes it.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { FAMILIES } from "../../src/observe/metric_families.ts";
import { PREFIX } from "../../src/observe/metrics.ts";
import { FRONT } from "../car/support.ts";
import { Fixture, TestGateway } from "../http/fixture.ts";
import { needsPromtool, promtool } from "../support/promtool.ts";
import { TempFolder } from "../support/temp.ts";

const FOLDER = fileURLToPath(new URL("../../examples/observability/", import.meta.url));
const ignore = needsPromtool !== false;
const skipped = needsPromtool ? ` [skipped: no ${needsPromtool}]` : "";

const read = (file: string) => Deno.readTextFile(FOLDER + file);

/** Every name of a family, with what histograms add. */
function names(): Set<string> {
  return new Set(FAMILIES.flatMap(({ name, type }) => {
    const ends = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    return ends.map((end) => PREFIX + name + end);
  }));
}

for (const file of ["alerts.yml", "alerts_test.yml", "dashboard.json", "README.md"]) {
  Deno.test(`${file} names only metrics that exist`, async () => {
    const known = names();
    const used = [...(await read(file)).matchAll(/\bexternal_server_\w+/g)].map(([name]) => name);
    assert.ok(used.length > 1);
    assert.deepEqual(used.filter((name) => !known.has(name)), []);
  });
}

Deno.test("dashboard.json is a dashboard whose panels do not overlap", async () => {
  interface Panel {
    readonly title: string;
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; h: number };
    readonly targets: readonly { readonly expr: string }[];
  }
  const { panels } = JSON.parse(await read("dashboard.json")) as { readonly panels: Panel[] };
  assert.ok(panels.length >= 10);
  const taken = new Set<string>();
  for (const { title, gridPos: { x, y, w, h }, targets } of panels) {
    assert.ok(targets.every(({ expr }) => expr.includes("$instance")), title);
    assert.ok(x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let row = y; row < y + h; row++) {
        assert.ok(!taken.has(`${column} ${row}`), title);
        taken.add(`${column} ${row}`);
      }
    }
  }
});

Deno.test({
  name: `promtool accepts the alert rules, ten of them${skipped}`,
  ignore,
  async fn() {
    assert.match(await promtool(["check", "rules", "alerts.yml"], FOLDER), /SUCCESS: 10 rules/);
  },
});

Deno.test({
  name: `promtool finds that each alert fires when it should, and only then${skipped}`,
  ignore,
  async fn() {
    assert.match(await promtool(["test", "rules", "alerts_test.yml"], FOLDER), /SUCCESS/);
    // Every rule is one of those that the test expects to fire.
    const alerts = [...(await read("alerts.yml")).matchAll(/alert: (\w+)/g)];
    const tests = await read("alerts_test.yml");
    for (const [, name = ""] of alerts) assert.ok(tests.includes(`alertname="${name}"`), name);
  },
});

Deno.test({
  name: `promtool accepts the scrape example, and every query of the dashboard${skipped}`,
  ignore,
  async fn() {
    await using folder = await TempFolder.make();
    for (const file of ["alerts.yml", "prometheus.yml"]) await folder.write(file, await read(file));
    await folder.write("api_key", "0123456789abcdef\n");
    const said = await promtool(["check", "config", "prometheus.yml"], folder.path);
    assert.match(said, /prometheus\.yml is valid/);
    const queries = [...(await read("dashboard.json")).matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)];
    const rules = queries.map(([, text = ""], index) => {
      const query = (JSON.parse(text) as string).replaceAll("$__rate_interval", "5m");
      return `  - record: query:${index}\n    expr: ${JSON.stringify(query)}`;
    });
    const groups = `groups:\n- name: dashboard\n  rules:\n${rules.join("\n")}\n`;
    const file = await folder.write("queries.yml", groups);
    const checked = await promtool(["check", "rules", file], folder.path);
    assert.match(checked, new RegExp(`SUCCESS: ${queries.length} rules`));
  },
});

Deno.test({
  name: `promtool finds nothing wrong with what a server with cars exposes${skipped}`,
  ignore,
  async fn() {
    await using fixture = (await Fixture.start()).up();
    const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
    gateway.status(FRONT, "a");
    fixture.transport("car_b").down();
    const text = await (await fixture.get("/metrics")).text();
    assert.equal(await promtool(["check", "metrics"], FOLDER, text), "");
  },
});
