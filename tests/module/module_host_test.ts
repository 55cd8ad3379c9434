// Contexts, calls and failures to load, with a real process and real libraries.
import assert from "node:assert/strict";
import type { ContextSpec } from "../../src/module/context.ts";
import { ModuleLoadError, type ModuleLoadErrorKind } from "../../src/module/errors.ts";
import { CONTEXTS_PER_HOST } from "../../src/module/host_contexts.ts";
import type { CallOutcome } from "../../src/protocol/module_interface.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import {
  connect,
  DEVICE,
  fixtures,
  forward,
  isAlive,
  openContext,
  recorded,
  specOf,
  startHost,
} from "./support.ts";

Deno.test("ModuleContext passes device and data to every function [MODULE-FUNCTIONS]", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const { context } = await openContext(test.host, specOf("car_a", { record }));
  // Each call has a device and data of its own.
  const device = (call: number) => (
    { ...DEVICE, deviceRole: `pr\u00e9 ${call}`, deviceName: `\u{1f697} ${call}`, priority: 9 }
  );
  const data = (call: number) => new TextEncoder().encode("data".slice(0, call));
  const outcomes: CallOutcome[] = [];
  await waitFor(
    new Promise<void>((resolve) => {
      const done = (outcome: CallOutcome) => outcomes.push(outcome);
      context.connectDevice(device(0), done);
      context.forwardStatus(device(1), data(1), done);
      context.forwardErrorMessage(device(2), data(2), done);
      context.acknowledgeCommand(device(3), data(3), done);
      context.disconnectDevice(1, device(4), (outcome) => {
        done(outcome);
        resolve();
      });
      assert.deepEqual(outcomes, [], "no callback runs inside the call");
    }),
    "five calls",
  );
  assert.deepEqual(outcomes, ["ok", "ok", "ok", "ok", "ok"]);
  const calls = (await recorded(record)).filter((line) => !line.startsWith("wait_for_command"));
  const identity = (call: number) => `1000/1/pr\u00e9 ${call}/\u{1f697} ${call}/0`;
  assert.deepEqual(calls.map((line) => line.trimEnd()), [
    "init company_name",
    `device_connected ${identity(0)} 0`,
    `forward_status ${identity(1)} 1 d`,
    "forward_status_end",
    `forward_error_message ${identity(2)} 2 da`,
    `command_ack ${identity(3)} 3 dat`,
    `device_disconnected 1 ${identity(4)} 0`,
  ]);
});

Deno.test("ModuleContext makes calls one after the other, in order [MODULE-CALLS]", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const config = { record, forward_status_ms: 2 };
  const { context } = await openContext(test.host, specOf("car_a", config));
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, (_, i) => forward(context, String(i))),
  );
  assert.ok(outcomes.every((outcome) => outcome === "ok"));
  const calls = (await recorded(record)).filter((line) => line.startsWith("forward_status"));
  calls.forEach((line, i) => {
    assert.match(line, i % 2 === 0 ? new RegExp(` ${i / 2}$`) : /^forward_status_end/);
  });
  assert.equal(calls.length, 400);
});

const CODES: readonly (readonly [number, CallOutcome])[] = [
  [0, "ok"],
  [-1, "not_ok"],
  [-10, "reserved"],
  [-11, "context_incorrect"],
  [-12, "timeout_occurred"],
  [-2, "unknown_code"],
  [7, "unknown_code"],
];

Deno.test("ModuleContext names return codes and counts them [MODULE-CODES]", async () => {
  await using test = await startHost();
  for (const [code, outcome] of CODES) {
    const config = { forward_status_returns: code, device_connected_returns: code };
    const { context } = await openContext(test.host, specOf(`car_${code + 20}`, config));
    assert.equal(await forward(context), outcome);
    assert.equal(await connect(context), outcome);
  }
  const counts = test.host.statistics.snapshot()
    .find(({ module, functionName }) => module === 1000 && functionName === "forward_status");
  assert.equal(counts?.byOutcome.ok, 1);
  assert.equal(counts?.byOutcome.unknown_code, 2);
  assert.ok(counts.maxMs > 0 && counts.totalMs >= counts.maxMs);
});

Deno.test("connectDevice() says unsupported without connecting [CONNECT-DEVICES]", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const { context } = await openContext(test.host, specOf("car_a", { record, supported_types: 3 }));
  assert.equal(await connect(context, { ...DEVICE, deviceType: 3 }), "unsupported");
  assert.deepEqual(await recorded(record, "device_connected"), []);
  assert.equal(await connect(context, { ...DEVICE, deviceType: 2 }), "ok");
});

