// What a host makes of a module, whatever it is written in: here of one in the test's own process.
import assert from "node:assert/strict";
import { LibraryError, type ModuleLoadError } from "../../src/module/errors.ts";
import type { PoppedCommand } from "../../src/module/host/module.ts";
import { FrameKind, MAX_DATA_BYTES, MAX_FRAME_BYTES } from "../../src/module/wire/frames.ts";
import { type CallOutcome, DisconnectType } from "../../src/protocol/module_interface.ts";
import { waitFor } from "../support/wait.ts";
import { Ended, type MakeCall, NearHost, popped, ScriptedModule } from "./near_host.ts";
import { DEVICE } from "./support.ts";

const { TIMEOUT } = DisconnectType;
const REAR = { ...DEVICE, deviceRole: "rear" };

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A function of a module that returns when the test lets it. */
function later(): { act: () => Promise<CallOutcome>; comeBack: (outcome: CallOutcome) => void } {
  const { promise, resolve } = Promise.withResolvers<CallOutcome>();
  return { act: () => promise, comeBack: resolve };
}

/** What creating comes to. */
async function failureOf(creating: Promise<unknown>): Promise<string> {
  try {
    await creating;
    return "made";
  } catch (error) {
    const { kind, detail } = error as ModuleLoadError;
    return `${kind}: ${detail}`;
  }
}

Deno.test("A module may return at once or later: calls are made one after the other [MODULE-CALLS]", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  const slow = later();
  module.acts.forwardStatus = slow.act;
  module.acts.forwardErrorMessage = () => "context_incorrect";
  module.acts.commandAck = () => Promise.resolve("timeout_occurred");
  const ended = new Ended(context)
    .call("status", (context, done) => context.forwardStatus(DEVICE, bytesOf("a"), done))
    .call("error", (context, done) => context.forwardErrorMessage(DEVICE, bytesOf("b"), done))
    .call("acknowledge", (context, done) => context.acknowledgeCommand(REAR, bytesOf("c"), done))
    .call("connect", (context, done) => context.connectDevice(REAR, done))
    .call("disconnect", (context, done) => context.disconnectDevice(TIMEOUT, REAR, done));
  await host.settled();
  assert.deepEqual(module.calls.slice(1), ["forwardStatus a context"]);
  assert.deepEqual(ended.all, []);
  host.clock.pass(3);
  slow.comeBack("not_ok");
  assert.deepEqual(await ended.none(), [
    "status not_ok",
    "error context_incorrect",
    "acknowledge timeout_occurred",
    "connect ok",
    "disconnect ok",
  ]);
  assert.deepEqual(module.calls, [
    "init company_name=acme car_name=car_a",
    "forwardStatus a context",
    "forwardErrorMessage b context",
    "commandAck c context",
    "isDeviceTypeSupported 1",
    "deviceConnected 1000/1/rear context",
    "deviceDisconnected 1 1000/1/rear context",
  ]);
  const counts = host.statistics.snapshot().map(({ functionName, totalMs }) =>
    `${functionName} ${totalMs}`
  );
  assert.deepEqual(counts, [
    "device_connected 0",
    "device_disconnected 0",
    "forward_status 3",
    "forward_error_message 0",
    "command_ack 0",
  ]);
});

Deno.test("A function that throws or rejects has failed, and the next call is made", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  const throws = () => {
    throw new Error("no battery");
  };
  const rejects = () => Promise.reject(new Error("no road"));
  const status: MakeCall = (context, done) => context.forwardStatus(DEVICE, bytesOf("a"), done);
  module.acts.forwardStatus = throws;
  module.acts.commandAck = rejects;
  module.acts.isDeviceTypeSupported = throws;
  const ended = new Ended(context).call("status", status).call("status", status)
    .call("acknowledge", (context, done) => context.acknowledgeCommand(DEVICE, bytesOf(""), done))
    .call("connect", (context, done) => context.connectDevice(DEVICE, done));
  const failed = ["status not_ok", "status not_ok", "acknowledge not_ok", "connect not_ok"];
  assert.deepEqual(await ended.none(), failed);
  module.acts.isDeviceTypeSupported = () => "ok";
  module.acts.deviceConnected = rejects;
  ended.call("connect", (context, done) => context.connectDevice(DEVICE, done));
  ended.call("disconnect", (context, done) => context.disconnectDevice(0, DEVICE, done, true));
  assert.deepEqual((await ended.none()).slice(4), ["connect not_ok", "disconnect withdrawn"]);
  const said = [
    "WARNING car_a: forward_status failed: no battery",
    "WARNING car_a: command_ack failed: no road",
    "WARNING car_a: is_device_type_supported failed: no battery",
    "WARNING car_a: device_connected failed: no road",
  ];
  assert.deepEqual(host.logged, said);
  // Once a minute is enough.
  host.clock.pass(59_999);
  await ended.call("status", status).none();
  assert.equal(host.logged.length, 4);
  host.clock.pass(1);
  await ended.call("status", status).none();
  assert.deepEqual(host.logged.slice(4), said.slice(0, 1));
});

