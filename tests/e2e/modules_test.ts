// Modules that misbehave, under a real server: what they break stays theirs [MODULE-BLOCKING].
import assert from "node:assert/strict";
import { GatewayStateError, StatusUnansweredError } from "../../src/simulator/errors.ts";
import { Gateway } from "../../src/simulator/gateway.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { childrenOf } from "./processes.ts";
import { COMPANY, ServerProcess, type TestModule } from "./server_process.ts";
import { PATIENT, subscribed } from "./stage.ts";

const fixtures = await buildFixtures();

/** A gateway that is not started yet, of a car that its server listens to by now. */
async function gatewayOf(
  server: ServerProcess,
  broker: Mosquitto,
  car: string,
  devices = 1,
): Promise<Gateway> {
  await subscribed(server, car);
  return new Gateway({
    company: COMPANY,
    car,
    broker: { host: "127.0.0.1", port: broker.port },
    devices,
    // What the server says brings it back at once; its own patience must not be what does, but for
    // a connect sequence that fails.
    clocks: { ...PATIENT, retryMs: 500 },
  });
}

function module(config: Record<string, string | number | boolean> = {}): TestModule {
  return { lib_path: fixtures.module, config, timeout_ms: 200 };
}

/** Five cars, `other_0` to `other_4`, that fill a host, so that the next car gets another one. */
function others(): Record<string, Record<string, TestModule>> {
  const libraries = [[1000, fixtures.module], [2, fixtures.module2], [3, fixtures.module3]];
  const modules = Object.fromEntries(
    libraries.map(([id, lib_path]) => [id, { lib_path, timeout_ms: 200 }]),
  );
  return Object.fromEntries(Array.from({ length: 5 }, (_, i) => [`other_${i}`, modules]));
}

/** Sends statuses until one is answered: those that a crash catches are not. */
async function served(gateway: Gateway): Promise<void> {
  while (true) {
    await gateway.running();
    const [device] = gateway.devices;
    assert.ok(device);
    try {
      await gateway.send(device, "again");
      return;
    } catch (error) {
      if (!(error instanceof StatusUnansweredError || error instanceof GatewayStateError)) {
        throw error;
      }
    }
  }
}

async function refusedStart(lib: string, id: string): Promise<string> {
  await using server = await ServerProcess.launch({
    port: 1,
    cars: { good_car: { 1000: module() }, bad_car: { [id]: { lib_path: lib } } },
  });
  const { code } = await server.ended();
  assert.equal(code, 1);
  assert.doesNotMatch(server.text, /Serving/);
  return server.text;
}

Deno.test("the server does not start with a library that cannot be loaded, and names it", async () => {
  const text = await refusedStart(fixtures.notALibrary, "1000");
  assert.match(text, /module 1000 of car "bad_car" from ".*fixture_module\.c"/);
});

Deno.test("the server does not start when a symbol is missing, and names it", async () => {
  const text = await refusedStart(fixtures.missingSymbol, "1000");
  assert.match(text, /module 1000 of car "bad_car".*pop_command/);
});

Deno.test("the server does not start when a module has another number, and names both", async () => {
  const text = await refusedStart(fixtures.module2, "1000");
  assert.match(text, /module 1000 of car "bad_car".*\b2\b/);
});

mosquittoTest("a module whose init returns NULL keeps only its own car waiting", async () => {
  await using broker = await Mosquitto.start();
  await using server = await ServerProcess.start({
    port: broker.port,
    cars: { good_car: { 1000: module() }, bad_car: { 1000: module({ init_null: 1 }) } },
  });
  await server.line(/\(bad_car\).*init/);
  await using good = (await gatewayOf(server, broker, "good_car")).start();
  await good.running();
  await server.line(/\[CRITICAL\].*\(bad_car\).*next attempt in/);
});

