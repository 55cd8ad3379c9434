// How often a module is asked for commands.
import assert from "node:assert/strict";
import { type CommandSource, WaitLoop } from "../../src/module/host/wait_loop.ts";
import type { CallOutcome } from "../../src/protocol/module_interface.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";

/** What a module does when it is asked: an outcome or what remains, after some time or at once. */
type Step = CallOutcome | number | Error | readonly [outcome: CallOutcome, afterMs: number];

/** A module that does what a list says, then waits until it is let go. */
class Script implements CommandSource {
  readonly clock = new VirtualClock();
  readonly log: string[] = [];
  readonly notices: string[] = [];
  readonly loop: WaitLoop;
  /** What the loop has to wait for before it asks. */
  congested: Promise<void> | null = null;
  readonly #steps: readonly Step[];
  readonly #letGo = Promise.withResolvers<CallOutcome>();
  #at = 0;

  constructor(steps: readonly Step[], timeoutMs = 0) {
    this.#steps = steps;
    const say = (text: string) => void this.notices.push(text);
    const complain = (kind: string, text: string) => say(`${kind}: ${text}`);
    const onThrown = (name: string, error: unknown) => {
      say(`${name}: ${error}`);
      return "not_ok" as const;
    };
    const notices = { say, complain, onThrown };
    this.loop = new WaitLoop(this, { timeoutMs, notices, clock: this.clock });
  }

  wait(): Promise<CallOutcome> {
    this.log.push("wait");
    return this.#next() as Promise<CallOutcome>;
  }

  pop(): Promise<number> {
    this.log.push("pop");
    return this.#next() as Promise<number>;
  }

  congestion(): Promise<void> | null {
    return this.congested;
  }

  /** Starts the loop, and lets it do all that it does at once. */
  async start(): Promise<this> {
    this.loop.start();
    this.loop.release();
    await settled();
    return this;
  }

  /** Lets the timer of a pause fire, or a wait end; returns how long that took. */
  next(): Promise<number> {
    return this.clock.next();
  }

  async end(): Promise<void> {
    const stopped = this.loop.stop();
    this.#letGo.resolve("ok");
    await waitFor(stopped, "the loop to end");
    assert.equal(this.clock.timers, 0);
  }

  async #next(): Promise<CallOutcome | number> {
    const step = this.#steps[this.#at++];
    if (step === undefined) return await this.#letGo.promise;
    if (step instanceof Error) throw step;
    if (typeof step !== "object") return step;
    const [outcome, afterMs] = step;
    await new Promise<void>((resolve) => this.clock.set(resolve, afterMs));
    return outcome;
  }
}

function assertPause(pauseMs: number, mostMs: number): void {
  // The fifth that chance takes away.
  assert.ok(pauseMs >= mostMs * 0.8 - 1 && pauseMs <= mostMs, `${pauseMs} ms, not ${mostMs}`);
}

Deno.test("WaitLoop pops until none remains, then waits again [MODULE-POP]", async () => {
  const script = await new Script(["ok", 2, 1, 0, "ok", 0]).start();
  assert.deepEqual(script.log, ["wait", "pop", "pop", "pop", "wait", "pop", "wait"]);
  assert.deepEqual(script.notices, []);
  await script.end();
  assert.equal(script.log.length, 7, "what came with the last OK stays in the module");
});

Deno.test("WaitLoop stops popping at a negative result and logs it [MODULE-POP]", async () => {
  const script = await new Script(["ok", 5, -3, "ok", 0]).start();
  assert.deepEqual(script.log, ["wait", "pop", "pop"]);
  assertPause(await script.next(), 10);
  assert.deepEqual(script.log, ["wait", "pop", "pop", "wait", "pop", "wait"]);
  assert.deepEqual(script.notices, ["pop: pop_command failed after wait_for_command said OK: -3"]);
  await script.end();
});

Deno.test("WaitLoop takes -2 for the end of a module's commands [MODULE-POP]", async () => {
  // After a command nothing is paused for.
  const script = await new Script(["ok", 1, -2, "ok", 1, -2]).start();
  assert.deepEqual(script.log, ["wait", "pop", "pop", "wait", "pop", "pop", "wait"]);
  assert.deepEqual(script.notices, []);
  await script.end();
  // A module that says OK and has nothing is not asked again at once.
  const idle = await new Script(["ok", 0, "ok", -2, "ok", -2]).start();
  assert.deepEqual(idle.log, ["wait", "pop", "wait", "pop"]);
  assertPause(await idle.next(), 10);
  assertPause(await idle.next(), 20);
  assert.deepEqual(idle.log, ["wait", "pop", "wait", "pop", "wait", "pop", "wait"]);
  assert.deepEqual(idle.notices, []);
  await idle.end();
});

Deno.test("WaitLoop pauses longer after each failure, and starts over after a command [MODULE-WAIT]", async () => {
  const failures: CallOutcome[] = ["not_ok", "not_ok", "context_incorrect"];
  const script = await new Script([...failures, "ok", 0, "not_ok"], 1000).start();
  for (const mostMs of [10, 20, 40, 10]) assertPause(await script.next(), mostMs);
  assert.deepEqual(script.notices, [
    "not_ok: wait_for_command failed: not_ok",
    "not_ok: wait_for_command failed: not_ok",
    "context_incorrect: wait_for_command failed: context_incorrect",
    "not_ok: wait_for_command failed: not_ok",
  ]);
  await script.end();
});

