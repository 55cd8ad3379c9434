// Statuses that wait for a slow module when their session ends: nothing waits for them then.
import assert from "node:assert/strict";
import { type Command, DeviceState } from "../../src/protocol/messages.ts";
import type { ScriptedGateway } from "../support/scripted_gateway.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { Stage } from "./stage.ts";

/** More than a slow module handles within any test. */
const BACKLOG = 200;

/** A server with a slow module, and a gateway in session that has sent much more than was handled. */
async function begin(stage: Stage) {
  const server = await stage.serve({ cars: { car_1: { forward_status_ms: 500 } } });
  const gateway = await stage.scripted("car_1");
  await gateway.connectSequence();
  const [device] = gateway.devices;
  assert.ok(device);
  for (let i = 0; i < BACKLOG; i++) gateway.status(device, `old ${i}`);
  await stage.record.waitForCalls("forward_status", 2);
  return { server, gateway, device };
}

/** What the module saw of the backlog. */
async function forwarded(stage: Stage): Promise<number> {
  return (await stage.record.statuses()).filter((data) => data.startsWith("old")).length;
}

/** Reads past answers that are still under way from the session before. */
async function expectConnectResponse(gateway: ScriptedGateway, session: string): Promise<void> {
  while (true) {
    const message = await gateway.expectAny();
    if (message.kind === "connect_response" && message.sessionId === session) return;
  }
}

mosquittoTest(
  "a new session does not wait for the statuses of the one before [CONNECT-TIMEOUT]",
  async () => {
    await using stage = await Stage.set();
    const { gateway, device } = await begin(stage);
    await expectConnectResponse(gateway, gateway.connect());
    gateway.status(device, "new", { state: DeviceState.CONNECTING });
    const isThere = async () => (await stage.record.statuses()).includes("new");
    await waitFor(isThere, "the status of the new session");
    const before = await forwarded(stage);
    assert.ok(before < BACKLOG, `${before} statuses of the old session`);
    const calls = await stage.record.deviceCalls("forward_status");
    assert.equal(calls.at(-1)?.data, "new");
    assert.equal(calls.filter(({ data }) => data.startsWith("old")).length, before);
    assert.deepEqual(
      (await stage.record.calls()).map(({ name }) => name).filter((name) =>
        name.startsWith("device_")
      ),
      ["device_connected", "device_disconnected", "device_connected"],
    );
  },
);

mosquittoTest(
  "a stop does not wait for statuses either: every context is destroyed [STOP-ORDER]",
  async () => {
    await using stage = await Stage.set();
    const { server } = await begin(stage);
    assert.equal((await server.stop()).code, 0);
    const before = await forwarded(stage);
    assert.ok(before < BACKLOG, `${before} statuses`);
    assert.equal((await stage.record.calls("device_disconnected")).length, 1);
    assert.equal((await stage.record.calls("destroy")).length, 1);
    assert.doesNotMatch(server.text, /Context not destroyed/);
  },
);

mosquittoTest(
  "large commands that nobody answers stay in their module, and none is lost",
  async () => {
    await using stage = await Stage.set();
    const server = await stage.serve({
      cars: { car_1: { echo: 1, record: "" } },
      more: { timeout: 600, mqtt_timeout: 600 },
    });
    const gateway = await stage.scripted("car_1");
    // What the first one echoes is sent behind the others.
    await gateway.connectSequence();
    const [device] = gateway.devices;
    assert.ok(device);
    const large = 100;
    const commands: Command[] = [];
    const take = async (kind: "status_response" | "command") => {
      while (true) {
        const message = await gateway.expectAny();
        if (message.kind === "command") commands.push(message);
        if (message.kind === kind) return;
      }
    };
    for (let i = 0; i < large; i++) {
      gateway.status(device, new Uint8Array(1_000_000).fill(i));
      await take("status_response");
    }
    await server.line(/Module 1000 keeps its commands/);
    // 16 MiB, and the one that goes beyond.
    assert.ok(commands.length <= 18, `${commands.length} commands without a response`);
    for (let answered = 0; answered <= large; answered++) {
      if (commands.length === answered) await take("command");
      const command = commands[answered];
      assert.ok(command);
      gateway.answer(command);
    }
    assert.deepEqual(
      commands.map(({ commandData }) => commandData[0]),
      ["{".charCodeAt(0), ...Array.from({ length: large }, (_, i) => i)],
    );
  },
);