for (
  const [how, where] of [
    ["segv", "forward_status"],
    ["abort", "device_connected"],
    ["exit", "forward_status"],
    ["segv", "wait_for_command"],
    ["segv", "pop_command"],
    ["segv", "command_ack"],
  ] as const
) {
  mosquittoTest(
    `a ${how} in ${where} takes down only its host's cars, which come back`,
    async () => {
      await using folder = await TempFolder.make();
      await using broker = await Mosquitto.start();
      await using server = await ServerProcess.start({
        port: broker.port,
        cars: {
          crashing: {
            1000: module({
              crash_in: where,
              crash_how: how,
              crash_once: `${folder.path}/crashed`,
              echo: 1,
            }),
          },
          ...others(),
        },
      });
      await using crashing = (await gatewayOf(server, broker, "crashing")).start();
      await using other = (await gatewayOf(server, broker, "other_4", 3)).start();
      const otherSession = await other.running();
      const lost = server.line(/\(crashing\).*Module context lost/);
      crashing.running().then(() => {
        const [device] = crashing.devices;
        if (device) crashing.send(device, "now").catch(() => {});
      }, () => {});
      await lost;
      await server.line(
        /\(crashing\).*Session ended: module_lost|\(crashing\).*Module context lost/,
      );
      await served(crashing);
      // The neighbor has noticed nothing.
      const [otherDevice] = other.devices;
      assert.ok(otherDevice);
      await other.send(otherDevice, "still here");
      assert.equal(other.sessionId, otherSession);
      assert.deepEqual(other.violations, []);
      assert.deepEqual(crashing.violations, []);
    },
  );
}

mosquittoTest("a module that prints disturbs nothing, and its lines are in the log", async () => {
  await using broker = await Mosquitto.start();
  await using server = await ServerProcess.start({
    port: broker.port,
    cars: { car_1: { 1000: module({ print: 1 }) } },
  });
  await using gateway = (await gatewayOf(server, broker, "car_1")).start();
  await gateway.running();
  await server.line(/\(car_1\)\t\[module stdout\]/);
  await server.line(/\(car_1\)\t\[module stderr\]/);
});

mosquittoTest(
  "a wait_for_command that ignores its timeout delays neither sessions nor statuses",
  async () => {
    await using broker = await Mosquitto.start();
    await using server = await ServerProcess.start({
      port: broker.port,
      cars: { car_1: { 1000: module({ wait_ms: 10_000 }) } },
    });
    await using gateway = (await gatewayOf(server, broker, "car_1")).start();
    await gateway.running();
    const [device] = gateway.devices;
    assert.ok(device);
    for (let i = 0; i < 20; i++) await gateway.send(device, `status ${i}`);
    assert.deepEqual(gateway.violations, []);
    // The stop does not wait for the ten seconds either.
    assert.equal((await server.stop()).code, 0);
  },
);

mosquittoTest("10,000 commands at once all arrive, in order", async () => {
  await using broker = await Mosquitto.start({ lines: ["set_tcp_nodelay true"] });
  await using server = await ServerProcess.start({
    port: broker.port,
    cars: { car_1: { 1000: module({ commands_per_status: 10_000 }) } },
  });
  await using gateway = await gatewayOf(server, broker, "car_1");
  const received = Promise.withResolvers<void>();
  let commands = 0;
  gateway.onCommand = ({ commandData }) => {
    if (commandData.length > 0 && ++commands === 10_000) received.resolve();
  };
  gateway.start();
  await gateway.running();
  const [device] = gateway.devices;
  assert.ok(device);
  // The first status of the sequence has queued as many already.
  await received.promise;
  assert.deepEqual(gateway.violations, []);
  assert.ok(gateway.isRunning);
  assert.doesNotMatch(server.text, /dropped/);
});

