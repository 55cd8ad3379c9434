// Who tries to connect, and when, while a broker is away and when it is back [WAIT-RETRY].
import assert from "node:assert/strict";
import { newAdmission, nextAttempt, stepAdmission } from "../../src/transport/mqtt/admission.ts";
import { type Attempt, ConnectQueue } from "../../src/transport/mqtt/connect_queue.ts";
import { VirtualClock } from "../support/virtual_clock.ts";

/** A broker that takes connections or not, and the cars that try. */
class Scene {
  readonly clock = new VirtualClock();
  readonly queue: ConnectQueue;
  /** When each attempt began. */
  readonly tries: number[] = [];
  /** When each car was accepted. */
  readonly accepted: number[] = [];
  underWay = 0;
  mostUnderWay = 0;
  #away = true;
  readonly #answerMs: number;

  /** @param answerMs how long the broker takes to answer, or to refuse */
  constructor(answerMs = 1, firstPauseMs = 500) {
    this.#answerMs = answerMs;
    this.queue = new ConnectQueue({ clock: this.clock, firstPauseMs: () => firstPauseMs });
  }

  /** This many cars want to connect, and retry until they are. */
  enter(cars: number): void {
    for (let car = 0; car < cars; car++) this.#enter(`car_${car}`);
  }

  back(): void {
    this.#away = false;
  }

  #enter(car: string): void {
    this.queue.enter((attempt) => {
      this.tries.push(this.clock.now());
      this.mostUnderWay = Math.max(this.mostUnderWay, ++this.underWay);
      this.clock.set(() => this.#answer(car, attempt), this.#answerMs);
    });
  }

  #answer(car: string, attempt: Attempt): void {
    this.underWay--;
    if (this.#away) {
      attempt.refused();
      this.#enter(car);
    } else {
      this.accepted.push(this.clock.now());
      attempt.accepted();
    }
  }
}

function gaps(moments: readonly number[]): number[] {
  return moments.slice(1).map((at, i) => at - (moments[i] ?? 0));
}

Deno.test("ConnectQueue lets one car try for all, every second at least, while the broker is away", async () => {
  const scene = new Scene();
  scene.enter(100);
  await scene.clock.advance(29_999);
  assert.equal(scene.mostUnderWay, 1);
  assert.ok(Math.max(...gaps(scene.tries)) <= 1_000);
  assert.ok(scene.tries.length < 75, `${scene.tries.length} tries in half a minute`);
});

Deno.test("ConnectQueue has all cars back within a second and the bounded rate after 8 s", async () => {
  const scene = new Scene();
  scene.enter(1_000);
  await scene.clock.advance(8_000);
  scene.back();
  await scene.clock.advance(1_001);
  const [first = Infinity] = scene.accepted;
  assert.ok(first <= 9_001);
  await scene.clock.advance(2_000);
  assert.equal(scene.accepted.length, 1_000);
  assert.ok(scene.mostUnderWay <= 32);
});

Deno.test("ConnectQueue lets cars in at a bounded rate, however fast the broker answers", async () => {
  const scene = new Scene(0);
  scene.back();
  scene.enter(5_000);
  for (let second = 1; second <= 3; second++) {
    await scene.clock.advance(1_000);
    assert.ok(scene.tries.length <= 110 + 500 * second, `${scene.tries.length} in ${second} s`);
    assert.ok(scene.tries.length >= 490 * second);
  }
});

Deno.test("ConnectQueue pauses up to 30 s after half a minute, and no longer", async () => {
  const scene = new Scene();
  scene.enter(3);
  await scene.clock.advance(3_600_000);
  const late = gaps(scene.tries.filter((at) => at > 120_000));
  assert.ok(Math.max(...late) <= 30_000);
  assert.ok(Math.min(...late) >= 15_000);
  assert.ok(Math.max(...late) - Math.min(...late) > 1_000, "The pauses are left to chance");
});

Deno.test("ConnectQueue tries every second though each attempt hangs, with ten at a time at most", async () => {
  const scene = new Scene(10_000);
  scene.enter(100);
  await scene.clock.advance(9_500);
  assert.deepEqual(gaps(scene.tries), scene.tries.slice(1).map(() => 1_000));
  await scene.clock.advance(20_000);
  assert.ok(Math.max(...gaps(scene.tries)) <= 1_001);
  assert.equal(scene.mostUnderWay, 10);
  await scene.clock.advance(3_600_000);
  const late = gaps(scene.tries.filter((at) => at > 120_000));
  assert.ok(Math.min(...late) >= 15_000, "Attempts that end late are no reason to try more often");
  assert.ok(Math.max(...late) <= 40_000);
});

