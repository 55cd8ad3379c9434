// How calls of a gateway's module are spread over hosts, step by step, on a clock of the test's.
import assert from "node:assert/strict";
import { WINDOW } from "../../../src/module/call_queue.ts";
import type { HostedModuleOptions } from "../../../src/module/gateway/model.ts";
import type { OpenCall } from "../../../src/module/gateway/open_call.ts";
import { SPELL_MS } from "../../../src/module/gateway/slow_spell.ts";
import { WaitingCalls } from "../../../src/module/gateway/waiting_calls.ts";
import { GatewayStatistics } from "../../../src/module/statistics.ts";
import { MAX_DATA_BYTES } from "../../../src/module/wire/frames.ts";
import { waitFor } from "../../support/wait.ts";
import { NearHosts, settled } from "./near_hosts.ts";
import { aggregate, bytes, said, startModule } from "./support.ts";

/** A module whose hosts are near; one is spare. */
async function near(options: HostedModuleOptions = {}) {
  const hosts = new NearHosts();
  const { clock, connect } = hosts;
  const limits = { slowCallMs: 50, callTimeoutMs: 5000, startTimeoutMs: 10_000 };
  const test = await startModule({ clock, ...limits, ...options }, {}, connect);
  await settled();
  const pids = () => test.module.snapshot().hosts.map(({ pid }) => pid);
  const dispose = async () => {
    await test[Symbol.asyncDispose]();
    // What the far sides of the connections still had to write.
    await settled();
  };
  return { ...test, hosts, clock, pids, [Symbol.asyncDispose]: dispose };
}

Deno.test("Calls are made in the first host, one after the other, while the spare one stands by", async () => {
  await using test = await near();
  assert.deepEqual(test.pids(), [1, 2]);
  const calls = ["hold", "b", "c"].map((text) => said(test.module, text));
  const held = await test.hosts.held(1);
  await settled();
  assert.deepEqual(test.hosts.host(1).calls, ["hold"]);
  assert.deepEqual(test.module.snapshot().hosts.map(({ openCalls }) => openCalls), [3, 0]);
  held.answer();
  assert.deepEqual(await Promise.all(calls), ["0 1", "0 1", "0 1"]);
  assert.deepEqual(test.hosts.host(2).calls, []);
  assert.deepEqual(test.logged, []);
  await test.hosts.pass(200_000);
  assert.deepEqual(test.pids(), [1, 2]);
});

Deno.test("Without calls and without surplus hosts, only the watchdogs have timers", async () => {
  await using test = await near();
  assert.equal(test.clock.timers, 2);
  assert.equal(await said(test.module, "a"), "0 1");
  await test.hosts.pass(100, 10);
  assert.equal(test.clock.timers, 2);
});

Deno.test("Calls behind a slow one are made in the next host, each once", async () => {
  await using test = await near();
  const { module, hosts, logged } = test;
  const slow = said(module, "hold");
  const others = ["b", "c"].map((text) => said(module, text));
  const held = await hosts.held(1);
  await hosts.pass(75, 25);
  assert.deepEqual(await Promise.all(others), ["0 2", "0 2"]);
  assert.deepEqual(hosts.host(1).calls, ["hold"]);
  assert.deepEqual(hosts.host(2).calls, ["b", "c"]);
  assert.deepEqual(module.snapshot().hosts.map(({ state }) => state), ["slow", "ready", "ready"]);
  assert.equal(await said(module, "d"), "0 2");
  assert.deepEqual(logged, []);
  await hosts.pass(25, 25);
  held.answer();
  assert.equal(await slow, "0 1");
  assert.equal(await said(module, "e"), "0 1");
  assert.deepEqual(logged, [
    "WARNING -: Module 1000 is slow: aggregate_status took 100 ms, slow-call-ms is 50. " +
    "Calls for other devices do not wait for it",
  ]);
});

Deno.test("A spell of slow calls is logged at its beginning and its end, and surplus hosts go", async () => {
  await using test = await near();
  const { module, hosts, logged } = test;
  for (const ms of [60, 150]) {
    const slow = said(module, "hold");
    const held = await hosts.held(1);
    await hosts.pass(ms, 10);
    held.answer();
    assert.equal(await slow, "0 1");
  }
  await hosts.pass(100, 25);
  assert.equal(module.snapshot().isSlow, true);
  assert.deepEqual(test.pids(), [1, 2, 3]);
  assert.equal(logged.length, 1);
  await hosts.pass(SPELL_MS + 2000);
  assert.deepEqual(logged.slice(1), [
    "INFO -: Module 1000 is no longer slow: 2 calls took longer than 50 ms, at most 150 ms",
  ]);
  assert.equal(module.snapshot().isSlow, false);
  assert.equal(test.pids().length, 2);
  assert.equal(module.snapshot().lostHosts, 0);
  assert.equal(test.clock.timers, 2);
});

