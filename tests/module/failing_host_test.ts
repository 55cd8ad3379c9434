// Libraries that crash, hang or end the process: what their cars hear.
import assert from "node:assert/strict";
import type { ModuleContext } from "../../src/module/context.ts";
import { ModuleHostError, ModuleLoadError } from "../../src/module/errors.ts";
import type { CallOutcome } from "../../src/protocol/module_interface.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import {
  connect,
  DEVICE,
  forward,
  isAlive,
  openContext,
  recorded,
  specOf,
  startHost,
} from "./support.ts";

/** How to have the server make each call. */
const CALLS: Readonly<Record<string, (context: ModuleContext) => void>> = {
  forward_status: (context) => context.forwardStatus(DEVICE, new Uint8Array(3), () => {}),
  forward_error_message: (context) =>
    context.forwardErrorMessage(DEVICE, new Uint8Array(3), () => {}),
  device_connected: (context) => context.connectDevice(DEVICE, () => {}),
  device_disconnected: (context) => context.disconnectDevice(0, DEVICE, () => {}),
  command_ack: (context) => context.acknowledgeCommand(DEVICE, new Uint8Array(3), () => {}),
  wait_for_command: () => {},
  pop_command: () => {},
  destroy: (context) => void context.destroy(),
};

for (const [functionName, call] of Object.entries(CALLS)) {
  Deno.test(`A crash in ${functionName} loses every context of the host once`, async () => {
    const exits: string[] = [];
    await using test = await startHost({ onExit: (reason) => exits.push(reason) });
    const bystander = await openContext(test.host, specOf("car_b"));
    const crashing = specOf("car_a", { crash_in: functionName, commands_at_start: 1 });
    const { context, lostCount } = await openContext(test.host, crashing);
    call(context);
    const { reason, blame } = await waitFor(bystander.lost, "the bystander to hear of it");
    assert.equal(reason, "it was ended by SIGSEGV");
    assert.equal(blame, "possible");
    await waitFor(test.host.exited, "the host to end");
    assert.deepEqual(exits, [reason]);
    assert.equal(bystander.lostCount(), 1);
    assert.equal(lostCount(), functionName === "destroy" ? 0 : 1);
    await waitFor(context.destroy(), "destroy of a lost context");
    assert.equal(await forward(context), "host_lost");
  });
}

/** What a library can do to its process, what is said of it, and whether whoever was busy is blamed. */
const ENDINGS: readonly (readonly [how: string, reason: RegExp, blames: boolean])[] = [
  ["abort", /^it was ended by SIGABRT$/, true],
  ["exit", /^it ended with exit status 3$/, true],
  ["quit", /^it ended with exit status 3$/, true],
  ["kill", /^it was ended by SIGKILL$/, false],
  ["child", /^it was ended by SIGSEGV$/, true],
  ["close_files", /^it (ended with exit status \d+|was ended by SIG\w+)$/, true],
  ["memory", /^it (ended with exit status \d+|was ended by SIG\w+)$/, true],
  // What the runtime makes of it depends on its version.
  [
    "end_thread",
    /^(it was ended by SIGABRT|forward_status of module 1000 of car "car_a" has)/,
    true,
  ],
];

/** Calls one after the other, so that one is under way at every moment until the host is lost. */
async function callUntilLost(context: ModuleContext): Promise<void> {
  while (await forward(context) !== "host_lost");
}

for (const [how, reason, blames] of ENDINGS) {
  Deno.test(`A library that does "${how}" in a call is named in the reason, for neighbors in calls as well`, async () => {
    await using test = await startHost({ moduleCallTimeoutMs: 4000 });
    const neighbor = await openContext(test.host, specOf("car_b", { forward_status_ms: 1000 }));
    const config = { crash_in: "forward_status", crash_how: how };
    const { context, lost } = await openContext(test.host, specOf("car_a", config));
    const neighborsLoss = callUntilLost(neighbor.context);
    const outcome = await forward(context);
    // One that has no memory left may still answer before it ends.
    assert.ok(outcome === "host_lost" || how === "memory", `it was "${outcome}"`);
    await waitFor(neighborsLoss, "a call of the neighbor to be lost");
    const heard = await waitFor(lost, "the loss");
    assert.match(heard.reason, reason);
    if (how !== "memory") assert.equal(heard.blame, blames ? "likely" : "none");
    assert.equal((await waitFor(neighbor.lost, "the neighbor's loss")).reason, heard.reason);
    assert.ok(!isAlive(test.host.pid));
  });
}

