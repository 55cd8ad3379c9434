// Memory that hosts needed only to start.
import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import { LibC } from "../../src/module/host/libc.ts";
import { MemoryTrimmer, QUIET_MS } from "../../src/module/host/memory_trimmer.ts";
import { HostProcess } from "../../src/module/process/host_process.ts";
import type { TimerHandle } from "../../src/time/clock.ts";
import { waitFor } from "../support/wait.ts";

function setUp() {
  const time = FakeTimers.createClock();
  const done: string[] = [];
  const trimmer = new MemoryTrimmer({
    libc: { trimHeap: () => done.push("trim") },
    collectGarbage: () => done.push("collect"),
    clock: {
      now: () => time.now,
      set: (callback, delayMs) => time.setTimeout(callback, delayMs) as unknown as TimerHandle,
      clear: (handle) => time.clearTimeout(handle as never),
    },
  });
  return { time, done, trimmer };
}

Deno.test("MemoryTrimmer gives memory back once after a burst, garbage first", () => {
  const { time, done, trimmer } = setUp();
  for (let i = 0; i < 15; i++) {
    trimmer.onChange();
    time.tick(QUIET_MS - 1);
  }
  assert.deepEqual(done, []);
  time.tick(1 + QUIET_MS);
  assert.deepEqual(done, ["collect", "trim"]);
  time.tick(100 * QUIET_MS);
  assert.deepEqual(done, ["collect", "trim"]);
  trimmer.onChange();
  time.tick(2 * QUIET_MS);
  assert.equal(done.length, 4);
});

Deno.test("MemoryTrimmer leaves no timer behind when it is stopped", () => {
  const { time, done, trimmer } = setUp();
  trimmer.onChange();
  trimmer.stop();
  assert.equal(time.countTimers(), 0);
  assert.deepEqual(done, []);
});

Deno.test({
  name: "LibC.trimHeap() is there, and harmless",
  // A host never unloads the C library.
  sanitizeResources: false,
  fn: () => new LibC().trimHeap(),
});

Deno.test("HostProcess starts hosts with a garbage collection at their disposal", async () => {
  const host = new HostProcess(() => {});
  // What is there at first is nothing, as the process is still about to become the program.
  const isTold = async () =>
    /DENO_V8_FLAGS=[^\0]*--expose-gc/.test(await Deno.readTextFile(`/proc/${host.pid}/environ`));
  try {
    await waitFor(isTold, "the flags in the host's environment", 20_000);
  } finally {
    await end(host);
  }
});

/** Ends a host without leaving anything behind. */
async function end(host: HostProcess): Promise<void> {
  // Its standard input is closed behind the invitation.
  const address = { transport: "unix", path: "/nonexistent" } as const;
  const { pid: parentPid } = Deno;
  await host.invite({ version: "0.0.1", address, token: "00", parentPid, moduleCallTimeoutMs: 1 });
  host.kill();
  await host.exited;
}
