// A car with broker and modules around it: what comes in leads to the right calls and answers.
import assert from "node:assert/strict";
import { FakeContext } from "../support/fake_context.ts";
import { CarFixture } from "./car_fixture.ts";
import { settled } from "../support/virtual_clock.ts";
import { bytes, FRONT, LAMP, REAR } from "./support.ts";

Deno.test("Car forwards a status to its module and answers it [STATUS-FORWARD]", async () => {
  const test = await new CarFixture().up().run([FRONT, LAMP]);
  test.status(FRONT, { data: "on" });
  assert.deepEqual(test.answers, []);
  await settled();
  assert.deepEqual(test.context(7).calls, ["status 7/1/front on"]);
  assert.deepEqual(test.context(8).calls, []);
  assert.deepEqual(test.published, [
    { kind: "status_response", sessionId: "s1", messageCounter: 2 },
  ]);
});

Deno.test("Car forwards the error message after the status, then answers [STATUS-FORWARD]", async () => {
  const test = await new CarFixture().up().run([FRONT]);
  const context = test.context(7);
  context.automatic = false;
  test.status(FRONT, { data: "on", error: "hot" });
  assert.deepEqual(context.calls, ["status 7/1/front on", "error 7/1/front hot"]);
  context.finish("not_ok");
  assert.deepEqual(test.answers, []);
  context.finish("not_ok");
  assert.deepEqual(test.answers, [1]);
  assert.equal(test.car.statistics.moduleCallsFailed, 2);
});

Deno.test("Car answers in counter order, whichever module is faster [STATUS-ORDER]", async () => {
  const test = await new CarFixture().up().run([FRONT, LAMP]);
  test.context(7).automatic = false;
  test.status(FRONT);
  test.status(LAMP);
  await settled();
  assert.deepEqual(test.answers, []);
  test.context(7).finish();
  assert.deepEqual(test.answers, [2, 3]);
});

Deno.test("Car does not answer a status that was lost with its host", async () => {
  const test = await new CarFixture().up().run([FRONT]);
  const context = test.context(7);
  context.automatic = false;
  test.status(FRONT);
  test.status(FRONT, { error: "hot" });
  test.lose(7, "it was ended by SIGSEGV");
  await settled();
  assert.deepEqual(test.published, [{ kind: "connect_response", sessionId: "s1", type: 1 }]);
  assert.equal(test.car.state, "ERROR");
  const [failure] = test.lastFailures;
  assert.equal(failure?.reason, "module_lost");
  assert.equal(failure?.detail, "Module 7: it was ended by SIGSEGV");
});

Deno.test("Car waits for a lost module and takes up the Connect that came meanwhile", async () => {
  const test = await new CarFixture().up().run([FRONT]);
  test.lose(7, "gone");
  test.transport.published.length = 0;
  test.connect([FRONT], "s2");
  await settled();
  assert.deepEqual(test.published, []);
  test.context(7);
  test.car.modulesReady();
  await settled();
  assert.deepEqual(test.published, [{ kind: "connect_response", sessionId: "s2", type: 0 }]);
});

Deno.test("Car calls no context that it has released, also before others are attached", async () => {
  const test = await new CarFixture().up().run([FRONT, LAMP]);
  const [front, lamp] = [test.context(7), test.context(8)];
  test.car.releaseModules("Its modules were reconfigured");
  // They still hear that their devices have left.
  assert.deepEqual([front.calls, lamp.calls], [["disconnect 1 7/1/front"], [
    "disconnect 1 8/1/lamp",
  ]]);
  const fresh = new FakeContext(front.spec, front.listener);
  test.car.attach(fresh);
  test.car.modulesReady();
  test.connect([FRONT, LAMP], "s2");
  await settled();
  await test.car.stop();
  assert.ok(fresh.calls.includes("connect 7/1/front"), `${fresh.calls}`);
  assert.deepEqual([front.calls.length, lamp.calls.length], [1, 1]);
});

Deno.test("Car survives a context that is away when a device connects", async () => {
  const test = new CarFixture();
  test.car.start();
  test.context(8);
  test.car.modulesReady();
  test.brokerUp();
  test.connect([FRONT, LAMP]);
  await settled();
  // The session waits: with the real owner of contexts, `module_lost` has been said or follows.
  assert.deepEqual(test.published, []);
  assert.deepEqual(test.context(8).calls, ["connect 8/1/lamp"]);
  test.context(7);
  test.connect([FRONT, LAMP], "s2");
  await settled();
  assert.deepEqual(test.published, [{ kind: "connect_response", sessionId: "s2", type: 0 }]);
});

Deno.test("Car publishes commands and acknowledges them to the module they came from", async () => {
  const test = await new CarFixture().up().run([FRONT, LAMP]);
  test.context(8).listener.onCommand({ device: LAMP, data: bytes("blink") });
  const [command] = test.published;
  assert.ok(command?.kind === "command");
  assert.equal(command.messageCounter, 2);
  assert.deepEqual(bytes("blink"), new Uint8Array(command.commandData));
  test.respond(2);
  assert.deepEqual(test.context(8).calls, ["acknowledge 8/1/lamp blink"]);
  assert.deepEqual(test.context(7).calls, []);
  assert.equal(test.car.statistics.commandsSent, 3);
});

