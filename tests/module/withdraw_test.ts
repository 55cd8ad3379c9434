// Calls that are taken back before they began: the next session must not wait for those of the last.
import assert from "node:assert/strict";
import { type ModuleContext } from "../../src/module/context.ts";
import { DisconnectType } from "../../src/protocol/module_interface.ts";
import type { CallOutcome } from "../../src/protocol/module_interface.ts";
import type { Device } from "../../src/protocol/messages.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect, DEVICE, forward, openContext, recorded, specOf, startHost } from "./support.ts";

const REAR: Device = { ...DEVICE, deviceRole: "rear" };
/** The fixture module supports no type from 100 on. */
const ODD: Device = { ...DEVICE, deviceType: 150 };
const { TIMEOUT } = DisconnectType;

/** Makes calls in order, and gathers how they end. */
class Calls {
  readonly ended: string[] = [];
  readonly #all: Promise<void>[] = [];

  constructor(readonly context: ModuleContext) {}

  made(name: string, call: (done: (outcome: CallOutcome) => void) => void): this {
    const { promise, resolve } = Promise.withResolvers<void>();
    call((outcome) => {
      this.ended.push(`${name} ${outcome}`);
      resolve();
    });
    this.#all.push(promise);
    return this;
  }

  status(data: string, answered?: boolean): this {
    const bytes = new TextEncoder().encode(data);
    return this.made(data, (done) => this.context.forwardStatus(DEVICE, bytes, done, answered));
  }

  async all(): Promise<readonly string[]> {
    await waitFor(Promise.all(this.#all), "all calls to end", 20_000);
    return this.ended;
  }
}

Deno.test("withdrawCalls() withdraws what has not begun, and nothing that was answered", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const { context } = await openContext(
    test.host,
    specOf("car_a", { record, forward_status_ms: 100 }),
  );
  const bytes = new TextEncoder().encode("failed");
  const calls = new Calls(context)
    .status("begun")
    .status("waiting")
    .made("error", (done) => context.forwardErrorMessage(DEVICE, bytes, done))
    .status("answered", true)
    .made("answered error", (done) => context.forwardErrorMessage(DEVICE, bytes, done, true))
    .made("connect", (done) => context.connectDevice(REAR, done))
    .made("acknowledge", (done) => context.acknowledgeCommand(DEVICE, bytes, done));
  context.withdrawCalls();
  calls
    .made("disconnect", (done) => context.disconnectDevice(TIMEOUT, REAR, done, true))
    .made("connect again", (done) => context.connectDevice(REAR, done))
    .status("after");
  assert.deepEqual(await calls.all(), [
    "begun ok",
    "waiting withdrawn",
    "error withdrawn",
    "answered ok",
    "answered error ok",
    "connect withdrawn",
    "acknowledge ok",
    "disconnect withdrawn",
    "connect again ok",
    "after ok",
  ]);
  const names = (await recorded(record)).map((line) => line.split(" ")[0]);
  assert.deepEqual(names.filter((name) => name === "device_connected").length, 1);
  assert.deepEqual(names.filter((name) => name === "device_disconnected").length, 0);
  assert.deepEqual(names.filter((name) => name === "forward_status").length, 3);
  assert.deepEqual(names.filter((name) => name === "forward_error_message").length, 1);
});

Deno.test("disconnectDevice() can be for a device only if the module has it", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const { context } = await openContext(test.host, specOf("car_a", { record }));
  assert.equal(await connect(context), "ok");
  assert.equal(await connect(context, ODD), "unsupported");
  const calls = new Calls(context);
  const leave = (name: string, device: Device) =>
    calls.made(name, (done) => context.disconnectDevice(TIMEOUT, device, done, true));
  leave("odd", ODD);
  leave("front", DEVICE);
  leave("front again", DEVICE);
  assert.deepEqual(await calls.all(), ["odd withdrawn", "front ok", "front again withdrawn"]);
  assert.equal((await recorded(record, "device_disconnected")).length, 1);
});

Deno.test("A storm of connect sequences leaves a window of calls with the host and the last sequence waiting", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const { context } = await openContext(
    test.host,
    specOf("car_a", { record, device_connected_ms: 20 }),
  );
  const neighbor = await openContext(test.host, specOf("car_b"));
  const listed = 1000;
  const devices = Array.from({ length: listed }, (_, i) => ({ ...DEVICE, deviceRole: `d${i}` }));
  const ended = new Map<string, number>();
  const count = (outcome: CallOutcome) => ended.set(outcome, (ended.get(outcome) ?? 0) + 1);
  let most = 0;
  let made = 0;
  for (let sequence = 0; sequence < 100; sequence++) {
    const pending = new Set(devices);
    for (const device of devices) {
      context.connectDevice(device, (outcome) => {
        count(outcome);
        if (outcome === "ok") pending.delete(device);
      });
    }
    made += listed;
    // The host has a part of them now; the others get their turn.
    assert.equal(await forward(neighbor.context), "ok");
    most = Math.max(most, test.host.snapshot().openCalls);
    context.withdrawCalls();
    for (const device of devices) {
      context.disconnectDevice(TIMEOUT, device, count, pending.has(device));
    }
    made += listed;
  }
  // At most the window, its disconnecting, and the sequence that is under way.
  assert.ok(most <= listed + 3 * 64, `${most} calls were open`);
  assert.equal(await connect(context, REAR), "ok");
  assert.equal([...ended.values()].reduce((sum, n) => sum + n), made);
  assert.deepEqual([...ended.keys()].sort(), ["ok", "withdrawn"]);
  // Whatever the module was given, was taken from it again, in order.
  const has = new Set<string>();
  for (const line of await recorded(record)) {
    const [name, ...details] = line.split(" ");
    if (name === "device_connected") {
      const device = details[0] ?? "";
      assert.ok(!has.has(device), `${device} was connected twice`);
      has.add(device);
    } else if (name === "device_disconnected") {
      assert.ok(has.delete(details[1] ?? ""), `${details[1]} was not connected`);
    }
  }
  assert.equal(has.size, 1);
});

Deno.test("destroy() lets calls be made that waited for the window", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const { context } = await openContext(test.host, specOf("car_a", { record }));
  const calls = new Calls(context);
  for (let i = 0; i < 200; i++) calls.status(String(i));
  await waitFor(context.destroy(), "the context to be destroyed");
  assert.deepEqual(await calls.all(), Array.from({ length: 200 }, (_, i) => `${i} ok`));
  assert.equal((await recorded(record, "forward_status")).length, 200);
});
