// The server's side of a host: the test plays the host.
import assert from "node:assert/strict";
import type { Blame, CallDone, ContextListener } from "../../src/module/context.ts";
import { LOAD_ERROR_KINDS, ModuleLoadError } from "../../src/module/errors.ts";
import { CONTEXTS_PER_HOST, HostContexts } from "../../src/module/host_contexts.ts";
import { RemoteContext } from "../../src/module/remote_context.ts";
import { CallStatistics } from "../../src/module/statistics.ts";
import type { Frame } from "../../src/module/wire/frame_reader.ts";
import { FrameKind } from "../../src/module/wire/frames.ts";
import { FrameChannel } from "../../src/module/wire/frame_channel.ts";
import { CALL_OUTCOMES, type CallOutcome } from "../../src/protocol/module_interface.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { duplexPair } from "./duplex_pair.ts";
import { DEVICE, listLog, specOf } from "./support.ts";

const NAMES = new Map(Object.entries(FrameKind).map(([name, kind]) => [kind as number, name]));
const NO_DATA = new Uint8Array();

/** A host of 15 places whose every answer is the test's. */
class Fixture {
  readonly clock = new VirtualClock();
  readonly logged: string[] = [];
  readonly blocked: number[] = [];
  /** What the host was sent: kind, context, argument. */
  readonly sent: string[] = [];
  /** What contexts were notified of. */
  readonly told: string[] = [];
  readonly closed: (Error | null)[] = [];
  readonly statistics = new CallStatistics();
  readonly contexts: HostContexts;
  readonly far: FrameChannel;

  constructor() {
    const [near, far] = duplexPair();
    this.contexts = new HostContexts(near, {
      statistics: this.statistics,
      log: listLog(this.logged),
      clock: this.clock,
      destroyTimeoutMs: 5000,
      onBlocked: (count) => this.blocked.push(count),
      onPong: (bytes) => this.told.push(`pong ${bytes}`),
      onOverdue: (context, name, ms) =>
        this.told.push(`overdue ${context?.spec.car} ${name} ${ms}`),
      onFailed: (context, reason) => this.told.push(`failed ${context?.spec.car} ${reason}`),
      onClosed: (error) => this.closed.push(error),
    });
    this.far = new FrameChannel(far, {
      onFrame: (frame: Frame) => {
        const { kind, context, argument } = frame;
        const payload = kind === FrameKind.DESTROY ? ` ${frame.uint32(0)}` : "";
        this.sent.push(`${NAMES.get(kind)} ${context} ${argument}${payload}`);
      },
      onClosed() {},
    });
    this.contexts.channel.start();
    this.far.start();
  }

  /** Says something as the host, and waits until it has been heard. */
  async say(kind: FrameKind, context: number, argument?: number, number?: number) {
    if (number === undefined) this.far.out.frame(kind, context, argument);
    else this.far.out.numberFrame(kind, context, argument ?? 0, number);
    await this.flush();
  }

  async sayText(kind: FrameKind, context: number, text: string, argument = 0): Promise<void> {
    this.far.out.begin(kind, context, argument);
    this.far.out.text(text);
    this.far.out.end();
    await this.flush();
  }

  /** Resolves when everything has arrived that either side has sent. */
  async flush(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      await waitFor(this.far.drained(), "the host's frames");
      await waitFor(this.contexts.channel.drained(), "the server's frames");
      await settled();
    }
  }

  listener(car: string): ContextListener {
    return {
      onLoaded: () => this.told.push(`${car} loaded`),
      onCommand: () => this.told.push(`${car} command`),
      onLost: (reason, blame) => this.told.push(`${car} lost ${reason} ${blame}`),
    };
  }

  /** A context at the next free place. */
  async make(car: string): Promise<RemoteContext> {
    const making = this.contexts.create(specOf(car), this.listener(car), "context");
    await this.flush();
    const index = Number(this.sent.at(-1)?.split(" ")[1]);
    await this.say(FrameKind.CREATED, index);
    const context = await waitFor(making, "the context");
    assert.ok(context instanceof RemoteContext);
    return context;
  }

  /** Lets a call's outcome be told. */
  done(name: string): CallDone {
    return (outcome: CallOutcome) => this.told.push(`${name} ${outcome}`);
  }

  close(): void {
    this.contexts.channel.close();
  }
}