for (
  const [key, what] of [["pop_empty_data", "no data"], ["pop_bad_name", "a bad name"]] as const
) {
  mosquittoTest(`commands with ${what} are delivered all the same`, async () => {
    await using broker = await Mosquitto.start();
    await using server = await ServerProcess.start({
      port: broker.port,
      cars: { car_1: { 1000: module({ echo: 1, [key]: 1 }) } },
    });
    await using gateway = (await gatewayOf(server, broker, "car_1")).start();
    await gateway.running();
    const [device] = gateway.devices;
    assert.ok(device);
    await gateway.send(device, "x");
    const before = gateway.stats.commands;
    await gateway.nextCommand();
    assert.ok(gateway.stats.commands >= before);
    if (key === "pop_empty_data") await server.line(/Command sent although it has no data/);
    assert.deepEqual(gateway.violations, []);
  });
}

mosquittoTest(
  "a hung call is reported with car, module and function, and its host replaced",
  async () => {
    await using folder = await TempFolder.make();
    await using broker = await Mosquitto.start();
    await using server = await ServerProcess.start({
      port: broker.port,
      cars: {
        car_1: {
          1000: module({
            crash_in: "forward_status",
            crash_how: "hang",
            crash_once: `${folder.path}/hung`,
          }),
        },
      },
      more: { module_call_timeout: 5 },
    });
    await using gateway = (await gatewayOf(server, broker, "car_1")).start();
    await server.line(/car_1.*forward_status/);
    await server.line(/\(car_1\).*Session ended: module_lost/);
    await served(gateway);
  },
);

mosquittoTest("a module that leaks is ended at the limit, and its host replaced", async () => {
  await using folder = await TempFolder.make();
  await using broker = await Mosquitto.start();
  const leaks = {
    crash_in: "forward_status",
    crash_how: "leak",
    crash_once: `${folder.path}/leaked`,
    leak_bytes: 400_000_000,
  };
  await using server = await ServerProcess.start({
    port: broker.port,
    cars: { car_1: { 1000: module(leaks) } },
    // Hosts say how much they have twice in this time.
    more: { module_call_timeout: 5, limits: { max_host_memory_bytes: 300_000_000 } },
  });
  await using gateway = (await gatewayOf(server, broker, "car_1")).start();
  await server.line(
    /\(car_1\).*Module context lost: it has \d+ MiB of memory: max_host_memory_bytes is 300000000/,
  );
  await served(gateway);
});

for (const how of ["kill_group", "stop_group", "nice_group", "terminal", "settings"]) {
  mosquittoTest(`a module that does "${how}" reaches neither server nor other hosts`, async () => {
    await using folder = await TempFolder.make();
    await using broker = await Mosquitto.start();
    const config = { crash_in: "init", crash_how: how, crash_once: `${folder.path}/done` };
    await using server = await ServerProcess.start({
      port: broker.port,
      cars: {
        bad_car: { 1000: module(config) },
        ...others(),
      },
      more: { module_call_timeout: 5 },
    });
    await using other = (await gatewayOf(server, broker, "other_4")).start();
    const session = await other.running();
    await using bad = (await gatewayOf(server, broker, "bad_car")).start();
    await served(bad);
    await served(other);
    assert.equal(other.sessionId, session);
    assert.equal((await server.stop()).code, 0);
  });
}

mosquittoTest(
  "hosts that are killed from outside, again and again, do not multiply",
  async () => {
    await using broker = await Mosquitto.start();
    const names = Array.from({ length: 16 }, (_, index) => `car_${index}`);
    const cars = Object.fromEntries(names.map((car) => [car, { 1000: module() }]));
    await using server = await ServerProcess.start({ port: broker.port, cars });
    const connected = () => server.text.match(/State \w+ is now CONNECTED/g)?.length ?? 0;
    await waitFor(() => connected() >= names.length, "every car to be served");
    assert.equal((await childrenOf(server.pid)).length, 2);
    for (let round = 1; round <= 3; round++) {
      for (const pid of await childrenOf(server.pid)) Deno.kill(pid, "SIGKILL");
      await waitFor(
        () => connected() >= names.length * (round + 1),
        "every car to be served again",
      );
      assert.equal((await childrenOf(server.pid)).length, 2);
    }
  },
);
