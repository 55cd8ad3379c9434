// New settings for a session that goes on: they count at once, and end nothing.
import assert from "node:assert/strict";
import { DeviceState } from "../../src/protocol/messages.ts";
import type { SessionSettings } from "../../src/session/settings.ts";
import {
  firstCommandsCar,
  firstStatusesCar,
  FRONT,
  LAMP,
  runningCar,
  type TestCar,
  waitingCar,
} from "./support.ts";

/** Gives the car other settings and expects that nothing ended. */
function configure(car: TestCar, settings: Partial<SessionSettings>) {
  const { kind } = car.session;
  const seen = car.configure(settings);
  assert.equal(car.session.kind, kind);
  assert.deepEqual(seen.failures, []);
  return seen;
}

Deno.test("step() lets a longer session timeout count from the last message on", () => {
  const car = runningCar();
  car.advance(20_000);
  configure(car, { sessionMs: 60_000 });
  assert.deepEqual(car.advance(39_999).failures, []);
  const [failure] = car.advance(1).failures;
  assert.deepEqual([failure?.reason, failure?.waitedMs], ["session_timeout", 60_000]);
});

Deno.test("step() lets a shorter session timeout count from the last message on, if that leaves time", () => {
  const car = runningCar();
  car.advance(4000);
  configure(car, { sessionMs: 5000 });
  assert.deepEqual(car.advance(999).failures, []);
  assert.equal(car.advance(1).failures[0]?.waitedMs, 5000);
});

Deno.test("step() gives a session the whole new timeout when it was silent for longer already", () => {
  const car = runningCar();
  car.advance(20_000);
  configure(car, { sessionMs: 5000 });
  assert.deepEqual(car.advance(4999).failures, []);
  assert.equal(car.advance(1).failures[0]?.reason, "session_timeout");
});

Deno.test("step() gives unanswered commands and gaps the whole new timeout, too", () => {
  const commands = runningCar();
  commands.command(FRONT, "go");
  const gap = runningCar();
  gap.status(FRONT, { counter: gap.counter + 1 });
  for (const [car, reason] of [[commands, "command_unanswered"], [gap, "status_gap"]] as const) {
    car.advance(8000);
    configure(car, { responseMs: 3000 });
    assert.deepEqual(car.advance(2999).failures, []);
    assert.equal(car.advance(1).failures[0]?.reason, reason);
  }
});

Deno.test("step() gives a wait that is just over by the new settings its whole time, too", () => {
  const settings = { sessionMs: 5000, responseMs: 5000 };
  const commands = runningCar();
  commands.command(FRONT, "go");
  const gap = runningCar();
  gap.status(FRONT, { counter: gap.counter + 1 });
  for (const car of [commands, gap, runningCar(), firstStatusesCar(), firstCommandsCar()]) {
    car.now += 5000;
    configure(car, settings);
    assert.equal(car.deadline, car.now + 5000);
    car.now += 4999;
    configure(car, settings);
    assert.equal(car.deadline, car.now + 1);
  }
});

Deno.test("step() takes another response timeout into the connect sequence", () => {
  for (const make of [firstStatusesCar, firstCommandsCar]) {
    const longer = make();
    configure(longer, { responseMs: 20_000 });
    assert.deepEqual(longer.advance(19_999).failures, []);
    assert.equal(longer.advance(1).failures.length, 1);
    const shorter = make();
    shorter.advance(9000);
    configure(shorter, { responseMs: 5000 });
    assert.deepEqual(shorter.advance(4999).failures, []);
    assert.equal(shorter.advance(1).failures.length, 1);
  }
});

Deno.test("step() lets a module of another number send commands as soon as that is allowed", () => {
  const car = runningCar();
  assert.deepEqual(car.command(FRONT, "no", 8).lines, []);
  configure(car, { sendInvalidCommand: true });
  assert.deepEqual(car.command(FRONT, "yes", 8).linesOf("Command").length, 1);
});

Deno.test("step() publishes what waited, and releases modules, when limits grow", () => {
  const car = runningCar([FRONT, LAMP], { maxUnansweredCommands: 1, maxWaitingCommands: 3 });
  const held = ["a", "b", "c", "d"].flatMap((text) => car.command(FRONT, text).linesOf("hold"));
  assert.deepEqual(held, ["hold 7"]);
  const seen = configure(car, { maxUnansweredCommands: 3, maxWaitingCommands: 10 });
  assert.deepEqual(seen.linesOf("Command").map((line) => line.slice(-1)), ["b", "c"]);
  assert.deepEqual(seen.linesOf("release"), ["release 7"]);
});

