// Reloading a server that is under load: what differs is touched, and no other car notices.
import assert from "node:assert/strict";
import type { Gateway } from "../../src/simulator/gateway.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { childrenOf } from "./processes.ts";
import { configDocument, ServerProcess, type TestModule } from "./server_process.ts";
import { PATIENT, Stage, subscribed } from "./stage.ts";

const { module: libPath } = await buildFixtures();

class ReloadStage {
  readonly stage: Stage;
  readonly server: ServerProcess;
  #reloads = 0;

  constructor(stage: Stage, server: ServerProcess) {
    this.stage = stage;
    this.server = server;
  }

  /** The configuration of these cars, as the stage writes it. */
  document(
    cars: Readonly<Record<string, TestModule["config"]>>,
    more: Record<string, unknown> = {},
  ): string {
    const record = this.stage.record.file;
    const modules = Object.entries(cars).map(([car, config]) => [
      car,
      { 1000: { lib_path: libPath, config: { record, ...config }, timeout_ms: 200 } },
    ]);
    const { port } = this.stage.broker;
    return JSON.stringify(configDocument({ port, cars: Object.fromEntries(modules), more }));
  }

  /** Changes the configuration's file, asks for a reload, and returns the line that sums it up. */
  async reload(change: string | ((file: string) => Promise<void>)): Promise<string> {
    const { configFile } = this.server;
    if (typeof change === "string") await Deno.writeTextFile(configFile, change);
    else await change(configFile);
    this.server.signal("SIGHUP");
    const wanted = ++this.#reloads;
    const lines = () => this.server.lines.filter((line) => /\tConfiguration (not )?re/.test(line));
    await waitFor(() => lines().length >= wanted, "the reload", 60_000);
    return lines().at(-1) ?? "";
  }
}

async function begin(cars: readonly string[]): Promise<ReloadStage & AsyncDisposable> {
  const stage = await Stage.set();
  const server = await stage.serve({ cars: Object.fromEntries(cars.map((car) => [car, {}])) });
  return Object.assign(new ReloadStage(stage, server), {
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  });
}

/** A gateway whose statuses must never stop, and what must be so at the end. */
async function watch(gateway: Gateway) {
  const sessionId = await gateway.running();
  await waitFor(() => gateway.stats.answered > 20, "a stream of answers");
  let ended = 0;
  gateway.listen((event) => event.kind === "ended" && ended++);
  return {
    async assertUntouched() {
      const { answered } = gateway.stats;
      await waitFor(() => gateway.stats.answered > answered + 20, "further answers");
      const { unanswered, reconnects, violations, notifications, linkFailures } = gateway.stats;
      assert.deepEqual(
        { ended, unanswered, reconnects, violations, notifications, linkFailures },
        {
          ended: 0,
          unanswered: 0,
          reconnects: 0,
          violations: 0,
          notifications: 0,
          linkFailures: 0,
        },
      );
      assert.equal(gateway.sessionId, sessionId);
      assert.deepEqual(gateway.violations, []);
    },
  };
}

mosquittoTest("SIGHUP adds, removes and changes cars while the others stream on", async () => {
  const kept = Array.from({ length: 20 }, (_, index) => `kept_${index}`);
  await using test = await begin([...kept, "changed", "removed"]);
  const { stage, server } = test;
  const gateway = (car: string) => stage.gateway(car, { devices: 2, rate: 40, clocks: PATIENT });
  const untouched = await Promise.all(kept.map((car) => watch(gateway(car))));
  const changed = gateway("changed");
  const removed = gateway("removed");
  const before = await changed.running();
  await removed.running();

  const cars = Object.fromEntries(kept.map((car) => [car, {}]));
  const told = removed.sessionEnded();
  const again = changed.nextSession();
  const line = await test.reload(test.document({ ...cars, changed: { note: "new" }, added: {} }));
  assert.match(line, /\[INFO\]/);
  assert.match(
    line,
    /1 car added \(added\); 1 car removed \(removed\); 1 car changed \(changed: module 1000 changed \(config\.note\)\); 20 cars untouched/,
  );
  assert.equal((await told).reason, "told_to_reconnect");
  assert.notEqual(await again, before);
  await subscribed(server, "added");
  const added = gateway("added");
  await added.running();
  await server.line(/\(changed\)\tSession ended: module_lost/);
  await server.line(/\(removed\)\tSession ended: stopped: The configuration no longer has the car/);
  await Promise.all(untouched.map((one) => one.assertUntouched()));
  assert.deepEqual([...changed.violations, ...added.violations, ...removed.violations], []);

  // The old context has heard that its devices left before it was destroyed; the new one works.
  const calls = (await stage.record.calls()).filter(({ car }) => car === "changed");
  const names = calls.map(({ name }) => name);
  const destroyed = names.indexOf("destroy");
  assert.ok(destroyed > 0, names.join(" "));
  assert.ok(names.slice(0, destroyed).filter((name) => name === "device_disconnected").length >= 2);
  assert.ok(names.slice(destroyed).includes("forward_status"));
  const gone = (await stage.record.calls("destroy")).filter(({ car }) => car === "removed");
  assert.equal(gone.length, 1);
});