Deno.test("Calls that wait in the host are withdrawn in their turn, and others are not", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  const slow = later();
  module.acts.forwardStatus = slow.act;
  const large = new Uint8Array(17 * 1024 * 1024);
  const ended = new Ended(context)
    .call("begun", (context, done) => context.forwardStatus(DEVICE, bytesOf("a"), done))
    .call("waiting", (context, done) => context.forwardStatus(DEVICE, bytesOf("b"), done))
    .call("answered", (context, done) => context.forwardStatus(DEVICE, bytesOf("c"), done, true))
    .call("connect", (context, done) => context.connectDevice(REAR, done));
  await host.settled();
  context.withdrawCalls();
  ended.call("if connected", (context, done) => context.disconnectDevice(0, REAR, done, true))
    .call("large", (context, done) => context.forwardStatus(DEVICE, large, done))
    .call("disconnect", (context, done) => context.disconnectDevice(0, REAR, done))
    .call("after", (context, done) => context.forwardStatus(DEVICE, bytesOf("d"), done));
  await host.settled();
  assert.deepEqual(ended.all, []);
  slow.comeBack("ok");
  assert.deepEqual(await ended.none(), [
    "begun ok",
    "waiting withdrawn",
    "answered ok",
    "connect withdrawn",
    "if connected withdrawn",
    "large not_ok",
    "disconnect ok",
    "after ok",
  ]);
  assert.deepEqual(module.calls.slice(1), [
    "forwardStatus a context",
    "forwardStatus c context",
    "deviceDisconnected 0 1000/1/rear context",
    "forwardStatus d context",
  ]);
  // One that is too large when nothing is being executed.
  ended.call("large", (context, done) => context.forwardStatus(DEVICE, large, done));
  assert.equal((await ended.none()).at(-1), "large not_ok");
});

Deno.test("A device is disconnected conditionally only once, and only if its device_connected returned OK", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  const ended = new Ended(context);
  const outcomes: CallOutcome[] = ["not_ok", "ok"];
  module.acts.deviceConnected = () => outcomes.shift() ?? "ok";
  for (const device of [DEVICE, REAR]) {
    ended.call("connect", (context, done) => context.connectDevice(device, done))
      .call("leave", (context, done) => context.disconnectDevice(2, device, done, true))
      .call("again", (context, done) => context.disconnectDevice(2, device, done, true));
  }
  assert.deepEqual(await ended.none(), [
    ...["connect not_ok", "leave withdrawn", "again withdrawn"],
    ...["connect ok", "leave ok", "again withdrawn"],
  ]);
  assert.deepEqual(module.calls.filter((call) => call.startsWith("deviceDisconnected")), [
    "deviceDisconnected 2 1000/1/rear context",
  ]);
});

