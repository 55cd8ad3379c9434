// The persistent queue that holds waiting statuses and commands.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import {
  dequeue,
  emptyQueue,
  enqueue,
  type Queue,
  queueOf,
  values,
} from "../../src/session/queue.ts";

Deno.test("dequeue() gives values in the order in which they came", () => {
  const full = enqueue(enqueue(enqueue(emptyQueue<string>(), "a"), "b"), "c");
  const taken: string[] = [];
  for (let next = dequeue(full); next !== null; next = dequeue(next[1])) taken.push(next[0]);
  assert.deepEqual(taken, ["a", "b", "c"]);
});

Deno.test("dequeue() gives null when the queue is empty", () => {
  assert.equal(dequeue(emptyQueue()), null);
  assert.equal(dequeue(dequeue(queueOf(["a"]))?.[1] ?? queueOf(["wrong"])), null);
});

Deno.test("enqueue() leaves the old queue as it was", () => {
  const one = queueOf([1]);
  const two = enqueue(one, 2);
  const other = enqueue(one, 3);
  dequeue(two);
  assert.deepEqual([...values(one)], [1]);
  assert.deepEqual([...values(two)], [1, 2]);
  assert.deepEqual([...values(other)], [1, 3]);
});

Deno.test("enqueue() holds undefined and null like any other value", () => {
  const queue = queueOf([undefined, null]);
  assert.equal(queue.size, 2);
  assert.deepEqual(dequeue(queue)?.[0], undefined);
  assert.deepEqual([...values(queue)], [undefined, null]);
});

Deno.test("enqueue() and dequeue() behave like push and shift of an array", () => {
  fc.assert(fc.property(fc.array(fc.option(fc.integer())), (actions) => {
    let queue: Queue<number> = emptyQueue();
    const model: number[] = [];
    for (const action of actions) {
      if (action === null) {
        const taken = dequeue(queue);
        assert.equal(taken?.[0], model.shift());
        queue = taken?.[1] ?? queue;
      } else {
        queue = enqueue(queue, action);
        model.push(action);
      }
      assert.equal(queue.size, model.length);
      assert.deepEqual([...values(queue)], model);
    }
  }));
});
