// How sessions end [FAIL-CLEANUP] [FAIL-REASONS]: one coded reason, everything undone, nothing left
// behind.
import assert from "node:assert/strict";
import { deviceKey } from "../../src/protocol/device.ts";
import type { Input } from "../../src/session/effects.ts";
import { CommandResponseType, DeviceState } from "../../src/protocol/messages.ts";
import {
  connectingCar,
  FOREIGN,
  FRONT,
  LAMP,
  REAR,
  runningCar,
  type TestCar,
  waitingCar,
} from "./support.ts";

const LOST: Input = { type: "module_lost", detail: "Module 7: killed by SIGSEGV" };
const OFFLINE: Input = { type: "broker_lost", detail: "connection reset" };
const STOP: Input = { type: "stop" };

/** What is undone of two devices, whose connecting may not even have begun in step 1. */
function undone(car: TestCar): string[] {
  const { session } = car;
  return session.kind === "connecting" && session.step.name === "devices"
    ? [
      "withdraw",
      "disconnect timeout 7/1/front if connected",
      "disconnect timeout 8/1/lamp if connected",
    ]
    : ["disconnect timeout 7/1/front", "disconnect timeout 8/1/lamp"];
}

/** A car with two devices in each place a session can be. */
function everywhere(): TestCar[] {
  const devices = connectingCar([FRONT, LAMP]);
  const statuses = waitingCar();
  statuses.connect([FRONT, LAMP]);
  const responses = waitingCar();
  responses.connect([FRONT, LAMP]);
  responses.status(FRONT);
  responses.status(LAMP);
  return [devices, statuses, responses, runningCar([FRONT, LAMP])];
}

Deno.test("step() undoes a session wherever it is when modules are lost [FAIL-CLEANUP]", () => {
  for (const car of everywhere()) {
    const expected = undone(car);
    const seen = car.input(LOST);
    assert.deepEqual(seen.lines, [
      ...expected,
      "ALREADY_LOGGED s1",
      "ended module_lost",
    ]);
    assert.deepEqual(seen.failures, [{
      reason: "module_lost",
      sessionId: "s1",
      detail: "Module 7: killed by SIGSEGV",
      waitedMs: 0,
    }]);
    assert.equal(car.session.kind, "waiting");
    assert.equal(car.deadline, Infinity);
  }
});

Deno.test("step() undoes a session wherever it is when the broker is lost [SESSION-BROKER] [FAIL-CLEANUP]", () => {
  for (const car of everywhere()) {
    const expected = undone(car);
    const seen = car.input(OFFLINE);
    assert.deepEqual(seen.lines, [
      ...expected,
      "ended broker_lost",
    ]);
    assert.equal(seen.failures[0]?.detail, "connection reset");
    assert.equal(car.session.kind, "offline");
    assert.equal(car.deadline, Infinity);
  }
});

Deno.test("step() undoes a session wherever it is when the server stops [STOP-ORDER] [FAIL-CLEANUP]", () => {
  for (const car of everywhere()) {
    const expected = undone(car);
    const seen = car.input(STOP);
    assert.deepEqual(seen.lines, [
      ...expected,
      "ended stopped",
    ]);
    assert.equal(car.session.kind, "stopped");
    assert.equal(car.deadline, Infinity);
  }
});

Deno.test("step() takes nothing after the stop [STOP-ORDER]", () => {
  const car = runningCar([FRONT]);
  car.input(STOP);
  const { session } = car;
  const types = ["broker_connected", "broker_up", "restart", "pause", "resume", "tick"] as const;
  for (const input of [STOP, LOST, OFFLINE, ...types.map((type) => ({ type }))]) {
    assert.deepEqual(car.input(input).effects, []);
  }
  assert.deepEqual(car.connect([FRONT], "s2").effects, []);
  assert.deepEqual(car.command(FRONT, "a").effects, []);
  assert.equal(car.session, session);
});

Deno.test("step() ends no session that is not there [FAIL-CLEANUP]", () => {
  const car = waitingCar();
  assert.deepEqual(car.input(LOST).lines, []);
  assert.deepEqual(car.input(OFFLINE).lines, []);
  assert.equal(car.session.kind, "offline");
});

Deno.test("step() forgets devices, counters and statuses with the session [FAIL-CLEANUP]", () => {
  const car = runningCar([FRONT, LAMP]);
  car.automatic = false;
  car.status(FRONT);
  car.status(FRONT, { counter: 9 });
  car.input(LOST);
  assert.deepEqual(car.modulesReturn().lines, []);
  car.automatic = true;
  car.input({ type: "modules_ready" });
  car.run([FRONT], "s2");
  assert.deepEqual(car.running().devices.map(deviceKey), ["7/1/front"]);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1]);
});

Deno.test("step() disconnects only devices that are still connected [FAIL-CLEANUP]", () => {
  const car = runningCar([FRONT, REAR, FOREIGN]);
  car.status(REAR, { state: DeviceState.DISCONNECT });
  assert.deepEqual(car.advance(30_000).linesOf("disconnect"), ["disconnect timeout 7/1/front"]);
});