Deno.test("Commands are popped until none remains, each given back before the next [MODULE-POP] [MODULE-MEMORY]", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  await host.settled();
  assert.deepEqual(module.calls.slice(1), [], "the loop begins held");
  context.releaseCommands();
  await waitFor(() => module.calls.length === 2, "the wait");
  const first = { device: { ...DEVICE, module: -3 }, data: bytesOf("go") };
  const second = { device: REAR, data: bytesOf("") };
  module.pops = [popped(1, first), Promise.resolve(popped(0, second))];
  const slow = later();
  module.acts.forwardStatus = slow.act;
  const ended = new Ended(context)
    .call("status", (context, done) => context.forwardStatus(DEVICE, bytesOf("a"), done));
  await host.settled();
  module.endWait("ok");
  await host.settled();
  assert.deepEqual(host.commands, [], "pop_command has its turn, too");
  slow.comeBack("ok");
  await ended.none();
  await waitFor(() => host.commands.length === 2, "the commands");
  assert.deepEqual(host.commands, [first, second]);
  await host.settled();
  assert.deepEqual(module.calls.slice(1), [
    "waitForCommand 100 context",
    "forwardStatus a context",
    "popCommand context",
    "deallocate 1 context",
    "popCommand context",
    "deallocate 0 context",
    "waitForCommand 100 context",
  ]);
  // Whatever goes wrong with one command, the next call is made.
  context.holdCommands();
  const before = module.calls.length;
  module.onDeallocate = () => {
    throw new Error("freed twice");
  };
  context.releaseCommands();
  module.endWait("ok");
  await waitFor(() => module.calls.length > before + 1, "the pop");
  await ended.call("after", (context, done) => context.forwardStatus(DEVICE, bytesOf("b"), done))
    .none();
  assert.equal(ended.all.at(-1), "after ok");
  assert.deepEqual(host.logged, ["WARNING car_a: pop_command failed: freed twice"]);
  assert.equal(host.commands.length, 2);
});

Deno.test("A pop is a call like any other: nothing else is called meanwhile, and it is watched [MODULE-CALLS]", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  context.releaseCommands();
  await waitFor(() => module.calls.length === 2, "the wait");
  const slow = Promise.withResolvers<PoppedCommand>();
  module.pops = [slow.promise];
  module.endWait("ok");
  await waitFor(() => module.calls.length === 3, "the pop");
  const ended = new Ended(context)
    .call("status", (context, done) => context.forwardStatus(DEVICE, bytesOf("a"), done));
  await host.clock.advance(9000);
  await host.settled();
  assert.deepEqual(host.overdue, ["car_a pop_command 9000"]);
  assert.deepEqual(module.calls.slice(2), ["popCommand context"]);
  slow.resolve(popped(-1));
  assert.deepEqual(await ended.none(), ["status ok"]);
  assert.deepEqual(module.calls.slice(3), ["deallocate -1 context", "forwardStatus a context"]);
  assert.deepEqual(host.commands, []);
});

Deno.test("A command of more than 16 MiB, role and name included, is dropped and logged", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  const sizeOf = (byteLength: number): PoppedCommand => ({
    remaining: 1,
    byteLength,
    copyTo: (target) => target.fill(0),
  });
  module.pops = [sizeOf(MAX_DATA_BYTES + 17), sizeOf(MAX_DATA_BYTES + 16)];
  context.releaseCommands();
  await waitFor(() => module.calls.length === 2, "the wait");
  module.endWait("ok");
  await waitFor(() => host.commands.length === 1, "the command");
  assert.equal(host.commands[0]?.data.length, MAX_DATA_BYTES);
  assert.deepEqual(host.logged.slice(0, 1), [
    "WARNING car_a: Command dropped: it may have 16777216 bytes: 16777217",
  ]);
});

Deno.test("A wait that throws has failed, and a pause follows", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  module.waitForCommand = () => {
    module.calls.push("wait");
    throw new Error("no line");
  };
  context.releaseCommands();
  await waitFor(() => module.calls.length === 2, "the wait");
  await host.settled();
  assert.equal(module.calls.length, 2);
  await host.clock.advance(10);
  assert.equal(module.calls.length, 3);
  assert.deepEqual(host.logged, ["WARNING car_a: wait_for_command failed: no line"]);
});

Deno.test("A module is loaded once for all its contexts, and again when it could not be [MODULE-SHARED]", async () => {
  const loads: string[] = [];
  const module = new ScriptedModule();
  let load: () => ScriptedModule | Promise<ScriptedModule> = () => {
    throw new LibraryError("symbol", "the library has no function");
  };
  await using host = new NearHost((path) => {
    loads.push(path);
    return load();
  });
  assert.equal(await failureOf(host.create()), "symbol: the library has no function");
  load = () => Promise.reject(new TypeError("bad module"));
  assert.equal(await failureOf(host.create()), "host: TypeError: bad module");
  load = () => Promise.resolve(module);
  const first = [host.create("car_a"), host.create("car_b")];
  assert.deepEqual(await Promise.all(first.map(failureOf)), ["made", "made"]);
  assert.equal(await failureOf(host.create("car_c")), "made");
  assert.equal(await failureOf(host.create("car_d", { path: "other.so" })), "made");
  assert.deepEqual(
    loads.map((path) => path.slice("/nowhere/".length)),
    ["module.so", "module.so", "module.so", "other.so"],
  );
  assert.deepEqual(host.loaded, ["car_a", "car_b", "car_c", "car_d"]);
});

