// Reloads: one after the other, checked whole, reported, and without effect when nothing differs.
import assert from "node:assert/strict";
import { ConfigError } from "../../src/config/errors.ts";
import type { ServerConfig } from "../../src/config/resolve/config.ts";
import { ModuleLoadError } from "../../src/module/errors.ts";
import type { BrokerWay } from "../../src/transport/connector.ts";
import { Reloader } from "../../src/server/reload.ts";
import { Certificates } from "../support/certificates.ts";
import { UNCHANGED } from "../support/unchanged_report.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { ChangeFixture, fleet, withModule8 } from "./change_fixture.ts";

/** A server whose configuration file is a variable. */
async function served(first: ServerConfig, embeddedBroker = false) {
  const test = await ChangeFixture.serve(first);
  const ways: Partial<BrokerWay>[] = [];
  const levels: string[] = [];
  const state = { next: (): ServerConfig => first, loads: 0, otherTls: false };
  const reloader = new Reloader({
    load: () => {
      state.loads++;
      const warnings = [{ path: "tiemout", message: "Unknown key: did you mean timeout?" }];
      return Promise.resolve({ config: state.next(), warnings, dialect: "A" });
    },
    running: first,
    server: test.server,
    connector: { take: (way) => ways.push(way), hasOtherTls: () => state.otherTls },
    logging: { log: test.log, configureLevels: ({ console }) => levels.push(console.level) },
    embeddedBroker,
  });
  return { test, reloader, state, ways, levels };
}

const CARS = { car_a: {}, car_b: {} };
const KEPT = { car_a: "session of car_a", car_b: "session of car_b" };

Deno.test("Reloader.reload() does nothing at all with an identical document", async () => {
  const { test, reloader, state, ways, levels } = await served(fleet(CARS));
  state.next = () => fleet(CARS);
  const before = test.server.config;
  const report = await reloader.reload();
  assert.deepEqual(report, {
    ...UNCHANGED,
    warnings: ["tiemout: Unknown key: did you mean timeout?"],
  });
  assert.equal(test.server.config, before);
  assert.deepEqual([ways, levels, test.sessions], [[], [], KEPT]);
  assert.equal(test.log.texts("INFO").at(-1), "Configuration reloaded, nothing has changed");
  await test.server.stop();
});

Deno.test("Reloader.reload() reports what it did in one line", async () => {
  const { test, reloader, state } = await served(fleet({ ...CARS, car_c: {} }));
  state.next = () =>
    fleet({ car_a: {}, car_b: withModule8(), car_d: {} }, {
      mqtt_timeout: 20,
      log_files_to_keep: 3,
    });
  const report = await reloader.reload();
  assert.deepEqual([report.added, report.removed, report.untouched], [["car_d"], ["car_c"], 1]);
  assert.deepEqual(report.changed, [
    { car: "car_b", modules: [{ module: 8, what: "added", keys: [] }] },
  ]);
  assert.deepEqual(report.settings.map(({ key, takes }) => [key, takes]), [
    ["mqtt_timeout", "at_once"],
  ]);
  assert.deepEqual(report.needsRestart.map(({ key }) => key), ["log_files_to_keep"]);
  assert.equal(
    test.log.texts("INFO").at(-1),
    "Configuration reloaded: 1 car added (car_d); 1 car removed (car_c); 1 car changed (car_b: " +
      "module 8 added); mqtt_timeout 30 s -> 20 s; needs a restart: log_files_to_keep 5 -> 3; " +
      "1 car untouched",
  );
  assert.match(test.log.texts("WARNING").join("\n"), /^tiemout: Unknown key/m);
  // What needs a restart is said again, and nothing else.
  assert.deepEqual((await reloader.reload()).needsRestart.map(({ key }) => key), [
    "log_files_to_keep",
  ]);
  assert.equal(test.sessions.car_a, KEPT.car_a);
  await test.server.stop();
});

Deno.test("Reloader.reload() changes nothing with a bad document, and names every problem", async () => {
  const { test, reloader, state, ways } = await served(fleet(CARS));
  const problems = [{ path: "timeout", message: "no" }, { path: "cars", message: "none" }];
  state.next = () => {
    throw new ConfigError("config.json", problems, []);
  };
  const report = await reloader.reload();
  assert.equal(report.applied, false);
  const lines = ["config.json: timeout: no", "config.json: cars: none"];
  assert.deepEqual(report.problems, lines);
  assert.equal(report.untouched, 2);
  assert.deepEqual(test.log.texts("ERROR"), lines);
  assert.equal(
    test.log.texts("INFO").at(-1),
    "Configuration not reloaded, nothing has changed: 2 problems",
  );
  assert.deepEqual([test.sessions, ways], [KEPT, []]);
  await test.server.stop();
});

