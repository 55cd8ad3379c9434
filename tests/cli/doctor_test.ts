// `doctor` as users meet it, in a process of its own.
import assert from "node:assert/strict";
import { report } from "../../src/cli/doctor.ts";
import type { Finding } from "../../src/doctor/findings.ts";
import { configDocument, ProgramProcess } from "../e2e/server_process.ts";
import { ownBroker } from "../doctor/support.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { freePort, Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { Nats, natsTest } from "../support/nats.ts";
import { TempFolder } from "../support/temp.ts";

const fixtures = await buildFixtures();

async function doctor(...args: string[]): Promise<{ code: number; lines: readonly string[] }> {
  await using process = new ProgramProcess(["doctor", ...args]);
  const { code } = await process.ended();
  return { code, lines: process.lines };
}

async function writeConfig(folder: TempFolder, port: number, more = {}): Promise<string> {
  const cars = { car_a: { "1000": { lib_path: fixtures.module, config: { token: "hunter2" } } } };
  const logging = {
    console: { use: true, level: "INFO" },
    file: { use: true, level: "INFO", path: folder.file("logs") },
  };
  const document = configDocument({ port, cars, more: { logging, ...more } });
  return await folder.write("config.json", JSON.stringify(document));
}

mosquittoTest("doctor ends with 0 where all is well, and says what it did not try", async () => {
  await using folder = await TempFolder.make();
  await using broker = await Mosquitto.start();
  const config = await writeConfig(folder, broker.port);
  const { code, lines } = await doctor(config, "--init", "--listen", "1");
  const text = lines.join("\n");
  assert.equal(code, 0, text);
  assert.match(lines.at(-1) ?? "", /^\d+ ok, \d+ warnings?, 0 failed, \d+ skipped$/);
  assert.match(text, /\n {2}ok {7}car_a: May subscribe to module_gateway\n/);
  assert.match(text, /\n {2}ok {7}car car_a, module 1000: init returned a context/);
  assert.match(text, /\n {2}ok {7}car_a: May publish to external_server and external_server_disc/);
  assert.doesNotMatch(text, /hunter2/);
  await assert.rejects(Deno.stat(folder.file("logs")), Deno.errors.NotFound);
});

natsTest("doctor tries each sink", async () => {
  await using folder = await TempFolder.make();
  await using nats = await Nats.start();
  await nats.manage(({ streams }) => streams.add({ name: "cars", subjects: ["telemetry.>"] }));
  const address = `mqtt://127.0.0.1:${freePort()}`;
  const config = await writeConfig(folder, freePort(), {
    event_log: { directory: folder.file("events") },
    state_dir: folder.file("state"),
    sinks: {
      broker: { kind: "mqtt", address },
      stream: { kind: "nats", address: `nats://127.0.0.1:${nats.port}` },
      files: { kind: "file", directory: folder.file("archive") },
    },
  });
  const { code, lines } = await doctor(config, "--listen", "0");
  const text = lines.join("\n");
  assert.equal(code, 1, text);
  const [, sinks = ""] = text.split("\nsinks\n");
  assert.match(sinks, /^ {2}failed {3}broker: mqtt:\S+: connection refused\n +-> Start the broker/);
  assert.match(
    sinks,
    /\n {2}ok {7}stream: nats:\S+: May publish: a stream takes "telemetry\.acme\./,
  );
  assert.match(sinks, /\n {2}ok {7}\S+archive: Does not exist yet, can be created/);
});

mosquittoTest("doctor publishes nothing with --listen 0, and says so", async () => {
  await using folder = await TempFolder.make();
  await using broker = await Mosquitto.start();
  const config = await writeConfig(folder, broker.port);
  const { code, lines } = await doctor(config, "--listen", "0");
  const text = lines.join("\n");
  assert.equal(code, 0, text);
  assert.match(text, /skipped .*Not checked for 1 cars: .*\n +-> Run doctor with --publish/);
  const wrong = await doctor(config, "--listen", "soon");
  assert.match(wrong.lines.join("\n"), /--listen: Expected a number from 0 to 3600: found "soon"/);
});

mosquittoTest("doctor warns before it publishes", async () => {
  await using folder = await TempFolder.make();
  await using broker = await Mosquitto.start();
  const { code, lines } = await doctor(await writeConfig(folder, broker.port), "--publish");
  assert.equal(code, 0);
  assert.ok(lines.some((line) => line.startsWith("warning: --publish: connected gateways")));
  assert.ok(lines.some((line) => /May publish to external_server/.test(line)));
});

Deno.test("doctor finds a broker that closes over what the server publishes", async () => {
  await using folder = await TempFolder.make();
  await using broker = await ownBroker({
    authorizePublish: (_client, _packet, done) => done(new Error("not allowed")),
  });
  const { code, lines } = await doctor(await writeConfig(folder, broker.port), "--listen", "0.2");
  assert.equal(code, 1);
  const text = lines.join("\n");
  assert.match(
    text,
    /failed +car_a: The broker closes the connection on a message to .*\n +-> Allow/,
  );
});

Deno.test("doctor --json is one document, and ends with 1 where something fails", async () => {
  await using folder = await TempFolder.make();
  const { code, lines } = await doctor(await writeConfig(folder, freePort()), "--json");
  assert.equal(code, 1);
  const { ok, counts, findings } = JSON.parse(lines.join("\n"));
  assert.equal(ok, false);
  assert.equal(counts.failed, 1);
  const [read] = findings.filter(({ check }: Finding) => check === "configuration");
  assert.match(read.message, /^Can be used: .* \(documented dialect\)$/);
  const failed = findings.filter(({ status }: Finding) => status === "failed");
  assert.equal(failed.length, 1);
  const [{ check, message, advice }] = failed;
  assert.equal(check, "broker");
  assert.equal(message, "Cannot connect over TCP: connection refused");
  assert.match(advice, /^Start the broker/);
});

Deno.test("doctor reports every problem of a configuration that cannot be used", async () => {
  await using folder = await TempFolder.make();
  const config = await folder.write("config.json", '{"company_name": "", "cars": {}}');
  const { code, lines } = await doctor(config);
  assert.equal(code, 1);
  assert.ok(lines.filter((line) => line.startsWith("  failed")).length > 2, lines.join("\n"));
  assert.ok(lines.some((line) => /skipped .*everything else: Not checked/.test(line)));
});

Deno.test("report() tells what is alike together", () => {
  const findings: Finding[] = ["a", "b", "c", "d", "e", "f"].map((subject) => ({
    check: "topics",
    subject,
    status: "ok",
    message: "May subscribe",
  }));
  assert.deepEqual(report(findings).map(({ text }) => text), [
    "topics",
    "  ok       a, b, c, d and 2 more: May subscribe",
    "",
    "6 ok, 0 warnings, 0 failed, 0 skipped",
  ]);
});
