// A host's process that starts before anybody can use it. The sanitizers see one that is left over.
import assert from "node:assert/strict";
import { ModuleHost } from "../../src/module/module_host.ts";
import { EarlyHost } from "../../src/module/process/connect_host.ts";
import { waitFor } from "../support/wait.ts";
import { forward, isAlive, openContext, specOf } from "./support.ts";

const START = { startTimeoutMs: 60_000 } as const;

Deno.test("ModuleHost.start() takes an early host once, and it is a host like any other", async () => {
  const early = new EarlyHost(START);
  const printed = Promise.withResolvers<string>();
  const host = await ModuleHost.start({ early, onOutput: (line) => printed.resolve(line) });
  const other = await ModuleHost.start({ ...START, early });
  try {
    assert.notEqual(host.pid, other.pid);
    const { context } = await openContext(host, specOf("car_a", { print: 1 }));
    assert.equal(await forward(context), "ok");
    assert.match(await waitFor(printed.promise, "its output"), /^status of car_a on std/);
    await early.discard();
    assert.ok(isAlive(host.pid), "one that was taken is not discarded");
  } finally {
    await Promise.all([host.stop(), other.stop()]);
  }
});

Deno.test("EarlyHost.take() gives a host of libraries to nobody who wants one of scripts", async () => {
  const early = new EarlyHost(START);
  assert.equal(early.take({ kind: "script" }), undefined);
  await waitFor(early.discard(), "its end");
});

Deno.test("EarlyHost.discard() ends a host that was not taken, and it is gone for good", async () => {
  const early = new EarlyHost(START);
  await waitFor(early.discard(), "its end");
  await waitFor(early.discard(), "its end, again");
  assert.equal(early.take({}), undefined);
});

Deno.test("ModuleHost.start() rejects when an early host could not be started", async () => {
  await assert.rejects(
    ModuleHost.start({ early: new EarlyHost({ startTimeoutMs: 0 }) }),
    /Cannot start module host: it is not connected after 0 ms/,
  );
  await new EarlyHost({ startTimeoutMs: 0 }).discard();
});