Deno.test("A context is not made of a module with another number, or whose init fails [MODULE-NUMBER]", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  module.number = () => Promise.resolve(7);
  assert.equal(
    await failureOf(host.create()),
    "number: the library is module 7, the configuration says 1000",
  );
  module.number = () => 1000;
  module.made = () => null;
  assert.equal(await failureOf(host.create()), "init: init returned NULL");
  module.made = () => Promise.reject(new Error("no license"));
  assert.equal(await failureOf(host.create()), "init: init failed: Error: no license");
  assert.deepEqual(host.loaded, ["car_a", "car_a"], "not of the one with another number");
  assert.equal(host.contexts.places, 0);
  // A host that lacks something of its own, and only such a one, is not asked again.
  assert.deepEqual([host.blocked, host.contexts.exhausted], [[], false]);
  assert.deepEqual(host.changes, ["change", "change", "change"]);
});

Deno.test("A context whose parameters do not fit into a frame is refused", async () => {
  await using host = new NearHost(() => new ScriptedModule());
  const config = { map: "x".repeat(MAX_FRAME_BYTES) };
  assert.match(await failureOf(host.create("car_a", { config })), /^init: .* too large/);
  assert.equal(await failureOf(host.create("car_a")), "made");
  assert.equal(host.contexts.places, 1);
});

Deno.test("A car that throws when its context is made harms no other", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  host.onLoaded = host.onCommand = () => {
    throw new Error("no car");
  };
  const context = await host.create();
  context.releaseCommands();
  await waitFor(() => module.calls.length === 2, "the wait");
  module.pops = [popped(0, { device: DEVICE, data: bytesOf("go") })];
  module.endWait("ok");
  await waitFor(() => host.commands.length === 1, "the command");
  await host.settled();
  const said = /^ERROR car_a: Callback of a module call failed: Error: no car/;
  assert.deepEqual(host.logged.map((line) => said.test(line)), [true, true]);
});

Deno.test("A trial leaves no context behind, and of `load` not even one that was made", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  await host.create("car_a", { purpose: "load" });
  assert.deepEqual([module.calls, host.loaded], [[], []]);
  await host.create("car_a", { purpose: "init" });
  assert.deepEqual(module.calls, ["init company_name=acme car_name=car_a", "destroy context"]);
  assert.deepEqual([host.loaded, host.contexts.places], [["car_a"], 0]);
});

Deno.test("A context is destroyed when its wait and its calls have returned [MODULE-DESTROY]", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  context.releaseCommands();
  await waitFor(() => module.calls.length === 2, "the wait");
  const slow = later();
  module.acts.forwardStatus = slow.act;
  module.acts.destroy = () => "not_ok";
  const ended = new Ended(context)
    .call("status", (context, done) => context.forwardStatus(DEVICE, bytesOf("a"), done));
  const destroyed = context.destroy();
  await host.settled();
  slow.comeBack("ok");
  await ended.none();
  await host.settled();
  assert.ok(!module.calls.includes("destroy context"));
  module.endWait("ok");
  await waitFor(destroyed, "the context to be destroyed");
  assert.deepEqual(module.calls.slice(2), ["forwardStatus a context", "destroy context"]);
  assert.deepEqual(host.logged, ["WARNING car_a: destroy failed: not_ok"]);
  assert.equal(host.contexts.places, 0);
  assert.deepEqual(host.changes, ["change", "change"]);
  assert.deepEqual([...host.blocked], []);
});

Deno.test("A destroy that throws has failed, and the context is gone", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  module.acts.destroy = () => Promise.reject(new Error("busy"));
  await waitFor(context.destroy(), "the context to be destroyed");
  assert.deepEqual(host.logged, ["WARNING car_a: destroy failed: busy"]);
  assert.equal(host.contexts.places, 0);
});