Deno.test("step() judges statuses and Connects by the new limits", () => {
  const car = runningCar();
  configure(car, { maxStatusGap: 2 });
  assert.equal(car.status(FRONT, { counter: car.counter + 3 }).failures[0]?.reason, "status_gap");
  const idle = waitingCar();
  configure(idle, { maxDevices: 1 });
  assert.equal(idle.connect([FRONT, LAMP]).failures[0]?.reason, "protocol_violation");
});

Deno.test("step() keeps counters, devices and the session id across new settings", () => {
  const car = runningCar();
  const before = car.running();
  configure(car, { sessionMs: 1000, responseMs: 1000, maxWaitingStatuses: 1 });
  const { base, ...rest } = car.running();
  const { base: baseBefore, ...restBefore } = before;
  assert.deepEqual({ ...base, ...rest }, { ...baseBefore, ...restBefore });
  const seen = car.status(FRONT, { state: DeviceState.RUNNING, data: "x" });
  assert.equal(seen.linesOf("StatusResponse").length, 1);
});

Deno.test("step() drops commands that wait for a module the car no longer has", () => {
  const car = waitingCar();
  car.command(FRONT, "old");
  car.command(LAMP, "kept");
  const seen = configure(car, { modules: [8] });
  assert.deepEqual(seen.noteCodes, ["command_dropped module_removed"]);
  assert.deepEqual(car.session.base.commands.parked.map(({ module }) => module), [8]);
  assert.deepEqual(configure(car, { modules: [8] }).effects, []);
  const running = runningCar([FRONT, LAMP], { maxUnansweredCommands: 1 });
  for (const one of [LAMP, FRONT, LAMP, FRONT]) running.command(one, "x");
  const removed = configure(running, { modules: [8], maxUnansweredCommands: 1 });
  assert.deepEqual(removed.noteCodes, Array(2).fill("command_dropped module_removed"));
});

Deno.test("step() asks a module to keep its commands again that was removed meanwhile", () => {
  const limits = { maxUnansweredCommands: 1, maxWaitingCommands: 2 };
  const car = runningCar([FRONT, LAMP], limits);
  for (const text of ["sent", "a", "b"]) car.command(FRONT, text);
  configure(car, { ...limits, modules: [8] });
  configure(car, limits);
  car.command(FRONT, "c");
  assert.deepEqual(car.command(FRONT, "d").lines, ["hold 7"]);
});

Deno.test("step() releases a module when what waited was of one the car no longer has", () => {
  const limits = { maxUnansweredCommands: 1, maxWaitingCommands: 4 };
  const car = runningCar([FRONT, LAMP], limits);
  const send = (devices: readonly typeof FRONT[]) =>
    devices.flatMap((one) => car.command(one, "x").linesOf("hold"));
  assert.deepEqual(send([FRONT, FRONT, FRONT, FRONT, LAMP, FRONT, FRONT, FRONT]), [
    "hold 8",
    "hold 7",
  ]);
  // Now the other module's last command is on its way, and three wait.
  for (const counter of [2, 3, 4, 5]) assert.deepEqual(car.respond(counter).linesOf("release"), []);
  assert.deepEqual(configure(car, { ...limits, modules: [8] }).linesOf("release"), ["release 8"]);
});

Deno.test("step() connects devices of a module the car has been given", () => {
  const car = waitingCar({ modules: [7] });
  assert.deepEqual(car.connect([FRONT, LAMP]).linesOf("connect"), ["connect 7/1/front"]);
  car.input({ type: "module_lost", detail: "Its modules were reconfigured" });
  configure(car, { modules: [7, 8] });
  car.input({ type: "modules_ready" });
  assert.deepEqual(car.connect([FRONT, LAMP], "s2").linesOf("connect"), [
    "connect 7/1/front",
    "connect 8/1/lamp",
  ]);
});

Deno.test("step() takes no settings once it is stopped", () => {
  const car = runningCar();
  car.input({ type: "stop" });
  const { session } = car;
  car.configure({ sessionMs: 1 });
  assert.equal(car.session, session);
});