Deno.test("step() disconnects a device that is just coming [FAIL-CLEANUP]", () => {
  const car = runningCar([FRONT]);
  car.automatic = false;
  car.status(LAMP, { state: DeviceState.CONNECTING });
  assert.deepEqual(car.input(LOST).linesOf("disconnect"), [
    "disconnect timeout 7/1/front",
    "disconnect timeout 8/1/lamp if connected",
  ]);
});

Deno.test("step() withdraws calls that have not begun, so that nothing waits for them [FAIL-CLEANUP]", () => {
  const car = runningCar([FRONT]);
  car.automatic = false;
  car.status(FRONT, { data: "a" });
  car.status(FRONT, { data: "b" });
  assert.deepEqual(car.connect([FRONT], "s2").lines, [
    "withdraw",
    "disconnect timeout 7/1/front",
    "ended new_session",
    "connect 7/1/front",
  ]);
  // Neither answers anything in the new session.
  assert.deepEqual(car.moduleReturns(0).lines, []);
});

Deno.test("step() forwards first statuses it has answered, whatever follows [CONNECT-STATUS-FORWARD]", () => {
  for (const input of [STOP, OFFLINE, LOST]) {
    const car = waitingCar();
    car.connect([FRONT, REAR, LAMP]);
    car.status(REAR, { counter: 1 });
    car.status(FRONT, { counter: 0 });
    assert.deepEqual(car.input(input).lines.slice(0, 3), [
      "forward 0 7/1/front",
      "forward 1 7/1/rear",
      "disconnect timeout 7/1/front",
    ]);
  }
});

Deno.test("step() gives every failure one reason, with what was awaited and how long [FAIL-REASONS]", () => {
  const cases: [reason: string, waitedMs: number, detail: RegExp, act: () => TestCar][] = [
    ["session_timeout", 30_000, /message of the gateway/, () => {
      const car = runningCar([FRONT]);
      car.advance(30_000);
      return car;
    }],
    ["status_missing", 10_000, /7\/1\/front, 7\/1\/rear, 8\/1\/lamp and 1 more/, () => {
      const car = waitingCar();
      car.connect([FRONT, REAR, LAMP, FOREIGN]);
      car.advance(10_000);
      return car;
    }],
    ["command_unanswered", 10_000, /^1 command response of/, () => {
      const car = waitingCar();
      car.connect([FRONT]);
      car.status(FRONT);
      car.advance(10_000);
      return car;
    }],
    ["connect_incomplete", 0, /None of the 1 listed devices/, () => {
      const car = waitingCar();
      car.connect([FOREIGN]);
      return car;
    }],
    ["all_devices_gone", 0, /last connected device/, () => {
      const car = runningCar([FRONT]);
      car.command(FRONT, "a");
      car.respond(1, CommandResponseType.DEVICE_NOT_CONNECTED);
      return car;
    }],
    ["new_session", 0, /"s2"/, () => {
      const car = runningCar([FRONT]);
      car.connect([FRONT], "s2");
      return car;
    }],
    ["status_gap", 10_000, /counter 1, 1 came after it/, () => {
      const car = runningCar([FRONT]);
      car.status(FRONT, { counter: 2 });
      car.advance(10_000);
      return car;
    }],
    ["protocol_violation", 0, /7\/1\/front has state 1/, () => {
      const car = waitingCar();
      car.connect([FRONT]);
      car.status(FRONT, { state: DeviceState.RUNNING });
      return car;
    }],
  ];
  for (const [reason, waitedMs, detail, act] of cases) {
    const failures = act().effects.flatMap((one) => one.type === "ended" ? [one.failure] : []);
    assert.equal(failures.length, 1, reason);
    assert.equal(failures[0]?.reason, reason);
    assert.equal(failures[0]?.sessionId, "s1");
    assert.equal(failures[0]?.waitedMs, waitedMs, reason);
    assert.match(failures[0]?.detail ?? "", detail);
  }
});

Deno.test("step() says how long it really waited when a tick comes late [FAIL-REASONS]", () => {
  const car = runningCar([FRONT]);
  car.now += 31_000;
  assert.equal(car.input({ type: "tick" }).failures[0]?.waitedMs, 31_000);
});

Deno.test("step() does nothing for a tick before the deadline", () => {
  for (const car of everywhere()) {
    car.now += 9999;
    const { session } = car;
    assert.deepEqual(car.input({ type: "tick" }).effects, []);
    assert.equal(car.session, session);
  }
});

Deno.test("step() takes a new Connect right after each failure [FAIL-CLEANUP]", () => {
  const car = runningCar([FRONT]);
  for (let round = 2; round < 20; round++) {
    car.advance(30_000);
    car.run([FRONT, LAMP], `s${round}`);
  }
  car.input(OFFLINE);
  car.input({ type: "broker_up" });
  car.run([FRONT], "last");
  assert.equal(car.effects.filter(({ type }) => type === "ended").length, 19);
});