Deno.test("ConnectQueue ignores a refusal when the broker has accepted since it was asked", async () => {
  const scene = new Scene();
  scene.back();
  const hung: Attempt[] = [];
  const hang = () => void scene.queue.enter((attempt) => hung.push(attempt));
  hang();
  await scene.clock.advance(1_000);
  scene.enter(1);
  await scene.clock.advance(1);
  hung[0]?.refused();
  hang();
  await scene.clock.advance(1_000);
  scene.enter(1);
  await scene.clock.advance(1);
  hung[1]?.refused();
  const before = scene.tries.length;
  scene.enter(20);
  assert.equal(scene.tries.length, before + 20, "One that had hung made the broker doubtful");
});

Deno.test("ConnectQueue pauses after the first refusal of a broker that had accepted", async () => {
  const scene = new Scene();
  scene.back();
  scene.enter(1);
  await scene.clock.advance(60_000);
  const refused: Attempt[] = [];
  scene.queue.enter((attempt) => refused.push(attempt));
  refused[0]?.refused();
  scene.enter(1);
  await scene.clock.advance(249);
  assert.equal(scene.tries.length, 1);
  await scene.clock.advance(251);
  assert.equal(scene.tries.length, 2);
});

Deno.test("nextAttempt() lets 100 in at once after a while, and one every 2 ms from then on", () => {
  const at = (now: number) => ({ now, random: 0, firstPauseMs: 500 });
  let state = newAdmission(at(0));
  const attempt = (now: number) => {
    state = stepAdmission(state, { type: "begun" }, at(now));
    state = stepAdmission(state, { type: "accepted" }, at(now));
  };
  attempt(0);
  let burst = 0;
  for (; (nextAttempt(state) ?? 0) <= 10_000; burst++) attempt(10_000);
  assert.equal(burst, 100);
  assert.equal(nextAttempt(state), 10_002);
  attempt(10_002);
  assert.equal(nextAttempt(state), 10_004);
});

Deno.test("ConnectQueue.lost() lets one car see whether the broker is there, at once", async () => {
  const scene = new Scene();
  scene.back();
  scene.enter(1);
  await scene.clock.advance(10);
  scene.queue.lost();
  scene.queue.lost();
  scene.enter(50);
  assert.equal(scene.tries.length, 2);
  await scene.clock.advance(100);
  assert.equal(scene.accepted.length, 51);
  assert.equal(scene.clock.timers, 0);
});

Deno.test("ConnectQueue lets ten try at a time at most when a broker that had accepted hangs", async () => {
  const scene = new Scene(1);
  scene.back();
  scene.enter(1);
  await scene.clock.advance(10);
  scene.queue.lost();
  let hanging = 0;
  for (let car = 0; car < 50; car++) scene.queue.enter(() => void hanging++);
  await scene.clock.advance(60_000);
  assert.equal(hanging, 10);
});

Deno.test("ConnectQueue.forget() tries another broker at once, and knows what is under way", async () => {
  const scene = new Scene();
  const attempts: Attempt[] = [];
  const hang = (cars: number) => {
    for (let car = 0; car < cars; car++) {
      scene.queue.enter((attempt) => void attempts.push(attempt));
    }
  };
  hang(5);
  await scene.clock.advance(600_000);
  assert.equal(attempts.length, 5);
  hang(20);
  assert.equal(attempts.length, 6);
  scene.queue.forget();
  assert.equal(attempts.length, 7);
  for (const attempt of attempts) attempt.left();
  await scene.clock.advance(600_000);
  assert.equal(attempts.length, 17);
});

Deno.test("ConnectQueue makes room for another when an attempt is given up, once", async () => {
  const { clock, queue } = new Scene();
  const attempts: Attempt[] = [];
  const leave = Array.from(
    { length: 15 },
    () => queue.enter((attempt) => void attempts.push(attempt)),
  );
  await clock.advance(60_000);
  assert.equal(attempts.length, 10);
  attempts[0]?.left();
  // What it reports after that no longer concerns the broker.
  attempts[0]?.accepted();
  attempts[0]?.left();
  await clock.advance(60_000);
  assert.equal(attempts.length, 11);
  for (const out of leave) out();
  assert.equal(queue.size, 0);
  attempts[1]?.refused();
  assert.equal(clock.timers, 0);
});