for (const denied of ["net", "run"] as const) {
  Deno.test({
    name: `ModuleHost.start() says so when it may not use "${denied}", and leaves nothing behind`,
    // Without files, it would go over the network.
    permissions: { read: true, write: false, env: true, net: true, run: true, [denied]: false },
    fn: async () => {
      await assert.rejects(startHost(), (error) => {
        assert.ok(error instanceof ModuleHostError);
        assert.match(error.message, new RegExp(`^Cannot start module host: .*${denied}`));
        return true;
      });
    },
  });
}

Deno.test("A crash in init rejects createContext() with kind host", async () => {
  await using test = await startHost();
  const crashing = specOf("car_a", { crash_in: "init" });
  await assert.rejects(openContext(test.host, crashing), (error) => {
    assert.ok(error instanceof ModuleLoadError);
    assert.equal(error.kind, "host");
    assert.match(error.message, /car "car_a".*SIGSEGV/);
    assert.equal(error.blame, "likely");
    return true;
  });
});

Deno.test("A host killed from outside while it makes a context blames no module", async () => {
  await using test = await startHost();
  const loaded = Promise.withResolvers<void>();
  const slow = specOf("car_a", { init_ms: 60_000 });
  const listener = { onLoaded: loaded.resolve, onCommand() {}, onLost() {} };
  const made = test.host.createContext(slow, listener);
  void loaded.promise.then(() => Deno.kill(test.host.pid, "SIGKILL"));
  await assert.rejects(waitFor(made, "the context"), (error) => {
    assert.ok(error instanceof ModuleLoadError);
    assert.deepEqual([error.kind, error.blame], ["host", "none"]);
    return true;
  });
});

Deno.test("A host killed from outside that held much memory may have been killed for that", async () => {
  // Long enough for a busy machine to allocate that much memory.
  await using test = await startHost({ moduleCallTimeoutMs: 8000 });
  const leaks = { crash_in: "forward_status", crash_how: "leak", leak_bytes: 600 * 2 ** 20 };
  const { context, lost } = await openContext(test.host, specOf("car_a", leaks));
  assert.equal(await forward(context), "ok");
  const isLarge = () => test.host.snapshot().residentBytes > 600 * 2 ** 20;
  await waitFor(isLarge, "the host to say how large it is");
  Deno.kill(test.host.pid, "SIGKILL");
  assert.equal((await waitFor(lost, "the loss")).blame, "possible");
});

Deno.test("crash_once lets a new host live", async () => {
  await using folder = await TempFolder.make();
  const spec = specOf("car_a", { crash_in: "init", crash_once: folder.file("crashed") });
  await using first = await startHost();
  await assert.rejects(openContext(first.host, spec), /SIGSEGV/);
  await using second = await startHost();
  const { context } = await openContext(second.host, spec);
  assert.equal(await forward(context), "ok");
});

Deno.test("A host killed in the middle of calls ends each of them once, in order, then calls onLost", async () => {
  await using test = await startHost();
  const { context, lost } = await openContext(
    test.host,
    specOf("car_a", { forward_status_ms: 100 }),
  );
  const heard: string[] = [];
  void lost.then(() => heard.push("lost"));
  const ended = Promise.withResolvers<void>();
  for (let i = 0; i < 100; i++) {
    context.forwardStatus(DEVICE, new Uint8Array(3), (outcome) => {
      heard.push(`${i} ${outcome}`);
      if (i === 3) Deno.kill(test.host.pid, "SIGKILL");
      if (i === 99) ended.resolve();
    });
  }
  await waitFor(ended.promise, "the last call");
  assert.deepEqual(await waitFor(lost, "the loss"), {
    reason: "it was ended by SIGKILL",
    blame: "none",
  });
  assert.deepEqual(heard.map((line) => line.split(" ")[0]), [
    ...Array.from({ length: 100 }, (_, i) => String(i)),
    "lost",
  ]);
  assert.equal(heard[0], "0 ok");
  assert.equal(heard[99], "99 host_lost");
});

