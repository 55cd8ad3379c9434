// Turns to connect.
import assert from "node:assert/strict";
import { Gate } from "../../src/time/gate.ts";

Deno.test("Gate.enter() lets in as many as fit, in order, and forgets who gave up", () => {
  const gate = new Gate(2);
  const inside: string[] = [];
  const leave: Record<string, () => void> = {};
  const enter = (name: string) =>
    gate.enter((out) => {
      inside.push(name);
      leave[name] = out;
    });
  enter("a");
  enter("b");
  const giveUp = enter("c");
  enter("d");
  enter("e");
  assert.deepEqual(inside, ["a", "b"]);
  giveUp();
  leave["a"]?.();
  leave["a"]?.();
  assert.deepEqual(inside, ["a", "b", "d"]);
  leave["b"]?.();
  assert.deepEqual(inside, ["a", "b", "d", "e"]);
});
