// When a broker is tried again, to the millisecond [WAIT-RETRY].
import assert from "node:assert/strict";
import {
  type Admission,
  type AdmissionInput,
  newAdmission,
  nextAttempt,
  stepAdmission,
} from "../../src/transport/mqtt/admission.ts";

/** What is known of a broker, on a clock and with a chance that a test sets. */
class Scene {
  now = 0;
  random = 0;
  firstPauseMs: number;
  state: Admission;

  constructor(firstPauseMs = 500) {
    this.firstPauseMs = firstPauseMs;
    this.state = newAdmission(this);
  }

  take(...types: readonly ("begun" | "accepted" | "left" | "lost")[]): this {
    for (const type of types) this.#step({ type });
    return this;
  }

  refuse(beganMs = this.now): this {
    this.#step({ type: "refused", beganMs });
    return this;
  }

  get next(): number | null {
    return nextAttempt(this.state);
  }

  #step(input: AdmissionInput): void {
    this.state = stepAdmission(this.state, input, this);
  }
}

/** When a broker that refuses within a millisecond is tried, always as soon as may be. */
function tries(random: number, untilMs: number): number[] {
  const scene = new Scene();
  scene.random = random;
  const found: number[] = [];
  while ((scene.next ?? Infinity) < untilMs) {
    const began = scene.now = scene.next ?? 0;
    found.push(began);
    scene.take("begun");
    scene.now++;
    scene.refuse(began);
  }
  return found;
}

Deno.test("stepAdmission() tries every second for half a minute, then with pauses up to 30 s", () => {
  const often = (from: number, gap: number) => Array.from({ length: 30 }, (_, i) => from + gap * i);
  const late = [30_500, 32_500, 36_500, 44_500, 60_500, 90_500, 120_500];
  assert.deepEqual(tries(0, 121_000), [0, ...often(500, 1000), ...late]);
});

Deno.test("stepAdmission() pauses for half as long at the least, by chance", () => {
  const found = tries(1, 76_000);
  assert.deepEqual(found.slice(0, 4), [0, 250, 750, 1250]);
  assert.deepEqual(found.slice(-6), [31_251, 33_252, 37_253, 45_254, 60_255, 75_256]);
});

Deno.test("stepAdmission() pauses no shorter than 10 ms, and at first no longer than a second", () => {
  for (const [firstPauseMs, pauseMs] of [[0, 10], [10, 10], [11, 11], [1000, 1000], [5000, 1000]]) {
    assert.equal(new Scene(firstPauseMs).take("begun").refuse().next, pauseMs);
    const known = new Scene(firstPauseMs).take("begun", "accepted", "begun");
    assert.equal(known.refuse().next, pauseMs);
  }
});

Deno.test("stepAdmission() counts pauses from attempt to attempt for exactly half a minute", () => {
  for (const [now, next] of [[29_999, 29_500], [30_000, 30_000]] as const) {
    const scene = new Scene(1000);
    scene.random = 1;
    scene.now = 29_000;
    scene.take("begun");
    scene.now = now;
    assert.equal(scene.refuse(29_000).next, next);
  }
});

Deno.test("nextAttempt() allows ten attempts at a time, and 32 once one was accepted", () => {
  for (const [accepted, limit] of [[false, 10], [true, 32]] as const) {
    for (const end of ["accepted", "left", "refused"] as const) {
      const scene = new Scene();
      if (accepted) scene.take("begun", "accepted");
      for (let i = 1; i < limit; i++) scene.take("begun");
      assert.notEqual(scene.next, null);
      scene.take("begun");
      assert.equal(scene.next, null);
      if (end === "refused") scene.refuse(-1);
      else scene.take(end);
      assert.notEqual(scene.next, null, `${end}, accepted before: ${accepted}`);
      scene.take("begun");
      // The first that is accepted makes room for more.
      assert.equal(scene.next === null, accepted || end !== "accepted");
    }
  }
});

Deno.test("stepAdmission() takes a refusal for old only when another was accepted since it began", () => {
  for (const [beganMs, isOld] of [[99, true], [100, false]] as const) {
    const scene = new Scene().take("begun", "begun");
    scene.now = 100;
    scene.take("accepted");
    scene.now = 200;
    scene.refuse(beganMs);
    assert.equal(scene.state.doubt === null, isOld);
    // 2 ms for each that has begun since, or the first pause.
    if (!isOld) assert.equal(scene.next, beganMs + 500);
  }
});

Deno.test("stepAdmission() lets one in at once after a stable connection was lost, and the next in a second", () => {
  const scene = new Scene().take("begun", "accepted");
  scene.now = 5_000;
  scene.take("lost");
  assert.equal(scene.next, 5_000);
  scene.take("begun");
  assert.equal(scene.next, 6_000);
  // It is known already.
  scene.now = 5_500;
  scene.take("lost");
  assert.equal(scene.next, 6_000);
  scene.take("accepted");
  assert.equal(scene.next, 5_500 - 99 * 2);
  scene.take("begun", "begun");
  assert.equal(scene.next, 5_504 - 99 * 2);
});