mosquittoTest("SIGHUP with a broken or an identical document changes nothing", async () => {
  await using test = await begin(["car_1", "car_2"]);
  const { stage, server } = test;
  const gateways = ["car_1", "car_2"].map((car) =>
    stage.gateway(car, { devices: 2, rate: 40, clocks: PATIENT })
  );
  const untouched = await Promise.all(gateways.map(watch));
  const hosts = await childrenOf(server.pid);

  const cars = { car_1: {}, car_2: {} };
  assert.match(await test.reload(test.document(cars)), /\[INFO\].*reloaded, nothing has changed/);
  assert.match(await test.reload("{"), /not reloaded, nothing has changed: 1 problem/);
  // Opening it would block until a writer opens it.
  assert.match(
    await test.reload(async (file) => {
      await Deno.remove(file);
      assert.ok((await new Deno.Command("mkfifo", { args: [file] }).output()).success);
    }),
    /not reloaded, nothing has changed: 1 problem/,
  );
  await server.line(/\[ERROR\].*Expected a readable file: is a pipe, not a regular file/);
  await Deno.remove(server.configFile);
  const broken = test.document({ ...cars, car_3: {} }, { timeout: "soon", mqtt_port: 0 });
  assert.match(await test.reload(broken), /not reloaded, nothing has changed: 2 problems/);
  await server.line(/\[ERROR\].*\/config\.json: timeout: .*"soon"/);
  await server.line(/\[ERROR\].*\/config\.json: mqtt_port: /);
  // A library that cannot be loaded is found before anything changes, too.
  const { notALibrary } = await buildFixtures();
  const document = JSON.parse(test.document({ ...cars, car_3: {}, car_4: {} }));
  for (const car of ["car_3", "car_4"]) {
    document.cars[car].specific_modules["1000"].lib_path = notALibrary;
  }
  delete document.cars.car_2;
  assert.match(await test.reload(JSON.stringify(document)), /not reloaded/);
  await server.line(/\[ERROR\].*module 1000 of 2 cars from .*: it is not an ELF file/);
  assert.equal(server.lines.filter((line) => line.includes(notALibrary)).length, 1);

  await Promise.all(untouched.map((one) => one.assertUntouched()));
  assert.deepEqual(await childrenOf(server.pid), hosts);
  assert.equal((await stage.record.calls("destroy")).length, 0);
});

mosquittoTest("SIGHUP takes timeouts, limits and levels into running sessions", async () => {
  await using test = await begin(["car_1"]);
  const { stage, server } = test;
  const [untouched] = await Promise.all(
    [stage.gateway("car_1", { devices: 1, rate: 40, clocks: PATIENT })].map(watch),
  );
  const line = await test.reload(test.document({ car_1: {} }, {
    mqtt_timeout: 20,
    module_call_timeout: 20,
    limits: { max_devices: 1 },
    logging: { console: { level: "INFO", use: true } },
  }));
  assert.match(line, /mqtt_timeout 30 s -> 20 s/);
  assert.match(line, /limits\.max_devices 1000 -> 1/);
  assert.match(line, /module_call_timeout 30 s -> 20 s/);
  await untouched?.assertUntouched();
  const later = server.lines.slice(server.lines.findIndex((one) => one.endsWith(line)) + 1);
  assert.equal((await server.stop()).code, 0);
  assert.deepEqual(later.filter((one) => one.includes("[DEBUG]")), []);
});

mosquittoTest("SIGHUP while the server starts reloads it when it has started", async () => {
  await using broker = await Mosquitto.start();
  const cars = { car_1: { 1000: { lib_path: libPath, config: { init_ms: 1000 } } } };
  await using server = await ServerProcess.launch({ port: broker.port, cars });
  await server.line(/Starting/);
  server.signal("SIGHUP");
  await server.line(/Serving 1 car/);
  await server.line(/Configuration reloaded, nothing has changed/);
  assert.equal((await server.stop()).code, 0);
});
