// How long a session's queues are, wherever it is.
import assert from "node:assert/strict";
import { connectedDevices, oldestUnanswered, queueDepths } from "../../src/session/mod.ts";
import {
  connectingCar,
  firstCommandsCar,
  firstStatusesCar,
  FRONT,
  LAMP,
  REAR,
  runningCar,
  type TestCar,
  waitingCar,
} from "../car/support.ts";

/** Waiting, begun and early statuses; ready and parked commands; one of two that is answered. */
function busyCar(): TestCar {
  const car = runningCar([FRONT, LAMP], { maxUnansweredCommands: 2 });
  car.automatic = false;
  for (let i = 0; i < 66; i++) car.status(FRONT);
  car.status(FRONT, { counter: car.counter + 1 });
  for (const text of ["sent", "answered", "ready"]) car.command(FRONT, text);
  car.respond(3);
  return car;
}

/** In step 3 with a status and two commands more, and one of two responses. */
function answeringCar(): TestCar {
  const car = firstCommandsCar([FRONT, LAMP]);
  car.status(FRONT, { counter: 2, state: 1 });
  car.command(FRONT, "a");
  car.command(LAMP, "b");
  car.respond(1);
  return car;
}

Deno.test("queueDepths() and connectedDevices() count what there is, wherever the session is", () => {
  const idle = waitingCar();
  idle.command(FRONT, "parked");
  const cases = [
    [idle, [0, 1, 0], []],
    [connectingCar([FRONT]), [0, 0, 0], []],
    [firstStatusesCar([FRONT, LAMP]), [0, 0, 0], ["7/1/front", "8/1/lamp"]],
    [answeringCar(), [1, 2, 1], ["7/1/front", "8/1/lamp"]],
    [runningCar([FRONT, REAR]), [0, 0, 0], ["7/1/front", "7/1/rear"]],
    [busyCar(), [67, 1, 1], ["7/1/front", "8/1/lamp"]],
  ] as const;
  for (const [{ session }, depths, devices] of cases) {
    const { statuses, commands, unansweredCommands } = queueDepths(session);
    assert.deepEqual([statuses, commands, unansweredCommands], depths, session.kind);
    assert.deepEqual(connectedDevices(session), devices);
  }
});

Deno.test("oldestUnanswered() finds the first status without an answer, begun or not", () => {
  const counter = ({ session }: TestCar) => oldestUnanswered(session)?.messageCounter;
  assert.equal(counter(waitingCar()), undefined);
  const car = runningCar([FRONT]);
  assert.equal(counter(car), undefined);
  car.automatic = false;
  for (const expected of [1, 1]) {
    car.status(FRONT);
    assert.equal(counter(car), expected);
  }
  // The process that takes it over begins with none before its devices are there.
  car.moduleReturns(0);
  assert.equal(counter(car), 2);
  car.input({ type: "take_over", missed: [] });
  assert.equal(counter(car), 2);
});
