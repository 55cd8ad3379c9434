// How often a module is asked for commands.
import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import {
  type CommandSource,
  WaitLoop,
  type WaitLoopOptions,
} from "../../src/module/host/wait_loop.ts";
import type { CallOutcome } from "../../src/protocol/module_interface.ts";
import { systemClock } from "../../src/time/clock.ts";
import { waitFor } from "../support/wait.ts";

/** Notes what is said; once each. */
function listOf(notices: string[]): WaitLoopOptions["notices"] {
  const say = (text: string) => void notices.push(text);
  const complain = (_: string, text: string) => notices.includes(text) || say(text);
  return { say, complain, onThrown: () => "not_ok" };
}

/** A module that does what a list says, then waits until it is let go. */
function scripted(steps: readonly (CallOutcome | number)[]) {
  const notices: string[] = [];
  const log: string[] = [];
  let at = 0;
  const over = Promise.withResolvers<void>();
  const letGo = Promise.withResolvers<CallOutcome>();
  const source: CommandSource = {
    wait: () => {
      log.push("wait");
      const step = steps[at++];
      if (typeof step === "string") return Promise.resolve(step);
      over.resolve();
      return letGo.promise;
    },
    pop: () => {
      log.push("pop");
      const step = steps[at++];
      return Promise.resolve(typeof step === "number" ? step : -1);
    },
    congestion: () => null,
  };
  const loop = new WaitLoop(source, { timeoutMs: 0, notices: listOf(notices), clock: systemClock });
  return { loop, log, notices, over: over.promise, letGo: () => letGo.resolve("ok") };
}

async function end({ loop, letGo }: ReturnType<typeof scripted>): Promise<void> {
  const stopped = loop.stop();
  letGo();
  await waitFor(stopped, "the loop to end");
}

Deno.test("WaitLoop pops until none remains, then waits again [MODULE-POP]", async () => {
  const script = scripted(["ok", 2, 1, 0, "ok", 0]);
  script.loop.start();
  script.loop.release();
  await waitFor(script.over, "the script");
  assert.deepEqual(script.log, ["wait", "pop", "pop", "pop", "wait", "pop", "wait"]);
  assert.deepEqual(script.notices, []);
  await end(script);
  assert.equal(script.log.length, 7, "what came with the last OK stays in the module");
});

Deno.test("WaitLoop stops popping at a negative result and says so [MODULE-POP]", async () => {
  const script = scripted(["ok", 5, -3, "ok", 0]);
  script.loop.start();
  script.loop.release();
  await waitFor(script.over, "the script");
  assert.deepEqual(script.log, ["wait", "pop", "pop", "wait", "pop", "wait"]);
  assert.equal(script.notices.length, 1);
  assert.match(script.notices[0] ?? "", /pop_command failed.*-3/);
  await end(script);
});

Deno.test("WaitLoop takes -2 for the end of a module's commands [MODULE-POP]", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    // No timer fires here: after a command nothing is paused for.
    const script = scripted(["ok", 1, -2, "ok", 1, -2]);
    script.loop.start();
    script.loop.release();
    await script.over;
    assert.deepEqual(script.log, ["wait", "pop", "pop", "wait", "pop", "pop", "wait"]);
    assert.deepEqual(script.notices, []);
    await end(script);
    assert.equal(clock.countTimers(), 0);

    // A module that says OK and has nothing is not asked again at once.
    const idle = scripted(["ok", -2, "ok", -2]);
    idle.loop.start();
    idle.loop.release();
    const over = clock.tickAsync(10_000).then(() => idle.over);
    await over;
    assert.deepEqual(idle.log, ["wait", "pop", "wait", "pop", "wait"]);
    assert.deepEqual(idle.notices, []);
    await end(idle);
  } finally {
    clock.uninstall();
  }
});

Deno.test("WaitLoop says each kind of failure once, not each time", async () => {
  const script = scripted(["not_ok", "not_ok", "context_incorrect", "not_ok"]);
  script.loop.start();
  script.loop.release();
  await waitFor(script.over, "the script");
  assert.deepEqual(script.notices, [
    "wait_for_command failed: not_ok",
    "wait_for_command failed: context_incorrect",
  ]);
  await end(script);
});

Deno.test("WaitLoop pauses after each timeout of 0 ms, however long it took, and complains of none", async () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  const pauses: number[] = [];
  const notices: string[] = [];
  let waits = 0;
  const loop = new WaitLoop({
    wait: () => {
      waits++;
      // As on a machine that is busy; nobody waits for this time.
      clock.tick(5);
      return Promise.resolve("timeout_occurred");
    },
    pop: () => Promise.resolve(0),
    congestion: () => null,
  }, { timeoutMs: 0, notices: listOf(notices), clock: systemClock });
  try {
    loop.start();
    loop.release();
    for (let turn = 1; turn <= 9; turn++) {
      // The loop's promises; nothing else may call for time.
      for (let step = 0; step < 20; step++) await null;
      assert.equal(waits, turn);
      const before = clock.now;
      clock.next();
      pauses.push(clock.now - before);
    }
  } finally {
    await loop.stop();
    clock.uninstall();
  }
  for (const [index, mostMs] of [10, 20, 40, 80, 160, 320, 640, 1000, 1000].entries()) {
    const pauseMs = pauses[index] ?? NaN;
    assert.ok(pauseMs >= mostMs * 0.8 - 1 && pauseMs <= mostMs, `pause ${index}: ${pauseMs} ms`);
  }
  assert.deepEqual(notices, []);
});

Deno.test("WaitLoop begins held, and can be stopped while it is", async () => {
  const script = scripted([]);
  script.loop.start();
  await waitFor(script.loop.stop(), "the loop to end");
  assert.deepEqual(script.log, []);
});
