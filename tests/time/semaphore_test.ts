// A limited number at a time.
import assert from "node:assert/strict";
import { Semaphore } from "../../src/time/semaphore.ts";
import { settled } from "../support/virtual_clock.ts";

Deno.test("Semaphore.acquire() lets in as many as fit, in order; leaving twice counts once", async () => {
  const semaphore = new Semaphore(2);
  const inside: string[] = [];
  const enter = async (name: string) => {
    const leave = await semaphore.acquire();
    inside.push(name);
    return leave;
  };
  const [leaveA, leaveB] = await Promise.all([enter("a"), enter("b")]);
  void enter("c");
  void enter("d");
  await settled();
  assert.deepEqual(inside, ["a", "b"]);
  leaveA();
  leaveA();
  await settled();
  assert.deepEqual(inside, ["a", "b", "c"]);
  leaveB();
  await settled();
  assert.deepEqual(inside, ["a", "b", "c", "d"]);
});

Deno.test("Semaphore.acquire() gives permits that came back to whoever comes next", async () => {
  const semaphore = new Semaphore(1);
  (await semaphore.acquire())();
  (await semaphore.acquire())();
});