Deno.test("ModuleContext carries empty and 16 MiB data; more ends as not_ok, in order", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const { context } = await openContext(test.host, specOf("car_a", { record }));
  const sizes = [0, 16 * 1024 * 1024, 16 * 1024 * 1024 + 1, 5, 100_000];
  const outcomes = await Promise.all(sizes.map((size) => forward(context, new Uint8Array(size))));
  assert.deepEqual(outcomes, ["ok", "ok", "not_ok", "ok", "ok"]);
  const seen = (await recorded(record, "forward_status")).map((line) => line.split(" ")[2]);
  assert.deepEqual(seen, ["0", String(16 * 1024 * 1024), "5", "100000"]);
});

Deno.test("ModuleContext isolates callbacks that throw", async () => {
  await using test = await startHost();
  const { context } = await openContext(test.host, specOf("car_a"));
  context.forwardStatus(DEVICE, new Uint8Array(1), () => {
    throw new Error("broken callback");
  });
  assert.equal(await forward(context), "ok");
  assert.ok(test.logged.some((line) => /^ERROR car_a: .*broken callback/s.test(line)));
});

const FAILURES: readonly (readonly [ModuleLoadErrorKind, string, RegExp, object])[] = [
  ["library", fixtures.notALibrary, /invalid ELF header/, {}],
  ["library", "/nonexistent/lib.so", /No such file/, {}],
  ["symbol", fixtures.missingSymbol, /"pop_command"/, {}],
  ["number", fixtures.module2, /module 2, .* 1000/, {}],
  ["init", fixtures.module, /NULL/, { init_null: 1 }],
];

Deno.test("createContext() says what is wrong with a library [MODULE-FUNCTIONS] [MODULE-NUMBER]", async () => {
  await using test = await startHost();
  for (const [kind, libPath, detail, config] of FAILURES) {
    const spec = specOf("car_x", config as Record<string, number>, { libPath });
    await assert.rejects(openContext(test.host, spec), (error) => {
      assert.ok(error instanceof ModuleLoadError);
      assert.equal(error.kind, kind);
      assert.match(error.detail, detail);
      assert.ok(
        error.message.startsWith(`Cannot load module 1000 of car "car_x" from "${libPath}"`),
      );
      return true;
    });
  }
  assert.equal(test.host.freePlaces, CONTEXTS_PER_HOST, "failures take no places");
  const { context } = await openContext(test.host, specOf("car_x"));
  assert.equal(await forward(context), "ok");
});

Deno.test("createContext() refuses a sixteenth context", async () => {
  await using test = await startHost();
  const opening = Array.from({ length: 15 }, (_, i) => openContext(test.host, specOf(`car_${i}`)));
  await assert.rejects(openContext(test.host, specOf("car_15")), /holds 15 contexts/);
  const [first] = await Promise.all(opening);
  assert.equal(test.host.freePlaces, 0);
  await waitFor(first?.context.destroy() ?? Promise.reject(), "a place to get free");
  assert.equal(test.host.freePlaces, 1);
  await openContext(test.host, specOf("car_15"));
});

Deno.test("destroy() waits for wait_for_command, then destroys; calls end as host_lost", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const config = { record, wait_ms: 300, forward_status_ms: 50 };
  const { context, lostCount } = await openContext(test.host, specOf("car_a", config));
  await waitFor(async () => (await recorded(record, "wait_for_command")).length > 0, "a wait");
  const before = forward(context);
  const destroying = context.destroy();
  assert.equal(context.destroy(), destroying, "the second call is the first");
  const after = forward(context);
  assert.equal(await before, "ok");
  assert.equal(await after, "host_lost");
  await waitFor(destroying, "the context to be destroyed");
  assert.equal((await recorded(record)).at(-1)?.trim(), "destroy");
  assert.equal(lostCount(), 0);
  assert.deepEqual(test.host.snapshot().contexts, []);
});

Deno.test("stop() and destroy() of a context at the same time destroy it once, and both end", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  await using test = await startHost();
  const { context } = await openContext(test.host, specOf("car_a", { record, wait_ms: 200 }));
  const stopping = test.host.stop();
  const destroying = context.destroy();
  const outcome = forward(context);
  assert.equal(await outcome, "host_lost");
  await waitFor(Promise.all([stopping, destroying]), "the host to stop");
  assert.equal((await recorded(record, "destroy")).length, 1);
});