Deno.test("Car tells a module to keep its commands while too many wait, and to go on", async () => {
  const settings = { maxWaitingCommands: 4, maxUnansweredCommands: 1 };
  const test = await new CarFixture({ settings }).up().run([FRONT]);
  const { listener, calls } = test.context(7);
  for (let i = 0; i < 5; i++) listener.onCommand({ device: FRONT, data: bytes(`${i}`) });
  assert.deepEqual(calls, ["hold"]);
  for (let counter = 1; counter <= 5; counter++) test.respond(counter);
  assert.equal(calls.filter((call) => call === "release").length, 1);
  assert.equal(calls.filter((call) => call.startsWith("acknowledge")).length, 5);
});

Deno.test("Car pauses reading while statuses pile up, and answers all of them after", async () => {
  const test = await new CarFixture({ settings: { maxWaitingStatuses: 10 } }).up().run([FRONT]);
  const context = test.context(7);
  context.automatic = false;
  for (let i = 0; i < 200; i++) test.status(FRONT);
  // 64 are with the module, 10 wait behind them, the others have not been read.
  assert.equal(test.transport.paused, true);
  assert.equal(test.car.statistics.statusesReceived, 1 + 64 + 10);
  assert.equal(test.log.matching(/Reading paused/).length, 1);
  for (let i = 0; i < 200; i++) {
    context.finish();
    await settled();
  }
  assert.deepEqual(test.answers, Array.from({ length: 200 }, (_, i) => i + 1));
  assert.equal(test.transport.paused, false);
  assert.equal(test.car.state, "RUNNING");
});

Deno.test("Car reads again when the session ends that had paused it", async () => {
  const test = await new CarFixture({ settings: { maxWaitingStatuses: 10 } }).up().run([FRONT]);
  test.context(7).automatic = false;
  for (let i = 0; i < 100; i++) test.status(FRONT);
  assert.equal(test.transport.paused, true);
  await test.clock.advance(30_000);
  assert.equal(test.transport.paused, false);
  assert.equal(test.car.state, "CONNECTED");
});

Deno.test("Car keeps one timer while there is something to wait for, and none after", async () => {
  const test = new CarFixture().up();
  assert.equal(test.clock.timers, 0);
  await test.run([FRONT, REAR]);
  assert.equal(test.clock.timers, 1);
  for (let i = 0; i < 20; i++) {
    test.status(FRONT);
    test.context(7).listener.onCommand({ device: FRONT, data: bytes("x") });
    await test.clock.advance(100);
    test.respond(2 + i);
    assert.equal(test.clock.timers, 1);
  }
  await test.clock.advance(30_000);
  assert.equal(test.car.state, "CONNECTED");
  assert.equal(test.lastFailures[0]?.reason, "session_timeout");
  assert.equal(test.clock.timers, 0);
});

Deno.test("Car fails a session exactly when its deadline has come", async () => {
  const test = await new CarFixture().up().run([FRONT]);
  await test.clock.advance(20_000);
  test.status(FRONT);
  await test.clock.advance(29_999);
  assert.equal(test.car.state, "RUNNING");
  await test.clock.advance(1);
  assert.equal(test.car.state, "CONNECTED");
});

Deno.test("Car tells its gateway through a connection that it is about to leave [TELL-FAILURE]", async () => {
  const test = await new CarFixture().up().run([FRONT]);
  test.transport.leave("The configuration names another broker");
  assert.deepEqual(test.published, [{ kind: "connect_response", sessionId: "s1", type: 1 }]);
  const [failure] = test.lastFailures;
  assert.equal(failure?.reason, "broker_lost");
  assert.equal(failure?.detail, "The configuration names another broker");
  assert.equal(test.car.snapshot().brokerConnected, false);
});

Deno.test("Car.stop() tells modules and no gateway, leaves the broker and keeps no timer [STOP-ORDER]", async () => {
  const test = await new CarFixture().up().run([FRONT, LAMP]);
  await test.car.stop();
  assert.deepEqual([test.published, test.transport.notifications], [[], 0]);
  assert.deepEqual(test.context(7).calls, ["disconnect 1 7/1/front"]);
  assert.deepEqual(test.context(8).calls, ["disconnect 1 8/1/lamp"]);
  assert.equal(test.transport.stopped, true);
  assert.equal(test.clock.timers, 0);
  assert.equal(test.car.state, "STOPPED");
  // What modules say from now on changes nothing.
  test.context(7).listener.onCommand({ device: FRONT, data: bytes("late") });
  test.lose(8, "late");
  assert.equal(test.car.state, "STOPPED");
  await test.car.stop();
});

Deno.test("a status is answered only when its record is safe, and not to a later session", async () => {
  const held: (() => void)[] = [];
  let isHolding = false;
  const beforeAnswer = (send: () => void) => {
    if (isHolding) held.push(send);
    else send();
  };
  const test = await new CarFixture({ beforeAnswer }).up().run([FRONT]);
  isHolding = true;
  test.status(FRONT, { data: "{}" });
  await settled();
  assert.deepEqual(test.answers, []);
  for (const send of held.splice(0)) send();
  assert.deepEqual(test.answers, [1]);
  test.status(FRONT, { data: "{}" });
  await settled();
  // A gateway expects the answer before a command that follows from its status.
  test.car.takeCommand(FRONT.module, { device: FRONT, data: bytes("x") });
  assert.equal(held.length, 2);
  test.car.restart();
  for (const send of held) send();
  assert.deepEqual(test.answers, [1]);
});
