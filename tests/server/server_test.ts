// The server as a whole: all cars start together, none waits for another for long, and it stops
// gracefully [STOP-ORDER].
import assert from "node:assert/strict";
import { ModuleLoadError } from "../../src/module/errors.ts";
import { ServerStartError } from "../../src/server/errors.ts";
import { Server } from "../../src/server/server.ts";
import { documented, load } from "../config/support.ts";
import { ListLog } from "../support/list_log.ts";
import { MemoryTransport } from "../support/memory_transport.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { FakeHosts } from "./fake_hosts.ts";

const MODULE = { lib_path: "lib.so" };

/** A server of these cars, each with module 7 and the rest of the document. */
function fixture(cars: Record<string, unknown> = { car_a: {}, car_b: {} }) {
  const clock = new VirtualClock();
  const log = new ListLog();
  const hosts = new FakeHosts();
  const transports = new Map<string, MemoryTransport>();
  /** What was undone, in order. */
  const steps: string[] = [];
  const server = new Server({
    config: load(documented({ cars })).config,
    log,
    clock,
    contextsPerHost: 15,
    startHost: (events, _config, kind) => hosts.start(events, kind),
    createTransport: ({ name }) => {
      const transport = new MemoryTransport();
      const stop = transport.stop.bind(transport);
      transport.stop = () => {
        steps.push(`${name} leaves the broker`);
        return stop();
      };
      transports.set(name, transport);
      return transport;
    },
  });
  const transport = (car: string) => transports.get(car) as MemoryTransport;
  return { server, clock, log, hosts, transport, steps };
}

/** Fails `init` of one car's module with what the library is. */
function bad(hosts: FakeHosts, cars: readonly string[]): void {
  hosts.init = (spec) =>
    cars.includes(spec.car)
      ? Promise.reject(new ModuleLoadError("library", spec, "it is no library"))
      : Promise.resolve();
}

Deno.test("Server.start() opens the modules of every car, then connects all of them", async () => {
  const { server, clock, log, hosts, transport } = fixture();
  await server.start();
  for (const car of ["car_a", "car_b"]) {
    assert.equal(transport(car).started, true);
    transport(car).up();
  }
  const { cars, hosts: placed } = server.snapshot();
  assert.deepEqual(cars.map(({ car, state }) => [car, state]), [
    ["car_a", "CONNECTED"],
    ["car_b", "CONNECTED"],
  ]);
  assert.deepEqual(placed.map(({ cars }) => cars), [{ car_a: 1, car_b: 1 }]);
  assert.deepEqual(log.texts("INFO"), ["Serving 2 cars of company"]);
  assert.equal(clock.timers, 0);
  assert.deepEqual(hosts.context("car_a").spec.parameters, [
    ["company_name", "company"],
    ["car_name", "car_a"],
  ]);
  await server.stop();
});

Deno.test("Server.start() names every library that cannot be loaded, and undoes everything", async () => {
  const { server, clock, hosts, transport } = fixture({ car_a: {}, car_b: {}, car_c: {} });
  bad(hosts, ["car_a", "car_c"]);
  await assert.rejects(server.start(), (error) => {
    assert.ok(error instanceof ServerStartError);
    assert.equal(error.problems.length, 1);
    assert.match(error.problems[0] ?? "", /module 7 of 2 cars from "\/srv\/lib.so": it is no/);
    return true;
  });
  assert.deepEqual(hosts.living, []);
  assert.equal(clock.timers, 0);
  assert.equal(transport("car_b").started, false);
  assert.deepEqual(server.snapshot().hosts, []);
});

Deno.test("Server.start() learns of a bad library also when the car has a slow one beside it", async () => {
  const { server, clock, hosts } = fixture({ car_a: { specific_modules: { "8": MODULE } } });
  hosts.init = () => new Promise(() => {});
  hosts.load = (spec) =>
    spec.module === 7
      ? Promise.resolve()
      : Promise.reject(new ModuleLoadError("symbol", spec, "pop_command is missing"));
  const started = assert.rejects(server.start(), /module 8 of car "car_a".*pop_command is missing/);
  await settled();
  await clock.advance(3000);
  await waitFor(started, "the start to fail");
  assert.deepEqual(hosts.living, []);
  assert.equal(clock.timers, 0);
});