for (const how of ["loop", "hang"]) {
  Deno.test(`A call that executes too long (${how}) is named, and its host killed`, async () => {
    await using test = await startHost({ moduleCallTimeoutMs: 4000 });
    const hanging = specOf("car_a", { crash_in: "forward_status", crash_how: how });
    const { context, lost } = await openContext(test.host, hanging);
    const bystander = await openContext(test.host, specOf("car_b", { forward_status_ms: 1000 }));
    const call = forward(context);
    // The neighbor's calls are slow, and one of them is under way at that moment.
    const bystandersLoss = callUntilLost(bystander.context);
    assert.equal(await call, "host_lost");
    await waitFor(bystandersLoss, "a call of the neighbor to be lost");
    const { reason, blame } = await waitFor(lost, "the loss");
    assert.match(reason, /^forward_status of module 1000 of car "car_a" has not come back/);
    assert.equal(blame, "likely");
    assert.equal((await waitFor(bystander.lost, "the other loss")).blame, "none");
    assert.ok(test.logged.some((line) => /^ERROR car_a: .*forward_status/.test(line)));
  });
}

Deno.test("A call that waits behind others is not too long", async () => {
  await using test = await startHost({ moduleCallTimeoutMs: 2000 });
  const { context } = await openContext(test.host, specOf("car_a", { forward_status_ms: 400 }));
  const outcomes = await Promise.all(Array.from({ length: 8 }, () => forward(context)));
  assert.deepEqual(new Set(outcomes), new Set<CallOutcome>(["ok"]));
});

Deno.test("A wait that does not return is logged once and does not kill the host", async () => {
  await using test = await startHost({ moduleCallTimeoutMs: 5000, destroyTimeoutMs: 10 });
  const waits = { wait_ms: 60_000 };
  const warnings = (car: string) =>
    test.logged.filter((line) => line.startsWith(`WARNING ${car}: wait_for_command has not come`));
  const { context } = await openContext(test.host, specOf("car_a", waits));
  await waitFor(() => warnings("car_a").length > 0, "the warning");
  // Until the second one is complained of, the watch has looked at the first again and again.
  await openContext(test.host, specOf("car_b", waits));
  await waitFor(() => warnings("car_b").length > 0, "the other warning");
  assert.equal(warnings("car_a").length, 1);
  assert.equal(await forward(context), "ok");
});

Deno.test("A host whose event loop is stuck is killed by its parent", async () => {
  await using test = await startHost({ moduleCallTimeoutMs: 2000 });
  const { lost } = await openContext(test.host, specOf("car_a"));
  Deno.kill(test.host.pid, "SIGSTOP");
  assert.match((await waitFor(lost, "the loss")).reason, /did not answer/);
});

/** More than a host has without a leak, and less than with it. */
const MUCH_MEMORY = 200 * 1024 * 1024;
const LEAK = { crash_in: "forward_status", crash_how: "leak", leak_bytes: 2 * MUCH_MEMORY };

Deno.test("A host above its memory limit is killed, and no module is known to be the cause", async () => {
  await using test = await startHost({ moduleCallTimeoutMs: 8000, maxMemoryBytes: MUCH_MEMORY });
  const { context, lost } = await openContext(test.host, specOf("car_a", LEAK));
  const busy = await openContext(test.host, specOf("car_b", { forward_status_ms: 1000 }));
  const busyLoss = callUntilLost(busy.context);
  // On a busy machine the host may be found too large before the call has returned.
  await forward(context);
  await waitFor(busyLoss, "a call of the neighbor to be lost");
  const heard = await waitFor(lost, "the loss");
  assert.match(heard.reason, /^it has \d+ MiB of memory: max_host_memory_bytes is 209715200$/);
  assert.equal(heard.blame, "possible");
  assert.equal((await waitFor(busy.lost, "the other loss")).blame, "possible");
  assert.ok(test.logged.some((line) => /^ERROR -: Killing module host \d+: it has/.test(line)));
});

