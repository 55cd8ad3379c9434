// Gateways that begin one connect sequence after the other [CONNECT-RATE]: growing pauses for
// storms, none for those that come back after a failure.
import assert from "node:assert/strict";
import { isSaturated } from "../../src/session/session.ts";
import { FRONT, LAMP, runningCar, TestCar, waitingCar } from "./support.ts";

const BURST = 20;

/** A car whose gateway has used up all sequences that may follow each other at once. */
function stormedCar(): TestCar {
  const car = waitingCar();
  for (let i = 0; i < BURST; i++) {
    assert.deepEqual(car.connect([FRONT], `storm ${i}`).linesOf("connect"), ["connect 7/1/front"]);
  }
  return car;
}

/** Connects with ever new session ids, one each `gapMs`; when a sequence began, in milliseconds. */
function storm(car: TestCar, gapMs: number, durationMs: number): number[] {
  const from = car.now;
  const begun: number[] = [];
  for (let i = 0; car.now < from + durationMs; i++) {
    const at = car.now;
    const waited = car.advance(gapMs);
    const seen = car.connect([FRONT], `${at} ${i}`);
    const count = [...waited.linesOf("connect"), ...seen.linesOf("connect")].length;
    for (let one = 0; one < count; one++) begun.push(car.now - from);
  }
  return begun;
}

Deno.test("step() holds the Connect behind a storm, takes the newest, and says so [CONNECT-RATE]", () => {
  const car = stormedCar();
  const held = car.connect([FRONT], "held");
  assert.deepEqual(held.linesOf("connect", "ConnectResponse"), []);
  assert.deepEqual(held.noteCodes.at(-1), "connect_held");
  // The session before has ended all the same: its gateway has another one.
  assert.deepEqual(held.linesOf("ended"), ["ended new_session"]);
  assert.deepEqual(car.connect([LAMP], "newest").lines, []);
  const seen = car.advance(500);
  assert.deepEqual(seen.published, [{ kind: "connect_response", sessionId: "newest", type: 0 }]);
  assert.deepEqual(seen.linesOf("connect"), ["connect 8/1/lamp"]);
});

Deno.test("step() holds a Connect that comes a moment too early, for that moment [CONNECT-RATE]", () => {
  for (const earlyMs of [1, 0.5, 0]) {
    const car = stormedCar();
    car.now += 500 - earlyMs;
    const seen = car.connect([FRONT], "early");
    assert.deepEqual(seen.linesOf("connect").length, earlyMs === 0 ? 1 : 0);
    assert.equal(seen.noteCodes.includes("connect_held"), earlyMs > 0);
    if (earlyMs > 0) assert.equal(car.deadline, car.now + earlyMs);
  }
});

Deno.test("step() lets the sequences of a storm begin after pauses that grow to 30 s [CONNECT-RATE]", () => {
  const car = waitingCar();
  const begun = storm(car, 10, 300_000);
  const pauses = begun.slice(BURST - 1).map((at, index, all) => at - (all[index - 1] ?? at));
  // Each begins with the first Connect behind its pause.
  const expected = [0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
  for (const [index, pause] of expected.entries()) {
    assert.ok(Math.abs((pauses[index] ?? -1) - pause) <= 10, `${index}: ${pauses}`);
  }
  assert.ok(begun.length < 40, `${begun.length} sequences`);
});

Deno.test("step() does not slow a gateway that connects every 1.3 s, however long [CONNECT-RATE]", () => {
  const car = waitingCar();
  assert.equal(storm(car, 1300, 600_000).length, Math.ceil(600_000 / 1300));
});

Deno.test("step() takes up at once a gateway that paused on its own after a storm [CONNECT-RATE]", () => {
  const car = stormedCar();
  storm(car, 10, 100_000);
  // The last one of the storm, then its own.
  car.advance(1300);
  car.advance(1300);
  assert.deepEqual(car.connect([FRONT], "calm").linesOf("ConnectResponse"), ["ConnectResponse OK"]);
  // But the pauses do not start over before it was calm for long.
  car.connect([FRONT], "hasty");
  // 1350 ms without a Connect gave credit for one sequence, and a tenth.
  assert.equal(car.deadline, car.now + 1150);
  car.now += 30_000;
  for (let i = 0; i < BURST; i++) {
    assert.deepEqual(car.connect([FRONT], `calm ${i}`).linesOf("connect").length, 1);
  }
  car.connect([FRONT], "held");
  assert.equal(car.deadline, car.now + 500);
});

Deno.test("step() takes the last Connect of a storm up as soon as it is over, whatever the pause [CONNECT-RATE]", () => {
  const car = stormedCar();
  storm(car, 10, 100_000);
  car.connect([FRONT], "last");
  assert.deepEqual(car.advance(1249).lines, []);
  assert.deepEqual(car.advance(1).published, [
    { kind: "connect_response", sessionId: "last", type: 0 },
  ]);
  // That has used its credit up.
  car.connect([FRONT], "one more");
  assert.equal(car.deadline, car.now + 1250);
});

Deno.test("step() holds a Connect until modules and rate both allow it [CONNECT-RATE]", () => {
  const car = stormedCar();
  car.input({ type: "module_lost", detail: "gone" });
  car.connect([FRONT], "held");
  assert.equal(car.deadline, car.now + 4500);
  car.advance(200);
  assert.deepEqual(car.input({ type: "modules_ready" }).lines, []);
  assert.equal(car.deadline, car.now + 300);
  assert.deepEqual(car.advance(300).linesOf("ConnectResponse"), ["ConnectResponse OK"]);
});

Deno.test("step() counts the calm while a Connect waited for modules once [CONNECT-RATE]", () => {
  const car = waitingCar();
  for (let i = 1; i < BURST; i++) car.connect([FRONT], `storm ${i}`);
  car.input({ type: "module_lost", detail: "gone" });
  car.connect([FRONT], "held");
  car.advance(4000);
  car.input({ type: "modules_ready" });
  // One was left, 4000 ms without a Connect gave 3.75 more, and one was used.
  const begun = [1, 2, 3, 4].map((i) => car.connect([FRONT], `${i}`).linesOf("connect").length);
  assert.deepEqual(begun, [1, 1, 1, 0]);
});

Deno.test("step() remembers a storm through a lost broker [CONNECT-RATE]", () => {
  const car = stormedCar();
  car.input({ type: "broker_lost", detail: "gone" });
  car.brokerUp();
  assert.deepEqual(car.connect([FRONT], "held").linesOf("connect"), []);
});

Deno.test("step() reads on while a Connect is held [CONNECT-RATE]", () => {
  const car = runningCar([FRONT]);
  storm(car, 1, 1000);
  assert.equal(isSaturated(car.session), false);
});