Deno.test("A context that is not destroyed in time keeps its place until it is", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  const slow = later();
  module.acts.forwardStatus = slow.act;
  const ended = new Ended(context)
    .call("status", (context, done) => context.forwardStatus(DEVICE, bytesOf("a"), done));
  const destroyed = context.destroy();
  await host.settled();
  host.clock.pass(4999);
  await host.settled();
  assert.equal(host.contexts.snapshot().length, 1);
  host.clock.pass(1);
  await waitFor(destroyed, "the context to be given up");
  assert.deepEqual(await ended.none(), ["status host_lost"]);
  assert.deepEqual([host.contexts.places, host.contexts.snapshot().length], [1, 0]);
  assert.deepEqual(host.blocked, [1]);
  slow.comeBack("ok");
  await waitFor(() => host.contexts.places === 0, "the place");
  assert.deepEqual(host.blocked, [1, 0]);
  assert.equal(host.clock.timers, 1, "the watch over calls");
});

Deno.test("A call that is executed for too long is named, as often as it is looked at", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  module.acts.deviceConnected = later().act;
  context.connectDevice(DEVICE, () => {});
  await host.settled();
  await host.clock.advance(8000);
  await host.settled();
  assert.deepEqual(host.overdue, []);
  await host.clock.advance(1000);
  await host.settled();
  assert.deepEqual(host.overdue, ["car_a device_connected 9000"]);
  await host.clock.advance(1000);
  await host.settled();
  assert.equal(host.overdue.length, 2);
});

Deno.test("Making a context is watched, and the destroy of a trial", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const init = Promise.withResolvers<string>();
  const slow = later();
  module.made = () => init.promise;
  module.acts.destroy = slow.act;
  const trial = host.create("car_a", { purpose: "init" });
  await waitFor(() => module.calls.length === 1, "init");
  await host.clock.advance(9000);
  await host.settled();
  init.resolve("context");
  await waitFor(() => module.calls.length === 2, "destroy");
  await host.clock.advance(9000);
  await host.settled();
  slow.comeBack("ok");
  await trial;
  await host.clock.advance(20_000);
  await host.settled();
  assert.deepEqual(host.overdue, ["car_a init 9000", "car_a destroy 9000"]);
});

Deno.test("Time in which the host was stopped counts for no call", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  module.acts.forwardStatus = later().act;
  context.forwardStatus(DEVICE, bytesOf("a"), () => {});
  await host.settled();
  // The watch is late: clocks do not tick in a process that is stopped.
  host.clock.jump(100_000);
  await host.clock.advance(1000);
  await host.settled();
  assert.deepEqual(host.overdue, []);
  await host.clock.advance(7000);
  await host.settled();
  assert.deepEqual(host.overdue, []);
  await host.clock.advance(1000);
  await host.settled();
  assert.deepEqual(host.overdue, ["car_a forward_status 9000"]);
});

Deno.test("A wait that does not return is logged once, each time [MODULE-BLOCKING]", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const context = await host.create();
  context.releaseCommands();
  for (const nth of [1, 2]) {
    await waitFor(() => module.calls.length === nth + 1, "the wait");
    await host.clock.advance(8100);
    await host.settled();
    assert.equal(host.logged.length, nth - 1);
    await host.clock.advance(30_000);
    await host.settled();
    assert.equal(host.logged.length, nth);
    module.endWait("timeout_occurred");
  }
  assert.match(
    host.logged[0] ?? "",
    /^WARNING car_a: wait_for_command has not come back for 9\d{3} ms: its timeout is 100 ms$/,
  );
  assert.deepEqual(host.overdue, []);
});

Deno.test("A host says how much memory it has, and ends when its server is gone", async () => {
  const host = new NearHost(() => new ScriptedModule());
  await host.settled();
  const [bytes = 0] = host.pongs;
  assert.ok(bytes > 10 * 1024 * 1024 && bytes < Deno.memoryUsage().rss * 2, `${bytes} bytes`);
  assert.equal(bytes % 1024, 0);
  await host[Symbol.asyncDispose]();
  assert.deepEqual(host.changes, ["stop"]);
  assert.equal(host.clock.timers, 0);
});

Deno.test("A host ignores frames about contexts that it does not have", async () => {
  const module = new ScriptedModule();
  await using host = new NearHost(() => module);
  const { channel } = host.contexts;
  for (const kind of Object.values(FrameKind)) {
    if (kind === FrameKind.CREATE || kind >= 32) continue;
    channel.out.deviceFrame(kind, 9, 0, DEVICE, bytesOf("a"));
  }
  channel.flush();
  await waitFor(() => host.pongs.length === 1, "the answer to PING");
  await host.create();
  assert.deepEqual(module.calls, ["init company_name=acme car_name=car_a"]);
});
