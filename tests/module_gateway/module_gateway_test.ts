// A gateway without a cloud: devices, modules and clocks.
import assert from "node:assert/strict";
import { DeviceNotSupported, ModuleNotSupported } from "../../src/internal_client/mod.ts";
import { BUTTON, LAMP } from "../internal_server/support.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { endpoint, modulesOf, say, ScriptedModule, Stage } from "./support.ts";

/** Nobody listens there. */
const NOWHERE = endpoint(1);

async function started(module = new ScriptedModule(1000), clock = new VirtualClock()) {
  const stage = await Stage.start({ modules: modulesOf(module), endpoints: [NOWHERE], clock });
  return { stage, module, clock };
}

Deno.test("devices are answered without a cloud, and refused by their modules [HANDLER-ANSWER] [HANDLER-CONNECT]", async () => {
  const { stage, module } = await started();
  await using _ = stage;
  const client = await stage.device(BUTTON);
  assert.equal(await say(client, "a"), "<default for a at a>");
  assert.equal(await say(client, "b"), "<<default for a at a> for b at a+b>");
  module.script = { is_device_type_supported: -1 };
  await assert.rejects(stage.device(LAMP), DeviceNotSupported);
  await assert.rejects(stage.device({ ...LAMP, module: 5 }), ModuleNotSupported);
  const { devices, counts } = stage.gateway.snapshot();
  assert.deepEqual(devices.map(({ key }) => key), ["1000/7/button"]);
  assert.equal(new TextDecoder().decode(devices[0]?.status), "a+b");
  assert.deepEqual([counts.statuses, counts.reports, counts.commandsSent], [2, 2, 2]);
});

Deno.test("a module that no endpoint names is not served [HANDLER-CONNECT]", async () => {
  const modules = modulesOf(new ScriptedModule(1000), new ScriptedModule(2));
  await using stage = await Stage.start({ modules, endpoints: [NOWHERE] });
  await assert.rejects(stage.device({ ...LAMP, module: 2 }), ModuleNotSupported);
});

Deno.test("a slow call delays its own device only [HANDLER-ORDER]", async () => {
  const { stage, module } = await started();
  await using _ = stage;
  const [slow, quick] = [await stage.device(BUTTON), await stage.device(LAMP)];
  const gate = Promise.withResolvers<void>();
  module.waits.set("status_data_valid", gate.promise);
  const late = say(slow, "slow");
  await waitFor(() => module.calls.at(-1)?.name === "status_data_valid", "the slow call");
  module.waits.clear();
  assert.equal(await say(quick, "quick"), "<default for quick at quick>");
  gate.resolve();
  assert.equal(await late, "<default for slow at slow>");
});

Deno.test("a module that takes longer than its device may wait costs the device its connection", async () => {
  const { stage, module, clock } = await started();
  await using _ = stage;
  const client = await stage.device(BUTTON);
  await say(client, "a");
  const gate = Promise.withResolvers<void>();
  module.waits.set("status_data_valid", gate.promise);
  const status = client.sendStatus("b", { timeoutMs: 600_000 });
  await waitFor(() => module.calls.at(-1)?.name === "status_data_valid", "the slow call");
  clock.pass(600_000);
  gate.resolve();
  // It connects again, and says it once more.
  assert.equal(new TextDecoder().decode(await status), "<default for b at b>");
  assert.equal(stage.gateway.snapshot().internalServer.slowAnswers[1000], 1);
});

Deno.test("a device that says nothing for 30 s is dead, and is told so [HANDLER-DEAD]", async () => {
  const { stage, clock } = await started();
  await using _ = stage;
  const client = await stage.device(BUTTON);
  await say(client, "a");
  await clock.advance(15_000);
  assert.equal(client.state.kind, "connected");
  await clock.advance(14_999);
  assert.equal(stage.gateway.snapshot().devices.length, 1);
  await clock.advance(1);
  await waitFor(() => client.state.kind !== "connected", "the device to be disconnected");
  assert.deepEqual(stage.gateway.snapshot().devices, []);
  assert.equal(stage.gateway.snapshot().internalServer.closed.dead, 1);
  assert.equal(stage.log.matching(/1000\/7\/button .*said nothing for too long/).length, 1);
});

Deno.test("a device that speaks lives, and the cloud is told every 15 s [HANDLER-REPORT]", async () => {
  const { stage, module, clock } = await started();
  await using _ = stage;
  const client = await stage.device(BUTTON);
  await say(client, "a");
  module.script = { send_status_condition: -11 };
  for (let seconds = 0; seconds < 60; seconds += 10) {
    await clock.advance(10_000);
    await say(client, "b");
  }
  const reports = stage.turns.flatMap(({ effects }) =>
    effects.flatMap((effect) => effect.type === "report" ? [effect.why] : [])
  );
  assert.deepEqual(reports, ["first", "timer", "timer", "timer", "timer"]);
});

Deno.test("a module that throws costs a status its answer, and nothing else", async () => {
  const { stage, module, clock } = await started();
  await using _ = stage;
  const client = await stage.device(BUTTON);
  await say(client, "a");
  module.script = { aggregate_status: new Error("out of ideas") };
  assert.match(await say(client, "b"), /for b at a>$/);
  assert.equal(stage.log.matching(/aggregate_status\(\) failed: out of ideas/).length, 1);
  module.script = { status_data_valid: new Error("out of ideas") };
  const status = client.sendStatus("c", { timeoutMs: 600_000 });
  await waitFor(() => stage.gateway.snapshot().counts.dropped["status module_failed"] === 1, "it");
  module.script = {};
  clock.pass(600_000);
  assert.equal(new TextDecoder().decode(await status), "<default for c at c>");
});

Deno.test("a gateway that stops leaves no timer, and its devices are gone [GATEWAY-STOP]", async () => {
  const { stage, clock } = await started();
  await using _ = stage;
  const client = await stage.device(BUTTON);
  await say(client, "a");
  await stage.gateway.stop();
  await waitFor(() => client.state.kind !== "connected", "the device to be disconnected");
  assert.equal(clock.timers, 0);
  assert.equal(stage.gateway.snapshot().endpoints[0]?.phase, "stopped");
  await stage.gateway.stop();
});