Deno.test("destroy() leaves a context whose wait does not come back, and its place with it", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  const blocked: number[] = [];
  await using test = await startHost({
    destroyTimeoutMs: 100,
    onBlocked: (count) => blocked.push(count),
  });
  const config = { record, wait_ms: 6000 };
  const { context } = await openContext(test.host, specOf("car_a", config));
  await waitFor(async () => (await recorded(record, "wait_for_command")).length > 0, "a wait");
  await waitFor(context.destroy(), "destroy to give up");
  assert.deepEqual(await recorded(record, "destroy"), []);
  assert.equal(test.host.snapshot().places, 1);
  assert.ok(test.logged.some((line) => line.startsWith("WARNING car_a: Context not destroyed")));
  assert.deepEqual(blocked, [1]);
  await waitFor(() => test.host.snapshot().places === 0, "the place to get free");
  assert.deepEqual(blocked, [1, 0]);
  assert.equal((await recorded(record, "destroy")).length, 1);
});

Deno.test("stop() destroys every context in a bounded time and ends the process", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("record");
  const reasons: string[] = [];
  await using test = await startHost({ onExit: (reason) => reasons.push(reason) });
  const well = await openContext(test.host, specOf("car_a", { record }));
  const hanging = await openContext(test.host, specOf("car_b", { wait_ms: 60_000 }));
  const open = forward(hanging.context);
  const stopping = test.host.stop({ destroyTimeoutMs: 3000 });
  await assert.rejects(openContext(test.host, specOf("car_c")), /stopping/);
  await waitFor(stopping, "the host to stop", 20_000);
  assert.equal(await open, "ok");
  assert.equal((await recorded(record, "destroy")).length, 1);
  assert.equal(well.lostCount() + hanging.lostCount(), 0);
  assert.deepEqual(reasons, ["it was stopped"]);
  assert.equal(test.host.state, "exited");
  assert.ok(!isAlive(test.host.pid));
  await waitFor(test.host.stop(), "the second stop");
  await assert.rejects(openContext(test.host, specOf("car_d")), /exited/);
});

Deno.test("ModuleHost hands on what libraries print, line by line, and never blocks them", async () => {
  await using test = await startHost();
  const { context } = await openContext(test.host, specOf("car_a", { print: 1 }));
  await forward(context);
  const lines = [await test.printed.next("a line"), await test.printed.next("another line")];
  assert.deepEqual(lines.sort(), [
    "stderr: status of car_a on stderr",
    "stdout: status of car_a on stdout",
  ]);
  await openContext(test.host, specOf("car_b", { print_lines: 100_000 }));
  assert.equal(await test.printed.next("the first of many lines"), "stdout: line 0");
  assert.equal(await forward(context), "ok");
});

Deno.test("createContext() makes a context whose commands wait until they are released", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("calls");
  await using test = await startHost();
  const first = Promise.withResolvers<void>();
  const spec = specOf("car_a", { record, commands_at_start: 3 });
  const context = await waitFor(
    test.host.createContext(spec, { onCommand: () => first.resolve(), onLost() {} }),
    "the context",
  );
  for (let i = 0; i < 10; i++) assert.equal(await forward(context), "ok");
  assert.deepEqual(await recorded(record, "wait_for_command"), []);
  context.releaseCommands();
  await waitFor(first.promise, "a command");
});

Deno.test("tryLibrary() judges a library, keeps no place and asks for no command", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("calls");
  await using test = await startHost();
  const spec = specOf("car_a", { record, commands_at_start: 3 });
  const attempt = (purpose: "load" | "init", overrides: Partial<ContextSpec> = {}) =>
    waitFor(test.host.tryLibrary({ ...spec, ...overrides }, purpose), "the trial");
  await attempt("load");
  assert.deepEqual(await recorded(record), []);
  await attempt("init");
  const functions = (await recorded(record)).map((line) => line.split(" ")[0]);
  assert.deepEqual(functions, ["init", "destroy"]);
  assert.equal(test.host.snapshot().places, 0);
  const kinds: [Partial<ContextSpec>, string][] = [
    [{ module: 7 }, "number"],
    [{ libPath: fixtures.missingSymbol }, "symbol"],
    [{ libPath: fixtures.notALibrary }, "library"],
  ];
  for (const [overrides, kind] of kinds) {
    await assert.rejects(
      attempt("load", overrides),
      (error) => error instanceof ModuleLoadError && error.kind === kind,
    );
  }
  await assert.rejects(
    attempt("init", { parameters: [["crash_in", "destroy"]] }),
    /the host died: it was ended by SIGSEGV/,
  );
});