function failureOf(making: Promise<unknown>): Promise<string> {
  return making.then(
    () => "made",
    (error: ModuleLoadError) =>
      `${error.kind} ${error.blame} ${error.message.replace(/ from ".*?": /, ": ")}`,
  );
}

Deno.test("HostContexts gives each context the first free place, fifteen at most", async () => {
  const test = new Fixture();
  for (let i = 0; i < CONTEXTS_PER_HOST; i++) await test.make(`car_${i}`);
  assert.deepEqual(test.sent.map((line) => line.split(" ")[1]), [...Array(15).keys()].map(String));
  const sixteenth = test.contexts.create(specOf("car_x"), test.listener("car_x"), "context");
  assert.match(await failureOf(sixteenth), /^host none .*the host holds 15 contexts already$/);
  await test.say(FrameKind.DESTROYED, 3);
  assert.equal(test.contexts.places, 14);
  await test.make("car_y");
  assert.equal(test.sent.at(-1), "CREATE 3 0");
  assert.deepEqual(test.contexts.snapshot().at(-1), {
    car: "car_y",
    module: 1000,
    libPath: specOf("car_y").libPath,
    openCalls: 0,
    destroying: false,
  });
  test.close();
});

Deno.test("HostContexts hears why a context could not be made, and asks a host no more that lacks something", async () => {
  const test = new Fixture();
  for (const [argument, kind] of [...LOAD_ERROR_KINDS, "host"].entries()) {
    const making = failureOf(
      test.contexts.create(specOf("car_a"), test.listener("car_a"), "context"),
    );
    await test.flush();
    await test.sayText(FrameKind.CREATE_FAILED, 0, "why", argument);
    assert.equal(
      await making,
      `${kind} none Cannot load module 1000 of car "car_a": why`,
    );
    assert.equal(test.contexts.exhausted, argument >= 4);
    assert.equal(test.contexts.places, 0);
  }
  assert.deepEqual(test.blocked, [15], "said once");
  test.close();
});

Deno.test("HostContexts tells a context that its library is loaded, and nobody else", async () => {
  const test = new Fixture();
  await test.make("car_a");
  const making = test.contexts.create(specOf("car_b"), test.listener("car_b"), "init");
  await test.flush();
  await test.say(FrameKind.LOADED, 0);
  await test.say(FrameKind.LOADED, 1);
  await test.say(FrameKind.LOADED, 2);
  assert.deepEqual(test.told, ["car_b loaded"]);
  await test.say(FrameKind.CREATED, 1);
  await waitFor(making, "the trial");
  assert.deepEqual([test.contexts.places, test.contexts.snapshot().length], [1, 1]);
  test.close();
});

Deno.test("HostContexts takes no notice of what is said about contexts that it does not have", async () => {
  const test = new Fixture();
  await test.make("car_a");
  const { NOTICE, PONG, OVERDUE, FAILED } = FrameKind;
  const telling: readonly FrameKind[] = [NOTICE, PONG, OVERDUE, FAILED];
  for (const kind of Object.values(FrameKind)) {
    if (!telling.includes(kind)) await test.say(kind, 9);
  }
  // Nor of answers to calls that were not made.
  await test.say(FrameKind.DONE, 0, 0, 1);
  assert.deepEqual([test.contexts.places, test.told, test.blocked], [1, [], []]);
  await test.sayText(FrameKind.NOTICE, 9, "about nobody");
  await test.sayText(FrameKind.NOTICE, 0, "about a car");
  assert.deepEqual(test.logged, ["WARNING -: about nobody", "WARNING car_a: about a car"]);
  test.far.out.begin(FrameKind.OVERDUE, 9);
  test.far.out.uint32(7);
  test.far.out.text("init");
  test.far.out.end();
  await test.say(FrameKind.PONG, 0, 0, 3);
  assert.deepEqual(test.told, ["overdue undefined init 7", "pong 3072"]);
  await test.sayText(FrameKind.FAILED, 9, "gone");
  await test.sayText(FrameKind.FAILED, 0, "also gone");
  assert.deepEqual(test.told.slice(2), ["failed undefined gone", "failed car_a also gone"]);
  test.close();
});

