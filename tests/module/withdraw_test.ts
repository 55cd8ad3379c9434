// Calls that are taken back before they began: the next session must not wait for those of the last.
import assert from "node:assert/strict";
import { DisconnectType, type ModuleContext } from "../../src/module/context.ts";
import type { CallOutcome } from "../../src/module/outcome.ts";
import type { Device } from "../../src/protocol/messages.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { connect, DEVICE, openContext, recorded, specOf, startHost } from "./support.ts";

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

Deno.test("withdrawCalls() takes back what has not begun, and nothing that was answered", async () => {
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
