// Libraries that reach beyond their car: what the server, and cars on the same host, notice.
import assert from "node:assert/strict";
import { isAlive } from "../e2e/processes.ts";
import { configDocument, type TestModule } from "../e2e/server_process.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { PATIENT, Stage } from "../e2e/stage.ts";
import { answered, stops } from "./support.ts";

mosquittoTest("a library that signals its process group does not end the server", async () => {
  await using stage = await Stage.set();
  const server = await stage.serve({
    cars: { car_1: { crash_in: "forward_status", crash_how: "kill_group" }, car_2: {} },
  });
  const other = stage.gateway("car_2");
  await other.running();
  const gateway = await stage.scripted("car_1");
  await gateway.connectSequence();
  await stage.record.waitForCalls("forward_status", 2);
  // Its host may have ended with it; then it comes back.
  await waitFor(async () => {
    await other.running();
    return await answered(other, 5).then(() => true, () => false);
  }, "statuses of the other car to be answered");
  assert.ok(await isAlive(server.pid));
  await stops(server);
});

// No length that a frame may have; and the beginning of one that never comes to its end.
for (const flood_text of ["garbage, garbage", "\u0001\u0001\u0001\u0001"]) {
  const what = JSON.stringify(flood_text);
  mosquittoTest(
    `a library that writes ${what} to every descriptor loses its host alone`,
    async () => {
      await using folder = await TempFolder.make();
      await using stage = await Stage.set();
      const crash_once = folder.file("scribbled");
      const how = { crash_in: "forward_status", crash_how: "scribble", flood_text, crash_once };
      const server = await stage.serve({
        cars: { car_1: how, car_2: {} },
        more: { module_call_timeout: 2 },
      });
      const gateways = [stage.gateway("car_1"), stage.gateway("car_2")];
      for (const gateway of gateways) {
        await waitFor(async () => {
          await gateway.running();
          return await answered(gateway, 5).then(() => true, () => false);
        }, "statuses to be answered after the host was replaced");
      }
      await Deno.stat(crash_once);
      await stops(server);
    },
  );
}

mosquittoTest("what a library has forked ends with a clean stop", async () => {
  await using folder = await TempFolder.make();
  const child_pid = folder.file("pid");
  await using stage = await Stage.set();
  const forks = { crash_in: "init", crash_how: "fork", child_ms: 600_000, child_pid };
  const server = await stage.serve({ cars: { car_1: forks } });
  const pid = Number(await Deno.readTextFile(child_pid));
  assert.ok(await isAlive(pid));
  await stops(server);
  await waitFor(async () => !await isAlive(pid), "the forked process to end");
});

for (const [flood_text, flood_to] of [["z\n", "stdout"], ["z", "stderr"]] as const) {
  const what = `${JSON.stringify(flood_text)} to ${flood_to}`;
  mosquittoTest(`a module that prints ${what} without end starves no other`, async () => {
    await using stage = await Stage.set();
    const flood = { crash_in: "init", crash_how: "flood", flood_text, flood_to };
    const server = await stage.serve({ cars: { car_1: flood, car_2: {} } });
    const other = stage.gateway("car_2");
    const session = await other.running();
    await answered(other, 50);
    assert.equal(other.sessionId, session);
    assert.deepEqual(other.violations, []);
    await stops(server);
  });
}

mosquittoTest("a reload that adds a car whose init crashes ends nobody's session", async () => {
  await using stage = await Stage.set();
  const names = Array.from({ length: 12 }, (_, i) => `car_${i + 1}`);
  const good = Object.fromEntries(names.map((name) => [name, {}]));
  const server = await stage.serve({ cars: good });
  const gateways = names.map((name) => stage.gateway(name, { clocks: PATIENT }));
  const sessions = await Promise.all(gateways.map((gateway) => gateway.running()));
  const { module: lib_path } = await buildFixtures();
  const bad: TestModule = { lib_path, config: { crash_in: "init" } };
  const cars = Object.fromEntries([
    ...names.map((name) => {
      const config = { record: stage.record.file };
      return [name, { 1000: { lib_path, config, timeout_ms: 200 } }];
    }),
    ["car_13", { 1000: bad }],
  ]);
  const document = configDocument({ port: stage.broker.port, cars });
  await Deno.writeTextFile(server.configFile, JSON.stringify(document));
  server.signal("SIGHUP");
  await server.line(/\tConfiguration (not )?re/);
  await server.line(/\(car_13\).*(lost|crash|ended|SIGSEGV)/);
  for (const gateway of gateways) await answered(gateway, 3);
  assert.deepEqual(gateways.map(({ sessionId }) => sessionId), sessions);
  await stops(server);
});