Deno.test("HostContexts hands on commands until their context is to be destroyed", async () => {
  const test = new Fixture();
  const context = await test.make("car_a");
  const sayCommand = async (index: number) => {
    test.far.out.deviceFrame(FrameKind.COMMAND, index, 0, DEVICE, NO_DATA);
    await test.flush();
  };
  await sayCommand(0);
  await sayCommand(1);
  // One that is damaged does no harm.
  await test.say(FrameKind.COMMAND, 0);
  assert.deepEqual(test.told, ["car_a command"]);
  assert.match(test.logged[0] ?? "", /^ERROR car_a: .*payload has 0 bytes/);
  void context.destroy();
  await sayCommand(0);
  assert.deepEqual(test.told, ["car_a command"]);
  await test.say(FrameKind.DESTROYED, 0);
  test.close();
});

Deno.test("RemoteContext.destroy() asks once, and ends when the host says so", async () => {
  const test = new Fixture();
  const context = await test.make("car_a");
  context.forwardStatus(DEVICE, NO_DATA, test.done("open"));
  const destroyed = context.destroy();
  assert.equal(context.destroy(), destroyed);
  assert.equal(test.contexts.snapshot()[0]?.destroying, true);
  context.forwardStatus(DEVICE, NO_DATA, test.done("late"));
  context.holdCommands();
  context.releaseCommands();
  context.withdrawCalls();
  assert.equal(test.clock.timers, 1);
  await test.flush();
  assert.deepEqual(test.sent.slice(1), ["FORWARD_STATUS 0 0", "DESTROY 0 0 5000"]);
  assert.deepEqual(test.told, ["late host_lost"]);
  await test.say(FrameKind.DESTROYED, 0);
  await waitFor(destroyed, "the context to be destroyed");
  assert.deepEqual(test.told, ["late host_lost", "open host_lost"]);
  assert.deepEqual([test.contexts.places, test.clock.timers, test.blocked], [0, 0, []]);
  assert.deepEqual(test.logged, []);
  // Nothing is asked of one that is gone.
  context.holdCommands();
  assert.equal(context.destroy(), destroyed);
  await test.flush();
  assert.equal(test.sent.length, 3);
  test.close();
});

Deno.test("RemoteContext.destroy() sends calls that wait beside the window first", async () => {
  const test = new Fixture();
  const context = await test.make("car_a");
  for (let i = 0; i < 200; i++) context.acknowledgeCommand(DEVICE, NO_DATA, () => {});
  await test.flush();
  assert.equal(test.sent.length, 1 + 64);
  void context.destroy();
  await test.flush();
  assert.equal(test.sent.length, 1 + 200 + 1);
  assert.equal(test.sent.at(-1), "DESTROY 0 0 5000");
  await test.say(FrameKind.DESTROYED, 0);
  test.close();
});

Deno.test("A context is given up half a second after a host should have destroyed it", async () => {
  const test = new Fixture();
  const context = await test.make("car_a");
  let isOver = false;
  const destroyed = context.destroy(1000).then(() => isOver = true);
  await test.clock.advance(1499);
  assert.equal(isOver, false);
  await test.clock.advance(1);
  await waitFor(destroyed, "the context to be given up");
  assert.equal(test.sent.at(-1), "DESTROY 0 0 1000");
  assert.deepEqual([test.contexts.places, test.blocked], [1, [1]]);
  assert.match(test.logged[0] ?? "", /^WARNING car_a: Context not destroyed/);
  // The place is not given to anybody else before.
  await test.make("car_b");
  assert.equal(test.sent.at(-1), "CREATE 1 0");
  await test.say(FrameKind.DESTROYED, 0, 1);
  assert.deepEqual(test.blocked, [1], "that is known already");
  await test.say(FrameKind.DESTROYED, 0, 0);
  assert.deepEqual([test.contexts.places, test.blocked], [1, [1, 0]]);
  test.close();
});