Deno.test("A host without a memory limit causes a warning when it has very much", async () => {
  // Long enough for a busy machine to allocate that much memory.
  await using test = await startHost({ moduleCallTimeoutMs: 8000, warnMemoryBytes: MUCH_MEMORY });
  const { context } = await openContext(test.host, specOf("car_a", LEAK));
  for (const car of ["car_b", "car_c", "car_d", "car_e"]) await openContext(test.host, specOf(car));
  assert.equal(await forward(context), "ok");
  const warning = () => test.logged.find((line) => line.startsWith("WARNING"));
  await waitFor(() => warning() !== undefined, "the warning");
  assert.match(
    warning() ?? "",
    /has \d+ MiB of memory: a module of 5 cars may leak \(car_a, car_b, car_c, and 2 more\)/,
  );
  assert.equal(await forward(context), "ok");
});

Deno.test("A host ignores SIGINT and SIGTERM: its parent decides", async () => {
  await using test = await startHost();
  const { context } = await openContext(test.host, specOf("car_a"));
  const status = await Deno.readTextFile(`/proc/${test.host.pid}/status`);
  const caught = BigInt(`0x${/^SigCgt:\s+(\w+)$/m.exec(status)?.[1]}`);
  // Ignored by the system alone they would end it, once the runtime has set handlers of its own.
  const all = [1n, 2n, 15n].reduce((mask, signal) => mask | 1n << (signal - 1n), 0n);
  assert.equal(caught & all, all);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.kill(test.host.pid, signal);
    assert.equal(await forward(context), "ok");
  }
});

Deno.test("A host in which everything hangs is gone after stop(), in a bounded time", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const config = { record, crash_in: "forward_status", crash_how: "hang", wait_ms: 60_000 };
  const { context } = await openContext(test.host, specOf("car_a", config));
  const call = forward(context);
  await waitFor(async () => (await recorded(record, "forward_status")).length > 0, "the call");
  await waitFor(test.host.stop({ destroyTimeoutMs: 300 }), "stop", 20_000);
  assert.equal(await call, "host_lost");
  assert.ok(!isAlive(test.host.pid));
});

Deno.test("A host keeps 15 contexts callable while all 15 block in wait_for_command", async () => {
  await using folder = await TempFolder.make();
  await using test = await startHost();
  const contexts = await Promise.all(Array.from({ length: 15 }, async (_, i) => {
    const record = folder.file(`car_${i}`);
    const config = { wait_ms: 60_000, forward_status_ms: 3000, record };
    const { context } = await openContext(test.host, specOf(`car_${i}`, config));
    await waitFor(async () => (await recorded(record, "wait_for_command")).length > 0, "a wait");
    return context;
  }));
  // Would each of them have to wait for another, there could be no moment in which all 15 run.
  const outcomes = await Promise.all(contexts.map((context) => forward(context)));
  assert.deepEqual(new Set(outcomes), new Set<CallOutcome>(["ok"]));
  const times = (functionName: string) =>
    Promise.all(contexts.map((_, i) => firstTimeMs(folder.file(`car_${i}`), functionName)));
  const lastBeginMs = Math.max(...await times("forward_status"));
  const firstEndMs = Math.min(...await times("forward_status_end"));
  assert.ok(
    lastBeginMs < firstEndMs,
    `one began ${lastBeginMs - firstEndMs} ms after another's end`,
  );
  assert.deepEqual(
    new Set(await Promise.all(contexts.map((context) => connect(context)))),
    new Set<CallOutcome>(["ok"]),
  );
});

/** When a function was first called according to a record, on its clock, in milliseconds. */
async function firstTimeMs(record: string, functionName: string): Promise<number> {
  const lines = (await Deno.readTextFile(record)).split("\n").map((line) => line.split(" "));
  return Number(lines.find(([, , name]) => name === functionName)?.[0]) / 1000;
}
