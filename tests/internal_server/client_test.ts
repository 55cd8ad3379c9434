// Our client against our internal server.
import assert from "node:assert/strict";
import {
  AlreadyConnected,
  type ConnectOptions,
  DeviceNotSupported,
  HigherPriorityAlreadyConnected,
  InternalClient,
  ModuleNotSupported,
} from "../../src/internal_client/mod.ts";
import { DeviceConnectResponseType as Type } from "../../src/protocol/mod.ts";
import { waitFor } from "../support/wait.ts";
import { Stage } from "./scripted_device.ts";
import { BUTTON, bytes, text } from "./support.ts";

function optionsFor({ port }: Stage, more: Partial<ConnectOptions> = {}): ConnectOptions {
  const { module, deviceType: type, deviceRole: role, deviceName: name, priority } = BUTTON;
  return { port, module, type, role, name, priority, timeoutMs: 60_000, ...more };
}

async function connected(
  stage: Stage,
  more: Partial<ConnectOptions> = {},
): Promise<InternalClient> {
  const connecting = InternalClient.connect(optionsFor(stage, more));
  await stage.admit();
  return await connecting;
}

Deno.test("client and internal server: statuses and commands", async () => {
  await using stage = await Stage.start();
  await using client = await connected(stage);
  for (const round of ["1", "2", "3"]) {
    const answer = client.sendStatus(round);
    assert.equal(await stage.answer(`command ${round}`), round);
    assert.equal(text(await answer), `command ${round}`);
  }
  await client.close();
  assert.deepEqual((await stage.asked("disconnected")).device, BUTTON);
});

Deno.test("client and internal server: the longest status", async () => {
  await using stage = await Stage.start();
  await using client = await connected(stage);
  const data = "x".repeat(1_032_192);
  const answer = client.sendStatus(data, { timeoutMs: 60_000 });
  assert.equal(await stage.answer(data), data);
  assert.equal(text(await answer), data);
});

for (
  const [type, error] of [
    [Type.MODULE_NOT_SUPPORTED, ModuleNotSupported],
    [Type.DEVICE_NOT_SUPPORTED, DeviceNotSupported],
  ] as const
) {
  Deno.test(`client and internal server: ${error.name}`, async () => {
    await using stage = await Stage.start();
    const connecting = InternalClient.connect(optionsFor(stage));
    const failing = assert.rejects(connecting, error);
    await stage.admit(type);
    await failing;
  });
}

Deno.test("client and internal server: AlreadyConnected, HigherPriorityAlreadyConnected", async () => {
  await using stage = await Stage.start();
  await using _ = await connected(stage);
  await assert.rejects(InternalClient.connect(optionsFor(stage)), AlreadyConnected);
  const worse = InternalClient.connect(optionsFor(stage, { priority: 9 }));
  await assert.rejects(worse, HigherPriorityAlreadyConnected);
});

Deno.test("client and internal server: unasked commands shift no answer", async () => {
  await using stage = await Stage.start();
  await using client = await connected(stage);
  const unasked = client.commands[Symbol.asyncIterator]().next();
  const answer = client.sendStatus("on");
  const { device, request } = await stage.asked("status");
  stage.server.push(device, bytes("unasked"));
  stage.server.answerStatus(device, request, bytes("asked"));
  assert.equal(text(await answer), "asked");
  assert.equal(text((await unasked).value ?? bytes("none")), "unasked");
});

Deno.test("client and internal server: a slow module costs one connection; the next try succeeds", async () => {
  await using stage = await Stage.start();
  await using client = await connected(stage);
  const answer = client.sendStatus("slow", { timeoutMs: 60_000 });
  await stage.asked("status");
  stage.clock.pass(250);
  await stage.asked("disconnected");
  await stage.admit();
  assert.equal(await stage.answer("quick"), "slow");
  assert.equal(text(await answer), "quick");
  assert.equal(client.statistics.reconnects, 1);
});

Deno.test("client and internal server: a device of higher priority takes over", async () => {
  await using stage = await Stage.start();
  await using client = await connected(stage);
  const connecting = InternalClient.connect(optionsFor(stage, { priority: 0 }));
  await stage.asked("disconnected");
  await stage.admit();
  await using better = await connecting;
  await waitFor(() => client.state.kind === "disconnected", "the old client to be cut off");
  await assert.rejects(client.sendStatus("back"), HigherPriorityAlreadyConnected);
  const answer = better.sendStatus("on");
  await stage.answer("go");
  assert.equal(text(await answer), "go");
});