Deno.test("A context that its host had to leave frees its place when it is gone", async () => {
  const test = new Fixture();
  const context = await test.make("car_a");
  const destroyed = context.destroy();
  await test.say(FrameKind.DESTROYED, 0, 1);
  await waitFor(destroyed, "the context to be left");
  assert.deepEqual([test.contexts.places, test.blocked, test.clock.timers], [1, [1], 0]);
  await test.say(FrameKind.FREED, 0);
  await test.say(FrameKind.FREED, 0);
  assert.deepEqual([test.contexts.places, test.blocked], [0, [1, 0]]);
  test.close();
});

Deno.test("HostContexts.destroyAll() fails what is being made and destroys the rest", async () => {
  const test = new Fixture();
  await test.make("car_a");
  await test.make("car_b");
  const making = test.contexts.create(specOf("car_c"), test.listener("car_c"), "context");
  const all = test.contexts.destroyAll(300);
  assert.equal(
    await failureOf(making),
    'host none Cannot load module 1000 of car "car_c": the host is stopping',
  );
  await test.flush();
  assert.deepEqual(test.sent.slice(3), ["DESTROY 0 0 300", "DESTROY 1 0 300"]);
  await test.say(FrameKind.DESTROYED, 0);
  await test.say(FrameKind.DESTROYED, 1);
  await waitFor(all, "all to be destroyed");
  assert.equal(test.contexts.places, 0);
  test.close();
});

Deno.test("HostContexts.end() ends open calls first, then tells each context whose fault it may be", async () => {
  const test = new Fixture();
  const [busy, idle, leaving] = [await test.make("a"), await test.make("b"), await test.make("c")];
  const making = ["d", "e"].map((car) =>
    failureOf(test.contexts.create(specOf(car), test.listener(car), "context"))
  );
  busy.forwardStatus(DEVICE, NO_DATA, test.done("status"));
  busy.acknowledgeCommand(DEVICE, NO_DATA, test.done("acknowledge"));
  const destroyed = leaving.destroy();
  const blameOf = ({ spec, openCalls }: RemoteContext): Blame =>
    spec.car === "e" ? "none" : openCalls > 0 ? "likely" : "possible";
  test.contexts.end("it ended", blameOf, true);
  assert.deepEqual(test.told, [
    "status host_lost",
    "acknowledge host_lost",
    "a lost it ended likely",
    "b lost it ended possible",
  ]);
  assert.deepEqual(await Promise.all(making), [
    'host likely Cannot load module 1000 of car "d": the host died: it ended',
    'host none Cannot load module 1000 of car "e": the host died: it ended',
  ]);
  await waitFor(destroyed, "the context that was leaving");
  assert.deepEqual([test.contexts.places, test.clock.timers], [0, 0]);
  idle.forwardStatus(DEVICE, NO_DATA, test.done("late"));
  assert.equal(test.told.length, 4);
  await settled();
  assert.equal(test.told.at(-1), "late host_lost");
  // Nothing is left to destroy.
  await waitFor(idle.destroy(), "what is gone");
  test.close();
});

Deno.test("HostContexts.end() tells contexts nothing when their host was stopped in order", async () => {
  const test = new Fixture();
  await test.make("car_a");
  test.contexts.end("it was stopped", () => "possible", false);
  assert.deepEqual(test.told, []);
  test.close();
  await settled();
  assert.deepEqual(test.closed, [null]);
});

Deno.test("A context that throws when it hears of its loss keeps nobody else from hearing of theirs", async () => {
  const test = new Fixture();
  const onLost = () => {
    throw new Error("no car");
  };
  const making = test.contexts.create(specOf("a"), { onCommand() {}, onLost }, "context");
  await test.flush();
  await test.say(FrameKind.CREATED, 0);
  await making;
  await test.make("b");
  test.contexts.end("it ended", () => "possible", true);
  assert.deepEqual(test.told, ["b lost it ended possible"]);
  assert.match(test.logged[0] ?? "", /^ERROR a: Callback of a module call failed: Error: no car/);
  test.close();
});