Deno.test("A call is watched from its beginning, also while only a spell is", async () => {
  await using test = await near();
  const { module, hosts } = test;
  for (let count = 0; count < 2; count++) {
    const slow = said(module, "hold");
    const held = await hosts.held(1);
    await hosts.pass(75, 25);
    assert.equal(module.snapshot().hosts[0]?.state, "slow");
    held.answer();
    await slow;
    await hosts.pass(100, 25);
  }
});

Deno.test("There are no more hosts than the limit; calls wait for one, but not forever", async () => {
  await using test = await near({ maxHosts: 2, callTimeoutMs: 5000 });
  const { module, hosts } = test;
  const slow = said(module, "hold 1");
  const one = await hosts.held(1);
  await hosts.pass(100, 25);
  const slower = said(module, "hold 2");
  const two = await hosts.held(2);
  await hosts.pass(100, 25);
  const waiting = said(module, "c");
  await settled();
  assert.equal(module.snapshot().waitingCalls, 1);
  assert.deepEqual(test.pids(), [1, 2]);
  two.answer();
  assert.deepEqual(await Promise.all([slower, waiting]), ["0 2", "0 2"]);
  one.answer();
  assert.equal(await slow, "0 1");
});

Deno.test("A call that never returns is ended with its host; those that waited for one as long fail too", async () => {
  await using test = await near({ maxHosts: 1, spareHosts: 0 });
  const { module, hosts, logged } = test;
  const hung = said(module, "hold");
  const behind = said(module, "b");
  await hosts.held(1);
  await hosts.pass(2000, 25);
  const later = said(module, "c");
  await hosts.pass(3400, 25);
  const why = "ModuleHostError: Cannot call aggregate_status of module 1000: ";
  const lost = "aggregate_status has not come back for ";
  assert.ok((await hung).startsWith(`${why}the module host was killed: ${lost}50`), await hung);
  assert.equal(await behind, `${why}no module host was free for 5000 ms`);
  assert.equal(await later, "0 2");
  assert.match(logged.join("\n"), /^WARNING -: Module 1000 is slow: aggregate_status took 50\d\d/);
  assert.match(logged.join("\n"), /\nERROR -: Module host 1 of module 1000 was lost: aggr.* ms$/);
  assert.equal(module.snapshot().lastLoss?.startsWith(lost), true);
});

Deno.test("The deadline of a call may be shorter than what counts as slow", async () => {
  await using test = await near({ slowCallMs: 10_000, callTimeoutMs: 100 });
  const hung = said(test.module, "hold");
  await test.hosts.held(1);
  await test.hosts.pass(200, 25);
  assert.match(await hung, /aggregate_status has not come back for 1\d\d ms$/);
});

Deno.test("Calls that were in a host that crashed are made one at a time, until one is alone in a crash", async () => {
  await using test = await near({ spareHosts: 2 });
  const { module, hosts, logged } = test;
  const calls = ["hold a", "hold b", "c"].map((text) => said(module, text));
  await hosts.held(1);
  hosts.host(1).crash("SIGSEGV");
  const a = await hosts.held(2);
  await hosts.held(3);
  await settled();
  assert.deepEqual(hosts.host(2).calls, ["hold a"]);
  assert.deepEqual(hosts.host(3).calls, ["hold b"]);
  a.answer();
  assert.equal(await calls[0], "0 2");
  assert.equal(await calls[2], "0 2");
  hosts.host(3).crash("SIGABRT");
  assert.equal(
    await calls[1],
    "ModuleHostError: Cannot call aggregate_status of module 1000: " +
      "the module host was lost: it was ended by SIGABRT",
  );
  assert.deepEqual(logged, [
    "ERROR -: Module host 1 of module 1000 was lost during aggregate_status: it was ended by SIGSEGV",
    "ERROR -: Module host 3 of module 1000 was lost during aggregate_status: it was ended by SIGABRT",
  ]);
});

