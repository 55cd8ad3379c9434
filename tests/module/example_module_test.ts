// The modules that module authors copy: in C and in TypeScript they do the same.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { buildExampleModule } from "../../examples/module/build.ts";
import { delay, waitFor } from "../support/wait.ts";
import {
  connect,
  forward,
  openContext,
  scriptSpecOf,
  specOf,
  startHost,
  type TestContext,
  textOf,
} from "./support.ts";

const BUTTON = {
  module: 1000,
  deviceType: 0,
  deviceRole: "stop",
  deviceName: "button",
  priority: 0,
};
const LED = { module: 1000, deviceType: 1, deviceRole: "door", deviceName: "led", priority: 0 };

Deno.test("The example module lights LEDs when a button is pressed", async () => {
  await using module = await buildExampleModule();
  await using test = await startHost();
  const spec = specOf("car_a", {}, { libPath: module.path, waitTimeoutMs: 1000 });
  await lightLeds(await openContext(test.host, spec));
});

Deno.test("The example module in TypeScript does the same", async () => {
  await using test = await startHost({ kind: "script" });
  const path = fileURLToPath(
    new URL("../../examples/module-ts/example_module.ts", import.meta.url),
  );
  const spec = await scriptSpecOf("car_a", path, { waitTimeoutMs: 1000 });
  await lightLeds(await openContext(test.host, spec));
});

/** Presses a button, and looks at what the LEDs are told. */
async function lightLeds({ context, commands }: TestContext): Promise<void> {
  assert.equal(await connect(context, { ...BUTTON, deviceType: 2 }), "unsupported");
  assert.equal(await connect(context, BUTTON), "ok");
  assert.equal(await connect(context, LED), "ok");
  assert.equal(await connect(context, LED), "ok", "a device may be connected again");
  for (const pressed of [true, false, true]) {
    assert.equal(await forward(context, JSON.stringify({ pressed }), BUTTON), "ok");
    const { device, data } = await commands.next("the command");
    assert.deepEqual(device, LED);
    assert.deepEqual(JSON.parse(textOf(data)), { lit: pressed });
  }
  assert.equal(await forward(context, '{ "lit" : false }', LED), "ok");
  assert.deepEqual(JSON.parse(textOf((await commands.next("a reminder")).data)), { lit: true });
  assert.equal(await forward(context, '{"lit":true}', LED), "ok");
  for (const nonsense of ["", "{}", '{"pressed":', '{"pressed": 1}']) {
    assert.equal(await forward(context, nonsense, BUTTON), "not_ok");
  }
  await waitFor(
    new Promise((resolve) => context.disconnectDevice(0, LED, resolve)),
    "the LED to be disconnected",
  );
  assert.equal(await forward(context, '{"pressed":true}', BUTTON), "ok");
  // Long enough for the command that must not come.
  await delay(50);
  assert.equal(commands.size, 0);
  await waitFor(context.destroy(), "the context to be destroyed");
}