Deno.test("WaitLoop treats an exception as a failure, and asks again after a pause", async () => {
  const script = await new Script([new Error("no line"), "ok", 1, new Error("no command")]).start();
  assertPause(await script.next(), 10);
  assert.deepEqual(script.log, ["wait", "wait", "pop", "pop"]);
  assertPause(await script.next(), 10);
  assert.deepEqual(script.log, ["wait", "wait", "pop", "pop", "wait"]);
  const thrown = ["waitForCommand: Error: no line", "popCommand: Error: no command"];
  assert.deepEqual(script.notices, thrown);
  await script.end();
});

Deno.test("WaitLoop takes a timeout within a quarter of its time for a refusal to wait [MODULE-WAIT]", async () => {
  const script = await new Script([
    ["timeout_occurred", 249],
    ["timeout_occurred", 249],
    ["timeout_occurred", 250],
    "timeout_occurred",
  ], 1000).start();
  assert.equal(await script.next(), 249);
  assertPause(await script.next(), 10);
  assert.equal(await script.next(), 249);
  assertPause(await script.next(), 20);
  assert.equal(await script.next(), 250);
  assertPause(await script.next(), 10);
  assert.deepEqual(script.log, ["wait", "wait", "wait", "wait", "wait"]);
  const text = "wait_for_command does not wait: TIMEOUT_OCCURRED after";
  assert.deepEqual(script.notices, [
    `timeout_occurred: ${text} 249 ms instead of 1000 ms`,
    `timeout_occurred: ${text} 249 ms instead of 1000 ms`,
    `timeout_occurred: ${text} 0 ms instead of 1000 ms`,
  ]);
  await script.end();
  // Of 2 ms, too, less than one is none.
  const short = await new Script([["timeout_occurred", 1], "timeout_occurred"], 2).start();
  await short.next();
  assert.deepEqual(short.log, ["wait", "wait"]);
  assert.equal(short.notices.length, 1);
  await short.end();
});

Deno.test("WaitLoop pauses after each timeout of 0 ms, however long it took, and complains of none", async () => {
  const steps = Array<Step>(9).fill(["timeout_occurred", 5]);
  const script = await new Script(steps).start();
  for (const mostMs of [10, 20, 40, 80, 160, 320, 640, 1000, 1000]) {
    assert.equal(await script.next(), 5);
    assertPause(await script.next(), mostMs);
  }
  assert.deepEqual(script.notices, []);
  await script.end();
});

Deno.test("WaitLoop begins held, and can be stopped while it is", async () => {
  const script = new Script([]);
  script.loop.start();
  await script.end();
  assert.deepEqual(script.log, []);
});

Deno.test("WaitLoop leaves commands in a module that is held, and pops them after", async () => {
  const script = new Script([["ok", 10], 1, 0]);
  await script.start();
  script.loop.hold();
  await script.next();
  assert.deepEqual(script.log, ["wait"]);
  script.loop.release();
  await settled();
  assert.deepEqual(script.log, ["wait", "pop", "pop", "wait"]);
  await script.end();
});

Deno.test("WaitLoop.release() cuts no pause short, and stop() does", async () => {
  const script = await new Script(["not_ok"]).start();
  script.loop.hold();
  script.loop.release();
  await settled();
  assert.deepEqual(script.log, ["wait"]);
  await waitFor(script.loop.stop(), "the loop to end");
  assert.deepEqual([script.log, script.clock.timers], [["wait"], 0]);
});

Deno.test("WaitLoop makes no pause when it is stopped while a failing wait is under way", async () => {
  const script = await new Script([["not_ok", 50]]).start();
  const stopped = script.loop.stop();
  await script.next();
  await waitFor(stopped, "the loop to end");
  assert.deepEqual([script.log, script.clock.timers], [["wait"], 0]);
});

Deno.test("WaitLoop asks for nothing while the server takes commands too slowly", async () => {
  const congestion = Promise.withResolvers<void>();
  const script = new Script(["ok", 0]);
  script.congested = congestion.promise;
  await script.start();
  assert.deepEqual(script.log, []);
  script.congested = null;
  congestion.resolve();
  await settled();
  assert.deepEqual(script.log, ["wait", "pop", "wait"]);
  await script.end();
});

Deno.test("WaitLoop.checkWait() complains once about each wait that does not return [MODULE-BLOCKING]", async () => {
  const script = new Script([["ok", 5000], 0], 1000);
  script.loop.checkWait(500);
  await script.start();
  script.clock.pass(1500);
  script.loop.checkWait(500);
  assert.deepEqual(script.notices, []);
  script.clock.pass(1);
  script.loop.checkWait(500);
  script.loop.checkWait(500);
  const text = "wait_for_command has not come back for";
  assert.deepEqual(script.notices, [`${text} 1501 ms: its timeout is 1000 ms`]);
  await script.next();
  script.loop.checkWait(-10_000);
  assert.deepEqual(script.notices[1], `${text} 0 ms: its timeout is 1000 ms`);
  await script.end();
});

Deno.test("WaitLoop.checkWait() does not complain about a module that is being popped, or paused for", async () => {
  const thrown = await new Script([new Error("no line")]).start();
  thrown.clock.pass(5);
  thrown.loop.checkWait(-10_000);
  const failed = await new Script(["not_ok"]).start();
  failed.clock.pass(5);
  failed.loop.checkWait(-10_000);
  assert.deepEqual([thrown.notices.length, failed.notices.length], [1, 1]);
  await thrown.loop.stop();
  await failed.loop.stop();
});
