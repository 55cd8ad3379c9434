// The worker that evaluates channels: it is there only when it is needed, and an expression that is
// stuck is stopped.
import assert from "node:assert/strict";
import type { Follows } from "../../src/channel/channels.ts";
import { type Evaluator, makeEvaluator } from "../../src/channel/evaluator.ts";
import type { ChannelsSettings } from "../../src/channel/settings.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { channel, linesOf, status } from "./support.ts";

/** Watches the workers of this process. */
class Workers implements Disposable {
  started = 0;
  ended = 0;
  /** What was told of the progress of the last one: how many parts were begun. */
  #progress = new Int32Array(1);
  readonly #real = globalThis.Worker;

  constructor() {
    // deno-lint-ignore no-this-alias -- the class below has a `this` of its own
    const watch = this;
    globalThis.Worker = class extends this.#real {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        super(...args);
        watch.started++;
      }

      override postMessage(message: unknown): void {
        const { progress } = message as { readonly progress?: SharedArrayBuffer };
        if (progress !== undefined) watch.#progress = new Int32Array(progress) as never;
        super.postMessage(message);
      }

      override terminate(): void {
        watch.ended++;
        super.terminate();
      }
    };
  }

  get begun(): number {
    return Atomics.load(this.#progress, 0);
  }

  [Symbol.dispose](): void {
    globalThis.Worker = this.#real;
  }
}

const STUCK = '$match(payload.text, /^"(a+)+"$/) ? 1 : counter';

async function withEvaluator(
  settings: Partial<ChannelsSettings>,
  work: (evaluator: Evaluator, clock: VirtualClock) => Promise<void>,
): Promise<void> {
  const clock = new VirtualClock();
  const evaluator = await makeEvaluator({ channels: [], decoders: {}, ...settings }, clock);
  try {
    await work(evaluator, clock);
    assert.equal(clock.timers, 0);
  } finally {
    evaluator.close();
  }
}

Deno.test("channels without expressions and decoders are evaluated without a worker", async () => {
  using workers = new Workers();
  const channels = [channel("c", { when: "change", sample: { oneIn: 2 } })];
  await withEvaluator({ channels }, async (evaluator) => {
    const events = [status(1, 1), status(2, 1), status(3, 2), status(4, 3)];
    const { bodies } = await evaluator.evaluate(linesOf(events), "delivered");
    assert.deepEqual(bodies, [true, null, null, true]);
  });
  assert.equal(workers.started, 0);
});

Deno.test("channels with expressions are evaluated in a worker, batch after batch", async () => {
  using workers = new Workers();
  const channels = [channel("c", { where: "decoded > 1", map: "decoded * 2", when: "change" })];
  await withEvaluator({ channels, decoders: { 1: { kind: "json" } } }, async (evaluator) => {
    const lines = (...values: number[]) =>
      linesOf(values.map((value, index) => status(index, value)));
    const bodies = async (follows: Follows, ...values: number[]) =>
      (await evaluator.evaluate(lines(...values), follows)).bodies;
    assert.deepEqual(await bodies("delivered", 1, 2, 3), [null, "4", "6"]);
    assert.deepEqual(await bodies("failed", 1, 2), [null, "4"]);
    assert.deepEqual(await bodies("delivered", 2, 3), [null, "6"]);
    assert.deepEqual(await bodies("delivered"), []);
  });
  assert.deepEqual([workers.started, workers.ended], [1, 1]);
});

Deno.test("an event whose expression is stuck is left out, the others are not", async () => {
  using workers = new Workers();
  const channels = [channel("other", { events: ["command"] }), channel("c", { map: STUCK })];
  await withEvaluator({ channels }, async (evaluator, clock) => {
    const events = [
      status(1, "a".repeat(60) + "!", { counter: 1 }),
      status(2, "b", { counter: 2 }),
      status(3, "b", { kind: "command.sent" }),
    ];
    const evaluated = evaluator.evaluate(linesOf(events), "delivered");
    await waitFor(() => workers.begun > 0, "the first event");
    // It was seen at the first event once, and then again.
    clock.pass(5000);
    assert.equal(workers.ended, 0);
    clock.pass(5000);
    assert.equal(workers.ended, 1);
    const { bodies, counts, failures } = await evaluated;
    assert.deepEqual(bodies, [null, "2", true]);
    assert.deepEqual(counts.channels, [
      { sent: 1, dropped: 0, failed: 0 },
      { sent: 1, dropped: 0, failed: 1 },
    ]);
    assert.deepEqual(failures, [{
      channel: "c",
      key: "map",
      event: "acme/car_1/1/1",
      message: "Stopped after 5000 ms",
      count: 1,
    }]);
  });
  assert.deepEqual([workers.started, workers.ended], [2, 2]);
});

Deno.test("closing an evaluator ends what it is at", async () => {
  using workers = new Workers();
  await withEvaluator({ channels: [channel("c", { map: STUCK })] }, async (evaluator) => {
    const evaluated = evaluator.evaluate(linesOf([status(1, "a".repeat(60) + "!")]), "delivered");
    const rejected = assert.rejects(evaluated, { message: "stopped" });
    await waitFor(() => workers.begun > 0, "the event");
    evaluator.close();
    await rejected;
    await assert.rejects(evaluator.evaluate([], "delivered"), { message: "stopped" });
  });
});

Deno.test("an evaluator that cannot compile says so for each batch", async () => {
  await withEvaluator({ channels: [channel("c", { where: "no such" })] }, async (evaluator) => {
    for (let batch = 0; batch < 2; batch++) {
      await assert.rejects(evaluator.evaluate([], "delivered"), { message: /^at character 4: / });
    }
  });
});