Deno.test("A host that was killed from outside has no culprit: its only call is made again", async () => {
  await using test = await near();
  const call = said(test.module, "hold");
  await test.hosts.held(1);
  test.hosts.host(1).crash("SIGKILL");
  (await test.hosts.held(2)).answer();
  assert.equal(await call, "0 2");
});

Deno.test("A host with too much memory is replaced, and its calls are made again", async () => {
  await using test = await near({ maxMemoryBytes: 1, slowCallMs: 5000, callTimeoutMs: 60_000 });
  const call = said(test.module, "hold");
  await test.hosts.held(1);
  await test.hosts.pass(5000);
  // Both hosts are gone; the next one starts after a pause.
  await test.hosts.pass(500, 25);
  const replacement = await test.hosts.held(3);
  replacement.answer();
  assert.equal(await call, "0 3");
  assert.match(
    test.logged[0] ?? "",
    /^ERROR -: Killing module host 1: it has \d+ MiB of memory: max-host-memory-bytes is 1$/,
  );
});

Deno.test("Hosts are replaced after pauses that grow, and a repeated failure is logged once", async () => {
  await using test = await near({ spareHosts: 0 });
  const { module, hosts, clock, logged } = test;
  hosts.failure = "Cannot start module host: no";
  hosts.host(1).crash("SIGSEGV");
  await settled();
  const pauses: number[] = [];
  for (let attempt = 1; attempt <= 8; attempt++) {
    const before = hosts.attempts;
    pauses.push(await clock.next());
    await settled();
    assert.equal(hosts.attempts, before + 1);
  }
  pauses.forEach((pause, index) => {
    const longest = Math.min(100 * 2 ** index, 5000);
    assert.ok(pause >= longest / 2 - 1 && pause <= longest + 1, `${pauses}`);
  });
  assert.deepEqual(logged, [
    "ERROR -: Module host 1 of module 1000 was lost: it was ended by SIGSEGV",
    "ERROR -: Cannot replace a host of module 1000: Cannot start module host: no",
  ]);
  hosts.failure = null;
  await clock.next();
  await settled();
  assert.deepEqual(test.pids(), [2]);
  assert.equal(await said(module, "a"), "0 2");
});

Deno.test("A failure long ago makes nobody wait for a further host", async () => {
  await using test = await near();
  const { module, hosts } = test;
  hosts.host(1).crash("SIGSEGV");
  await settled();
  await hosts.pass(125, 25);
  assert.deepEqual(test.pids(), [2, 3]);
  await hosts.pass(60_000);
  const attempts = hosts.attempts;
  const slow = said(module, "hold");
  const held = await hosts.held(2);
  await hosts.pass(75, 25);
  assert.equal(hosts.attempts, attempts + 1);
  held.answer();
  assert.equal(await slow, "0 2");
});

Deno.test("Calls that wait are bounded; a call that is too large disturbs no other", async () => {
  await using test = await near({ maxHosts: 1, spareHosts: 0, callTimeoutMs: 60_000 });
  const { module, hosts } = test;
  const why = "ModuleHostError: Cannot call aggregate_status of module 1000: ";
  const large = await said(module, aggregate("a", "x".repeat(MAX_DATA_BYTES + 100_000)));
  assert.match(large, /: its data is too large: \d+ bytes$/);
  const first = said(module, "hold");
  const held = await hosts.held(1);
  // The window of the host, and all that may wait.
  const others = Array.from(
    { length: WINDOW.calls - 1 + 10_000 },
    () => module.call(aggregate("b")),
  );
  assert.equal(await said(module, "b"), `${why}10000 calls wait already`);
  held.answer();
  assert.equal(await first, "0 1");
  await waitFor(Promise.all(others), "all other calls");
  assert.equal(hosts.host(1).calls.length, 1 + others.length);
});

Deno.test("Waiting calls are bounded in bytes, but one call may have more", () => {
  const counter = new GatewayStatistics().ofModule(1).aggregate_status;
  const open = (size: number): OpenCall => ({
    call: aggregate("a"),
    bytes: size,
    counter,
    queuedAt: 0,
    resolve() {},
    reject() {},
    isSuspect: false,
  });
  const mib = 1024 * 1024;
  const waiting = new WaitingCalls();
  assert.equal(waiting.add(open(65 * mib)), true);
  assert.equal(waiting.add(open(1)), false);
  waiting.shift();
  waiting.putBack([open(40 * mib)]);
  assert.equal(waiting.add(open(24 * mib)), true);
  assert.equal(waiting.add(open(1)), false);
  assert.equal(waiting.take(({ bytes: size }) => size > 30 * mib).length, 1);
  assert.equal(waiting.size, 1);
  assert.equal(waiting.add(open(40 * mib)), true);
  assert.equal(waiting.add(open(1)), false);
});