Deno.test("Reloader.reload() changes nothing when a library or a TLS file is bad", async () => {
  const { test, reloader, state, ways, levels } = await served(fleet(CARS));
  test.hosts.init = (spec) => Promise.reject(new ModuleLoadError("library", spec, "it is none"));
  state.next = () => fleet({ ...CARS, car_c: {} }, { timeout: 3 });
  assert.match((await reloader.reload()).problems.join(), /module 7 of car "car_c".*it is none/);
  state.next = () => {
    const config = fleet(CARS);
    return { ...config, broker: { ...config.broker, tls: { caFile: "/missing/ca.pem" } } };
  };
  assert.match(
    (await reloader.reload()).problems.join(),
    /Cannot read CA file "\/missing\/ca.pem"/,
  );
  assert.deepEqual([test.sessions, ways, levels], [KEPT, [], []]);
  await test.server.stop();
});

Deno.test("Reloader.reload() takes TLS files whose contents alone have changed", async () => {
  await using certificates = await Certificates.make();
  const plain = fleet(CARS);
  const tls = { caFile: certificates.caFile };
  const config = { ...plain, broker: { ...plain.broker, protocol: "mqtts" as const, tls } };
  const { test, reloader, state, ways } = await served(config);
  await reloader.reload();
  assert.equal(ways.length, 0);
  state.otherTls = true;
  const report = await reloader.reload();
  assert.deepEqual(report.settings.map(({ key, takes }) => [key, takes]), [
    ["TLS files", "new_connections"],
  ]);
  assert.match(ways[0]?.tls?.ca ?? "", /BEGIN CERTIFICATE/);
  assert.deepEqual([report.untouched, test.sessions], [2, KEPT]);
  assert.deepEqual(test.transport("car_a").moves, []);
  await test.server.stop();
});

Deno.test("Reloader.reload() moves all cars to another broker, and takes other levels", async () => {
  const { test, reloader, state, ways, levels } = await served(fleet(CARS));
  const logging = { console: { level: "DEBUG", use: true } };
  state.next = () => fleet(CARS, { mqtt_address: "other", logging });
  const report = await reloader.reload();
  assert.deepEqual([report.untouched, report.reconnecting], [0, 2]);
  assert.equal(ways[0]?.broker?.host, "other");
  assert.deepEqual(levels, ["DEBUG"]);
  assert.equal(test.transport("car_b").moves.length, 1);
  await test.server.stop();
});

Deno.test("Reloader.reload() leaves the embedded broker as it is until a restart", async () => {
  const { test, reloader, state, ways } = await served(fleet(CARS), true);
  const { broker } = test.server.config;
  state.next = () =>
    fleet(CARS, { mqtt_port: 5, sleep_duration_after_connection_refused: 2, timeout: 4 });
  const report = await reloader.reload();
  assert.deepEqual(report.needsRestart.map(({ key }) => key), ["mqtt_address"]);
  assert.deepEqual([report.untouched, report.reconnecting], [2, 0]);
  assert.deepEqual(ways, [{ refusedPauseMs: 2000 }]);
  assert.equal(test.server.config.broker, broker);
  assert.equal(test.server.config.timeouts.responseMs, 4000);
  await test.server.stop();
});

Deno.test("Reloader.reload() queues a second request, which further ones share", async () => {
  const { test, reloader, state } = await served(fleet(CARS));
  const slow = Promise.withResolvers<void>();
  test.hosts.init = () => slow.promise;
  state.next = () => fleet({ ...CARS, car_c: {} });
  const first = reloader.reload();
  await settled();
  const second = reloader.reload();
  assert.equal(reloader.reload(), second);
  assert.equal(state.loads, 1);
  state.next = () => fleet({ ...CARS, car_d: {} });
  slow.resolve();
  assert.deepEqual((await first).added, ["car_c"]);
  const { added, removed } = await second;
  assert.deepEqual([added, removed, state.loads], [["car_d"], ["car_c"], 2]);
  assert.deepEqual(Object.keys(test.sessions), ["car_a", "car_b", "car_d"]);
  await reloader.reload();
  assert.equal(state.loads, 3);
  await test.server.stop();
});

Deno.test("Reloader.reload() is refused while the server stops, and given up by a stop", async () => {
  const { test, reloader, state } = await served(fleet(CARS));
  test.hosts.init = () => new Promise(() => {});
  state.next = () => fleet({ ...CARS, car_c: {} });
  const reloading = reloader.reload();
  await settled();
  await waitFor(test.server.stop(), "the stop");
  assert.deepEqual((await reloading).problems, ["The server is stopping"]);
  assert.deepEqual((await reloader.reload()).problems, ["The server is stopping"]);
  assert.deepEqual(test.hosts.living, []);
  assert.equal(test.clock.timers, 0);
});

Deno.test("Reloader.reload() survives a defect, and reports it", async () => {
  const { test, reloader, state } = await served(fleet(CARS));
  state.next = () => {
    throw new RangeError("out of cars");
  };
  assert.match((await reloader.reload()).problems.join(), /Defect while reloading: RangeError/);
  state.next = () => fleet(CARS);
  assert.equal((await reloader.reload()).applied, true);
  await test.server.stop();
});