Deno.test("RemoteContext sends each call as what it is, and counts how each ended [MODULE-CALLS]", async () => {
  const test = new Fixture();
  const context = await test.make("car_a");
  context.connectDevice(DEVICE, test.done("connect"));
  context.disconnectDevice(2, DEVICE, test.done("disconnect"));
  context.disconnectDevice(1, DEVICE, test.done("if connected"), true);
  context.forwardStatus(DEVICE, NO_DATA, test.done("status"));
  context.forwardStatus(DEVICE, NO_DATA, test.done("answered"), true);
  context.forwardErrorMessage(DEVICE, NO_DATA, test.done("error"));
  context.forwardErrorMessage(DEVICE, NO_DATA, test.done("answered error"), true);
  context.acknowledgeCommand(DEVICE, NO_DATA, test.done("acknowledge"));
  context.withdrawCalls();
  assert.equal(context.openCalls, 8);
  await test.flush();
  assert.deepEqual(test.sent.slice(1), [
    "CONNECT_DEVICE 0 0",
    "DISCONNECT_DEVICE 0 2",
    "DISCONNECT_DEVICE 0 129",
    "FORWARD_STATUS 0 0",
    "FORWARD_STATUS 0 1",
    "FORWARD_ERROR_MESSAGE 0 0",
    "FORWARD_ERROR_MESSAGE 0 1",
    "ACKNOWLEDGE_COMMAND 0 0",
    "WITHDRAW_CALLS 0 0",
  ]);
  assert.deepEqual(test.told, []);
  for (let i = 0; i < 8; i++) await test.say(FrameKind.DONE, 0, i, 1000 * i);
  assert.deepEqual(test.told, [
    "connect ok",
    "disconnect not_ok",
    "if connected reserved",
    "status context_incorrect",
    "answered timeout_occurred",
    "error unknown_code",
    "answered error unsupported",
    "acknowledge host_lost",
  ]);
  context.acknowledgeCommand(DEVICE, NO_DATA, test.done("odd"));
  await test.flush();
  await test.say(FrameKind.DONE, 0, CALL_OUTCOMES.length, 0);
  assert.equal(test.told.at(-1), "odd unknown_code");
  const counted = test.statistics.snapshot().map(({ functionName, byOutcome, totalMs, maxMs }) => {
    const outcomes = Object.entries(byOutcome).filter(([, count]) => count > 0).map(([name]) =>
      name
    );
    return `${functionName} ${outcomes} ${totalMs} ${maxMs}`;
  });
  assert.deepEqual(counted, [
    "device_connected ok 0 0",
    "device_disconnected not_ok,reserved 3 2",
    "forward_status context_incorrect,timeout_occurred 7 4",
    "forward_error_message unknown_code,unsupported 11 6",
    "command_ack host_lost 0 0",
  ]);
  // There is nothing to take back: the host is not troubled.
  context.withdrawCalls();
  context.holdCommands();
  context.releaseCommands();
  await test.flush();
  assert.deepEqual(test.sent.slice(-2), ["HOLD_COMMANDS 0 0", "RELEASE_COMMANDS 0 0"]);
  assert.equal(test.sent.filter((line) => line.startsWith("WITHDRAW")).length, 1);
  test.close();
});

Deno.test("RemoteContext ends calls that wait beside the window as withdrawn, later than the withdrawal", async () => {
  const test = new Fixture();
  const context = await test.make("car_a");
  for (let i = 0; i < 64; i++) context.acknowledgeCommand(DEVICE, NO_DATA, () => {});
  const rear = { ...DEVICE, deviceRole: "rear" };
  context.forwardStatus(DEVICE, NO_DATA, test.done("status"));
  context.connectDevice(rear, test.done("connect"));
  context.acknowledgeCommand(rear, NO_DATA, test.done("acknowledge"));
  await test.flush();
  const before = test.sent.length;
  context.withdrawCalls();
  context.disconnectDevice(1, rear, test.done("disconnect"), true);
  context.disconnectDevice(1, DEVICE, test.done("other"), true);
  assert.deepEqual(test.told, []);
  await settled();
  assert.deepEqual(test.told, ["status withdrawn", "connect withdrawn", "disconnect withdrawn"]);
  await test.say(FrameKind.DONE, 0, 0, 1);
  await test.say(FrameKind.DONE, 0, 0, 1);
  assert.deepEqual(test.sent.slice(before), [
    "WITHDRAW_CALLS 0 0",
    "ACKNOWLEDGE_COMMAND 0 0",
    "DISCONNECT_DEVICE 0 129",
  ]);
  test.close();
});