Deno.test("A function that throws fails its call, and is no crash", async () => {
  await using test = await near();
  const text = "ModuleHostError: Cannot call aggregate_status of module 1000: ";
  assert.equal(await said(test.module, "throw"), `${text}it does not want to`);
  const call = said(test.module, "hold");
  (await test.hosts.held(1)).fail(new Error("not later, either"));
  assert.equal(await call, `${text}not later, either`);
  const large = said(test.module, "hold");
  (await test.hosts.held(1)).answer({ data: new Uint8Array(MAX_DATA_BYTES + 1) });
  assert.equal(await large, `${text}it made 16777217 bytes: 16777216 at most`);
  const long = said(test.module, "hold");
  (await test.hosts.held(1)).fail(new Error("x".repeat(2 * MAX_DATA_BYTES)));
  assert.equal(await long, `${text}${"x".repeat(1000)}`);
  assert.equal(await said(test.module, "b"), "0 1");
});

Deno.test("Nobody is slow because this process was busy or stopped", async () => {
  await using test = await near();
  const { module, hosts, clock, logged } = test;
  const call = said(module, "hold");
  const held = await hosts.held(1);
  clock.jump(60_000);
  await settled();
  assert.equal(module.snapshot().hosts[0]?.state, "ready");
  held.answer();
  assert.equal(await call, "0 1");
  // An answer that has arrived in the meantime is read before the host is judged.
  const other = said(module, "hold");
  const begun = await hosts.held(1);
  clock.jump(200);
  assert.equal(module.snapshot().hosts[0]?.state, "ready");
  begun.answer();
  await settled();
  clock.pass(1);
  assert.equal(await other, "0 1");
  assert.equal(module.snapshot().hosts[0]?.state, "ready");
  assert.equal(logged.length, 1, "what the host measured counts");
  const hung = said(module, "hold");
  await hosts.held(1);
  clock.jump(200);
  clock.jump(200);
  assert.equal(module.snapshot().hosts[0]?.state, "slow");
  await test[Symbol.asyncDispose]();
  assert.match(await hung, /it is stopped$/);
});

Deno.test("Calls are counted by function and outcome", async () => {
  const statistics = new GatewayStatistics();
  await using test = await near({ statistics });
  await said(test.module, "a");
  await said(test.module, { name: "status_data_valid", type: 0, status: bytes("a") });
  for (const code of [-1, -10, -11, 5]) {
    const call = said(test.module, "hold");
    const held = await test.hosts.held(1);
    test.clock.pass(8);
    held.answer({ code });
    await call;
  }
  await test.module.stop();
  await said(test.module, "a");
  const counted = statistics.snapshot().filter(({ byOutcome }) =>
    Object.values(byOutcome).some((count) => count > 0)
  );
  assert.deepEqual(
    counted.map(({ module, functionName, byOutcome }) => ({ module, functionName, byOutcome })),
    [
      {
        module: 1000,
        functionName: "status_data_valid",
        byOutcome: {
          ok: 1,
          not_ok: 0,
          reserved: 0,
          condition_not_met: 0,
          unknown_code: 0,
          host_lost: 0,
        },
      },
      {
        module: 1000,
        functionName: "aggregate_status",
        byOutcome: {
          ok: 1,
          not_ok: 1,
          reserved: 1,
          condition_not_met: 1,
          unknown_code: 1,
          host_lost: 1,
        },
      },
    ],
  );
  assert.equal(counted[1]?.totalMs, 32);
  assert.equal(counted[1]?.maxMs, 8);
});

Deno.test("A host that is being started ends with its module, whatever its library does", async () => {
  for (const loads of [true, false]) {
    const test = await near({ spareHosts: 0 });
    const { module, hosts, clock } = test;
    hosts.loads = loads;
    const slow = said(module, "hold");
    await hosts.held(1);
    clock.pass(75);
    if (!loads) await waitFor(() => hosts.hosts.length === 2, "the next host");
    await waitFor(module.stop(), "the module to stop");
    assert.match(await slow, /it is stopped$/);
    assert.equal(hosts.hosts.length, 2);
    await Promise.all(hosts.hosts.map(({ ended }) => waitFor(ended, "the host to end")));
    assert.equal(clock.timers, 0);
    assert.deepEqual(test.logged, []);
  }
});