Deno.test("Server.start() waits for a library that takes long to be loaded, and cannot be", async () => {
  const { server, clock, hosts, transport } = fixture();
  const loading = Promise.withResolvers<void>();
  hosts.load = ({ car }) => car === "car_b" ? loading.promise : Promise.resolve();
  const started = assert.rejects(server.start(), /car "car_b".*pop_command is missing/);
  await settled();
  await clock.advance(9000);
  assert.equal(transport("car_a").started, false);
  const spec = { car: "car_b", module: 7, libPath: "/modules/lib.so" };
  loading.reject(new ModuleLoadError("symbol", spec, "pop_command is missing"));
  await waitFor(started, "the start to fail");
  assert.equal(clock.timers, 0);
});

Deno.test("Server.start() lets no car wait longer than 3 s for another one's init", async () => {
  const { server, clock, hosts, transport } = fixture();
  const slow = Promise.withResolvers<void>();
  hosts.init = ({ car }) => car === "car_a" ? slow.promise : Promise.resolve();
  let started = false;
  const starting = server.start().then(() => started = true);
  await settled();
  await clock.advance(2999);
  assert.equal(started, false);
  await clock.advance(1);
  await waitFor(starting, "the start");
  const states = () => server.snapshot().cars.map(({ state }) => state);
  for (const car of ["car_a", "car_b"]) transport(car).up();
  assert.deepEqual(states(), ["ERROR", "CONNECTED"]);
  slow.resolve();
  await settled();
  assert.deepEqual(states(), ["CONNECTED", "CONNECTED"]);
  await server.stop();
});

Deno.test("Server.start() succeeds when no host can be started, and the cars come later", async () => {
  const { server, clock, hosts, transport, log } = fixture();
  hosts.broken = true;
  await server.start();
  for (const car of ["car_a", "car_b"]) transport(car).up();
  hosts.broken = false;
  await clock.advance(0);
  assert.deepEqual(server.snapshot().cars.map(({ state }) => state), ["CONNECTED", "CONNECTED"]);
  assert.match(log.texts("ERROR").join("\n"), /Module host 1 \(car_a, car_b\) is gone/);
  await server.stop();
});

Deno.test("Server.stop() ends sessions, then leaves the broker, then destroys, then stops hosts [STOP-ORDER] [MODULE-DESTROY]", async () => {
  const { server, hosts, transport, steps, clock } = fixture({ car_a: {} });
  await server.start();
  transport("car_a").up();
  transport("car_a").onPublish = () => steps.push("car_a says something");
  transport("car_a").onNotify = () => steps.push("car_a notifies");
  const host = hosts.of("car_a");
  const context = hosts.context("car_a");
  const destroy = context.destroy.bind(context);
  context.destroy = () => {
    steps.push("context is destroyed");
    return destroy();
  };
  const stop = host.stop.bind(host);
  host.stop = () => {
    steps.push("host stops");
    return stop();
  };
  await server.stop();
  assert.deepEqual(steps, [
    "car_a leaves the broker",
    "context is destroyed",
    "host stops",
  ]);
  assert.equal(server.snapshot().cars[0]?.state, "STOPPED");
  assert.equal(clock.timers, 0);
  await server.stop();
});

Deno.test("Server.stop() stops the other cars while one is slow to leave", async () => {
  const { server, hosts, transport } = fixture({ car_a: {}, car_b: {} });
  await server.start();
  const leaving = Promise.withResolvers<void>();
  transport("car_a").stop = () => leaving.promise;
  const stopping = server.stop();
  await settled();
  assert.deepEqual(hosts.of("car_a").cars, ["car_a"]);
  assert.equal(hosts.all[0]?.contexts.find(({ spec }) => spec.car === "car_b")?.destroyed, 1);
  leaving.resolve();
  await waitFor(stopping, "the stop");
  assert.deepEqual(hosts.living, []);
});

Deno.test("Server.stop() while it starts leaves nothing behind and connects no car", async () => {
  const { server, clock, hosts, transport, log } = fixture();
  hosts.init = () => new Promise(() => {});
  const starting = server.start();
  await settled();
  await server.stop();
  await waitFor(starting, "the start");
  assert.deepEqual(hosts.living, []);
  assert.equal(transport("car_a").started, false);
  assert.deepEqual(log.texts("ERROR"), []);
  assert.deepEqual(log.texts("INFO"), []);
  assert.equal(clock.timers, 0);
});
