// Calls without an answer: what the host may have, what waits, and what is taken back.
import assert from "node:assert/strict";
import { bytesOf, CallQueue, type OpenCall, WAITING, WINDOW } from "../../src/module/call_queue.ts";
import { FrameKind } from "../../src/module/wire/frames.ts";
import { CallStatistics } from "../../src/module/statistics.ts";
import type { Device } from "../../src/protocol/messages.ts";

const counter = new CallStatistics().ofModule(7).forward_status;
const { CONNECT_DEVICE, DISCONNECT_DEVICE, FORWARD_STATUS, FORWARD_ERROR_MESSAGE } = FrameKind;

function deviceOf(role: string): Device {
  return { module: 7, deviceType: 0, deviceRole: role, deviceName: "", priority: 0 };
}

function call(kind: FrameKind, role = "front", bytes = 0, argument = 0): OpenCall {
  const data = new Uint8Array(bytes);
  const device = deviceOf(role);
  return { kind, argument, device, data, bytes: bytesOf(device, data), done() {}, counter };
}

/** Sends the host what the window allows, and returns how many calls that were. */
function sendAll(queue: CallQueue): number {
  let count = 0;
  while (queue.send() !== undefined) count++;
  return count;
}

function roles(calls: readonly OpenCall[]): string[] {
  return calls.map(({ device }) => device.deviceRole);
}

Deno.test("CallQueue lets the host have 64 calls, and one more for each that comes back", () => {
  const queue = new CallQueue();
  for (let i = 0; i < 200; i++) assert.ok(queue.add(call(FORWARD_STATUS, String(i))));
  assert.equal(sendAll(queue), WINDOW.calls);
  assert.deepEqual([queue.size, queue.waiting], [200, 136]);
  for (let i = 0; i < 200; i++) {
    assert.equal(queue.answered()?.device.deviceRole, String(i));
    assert.equal(sendAll(queue), i < 136 ? 1 : 0);
  }
  assert.equal(queue.answered(), undefined);
  assert.equal(queue.size, 0);
});

Deno.test("CallQueue lets the host have so many bytes, or one call that is larger", () => {
  const queue = new CallQueue();
  const large = WINDOW.bytes + 1;
  for (const bytes of [large, 10, WINDOW.bytes / 2, WINDOW.bytes / 2]) {
    queue.add(call(FORWARD_STATUS, "front", bytes));
  }
  assert.equal(sendAll(queue), 1);
  queue.answered();
  // What a call takes besides its data counts as well.
  assert.equal(sendAll(queue), 2);
  queue.answered();
  assert.equal(sendAll(queue), 0);
  queue.answered();
  assert.equal(sendAll(queue), 1);
});

Deno.test("CallQueue lets the host have exactly as many bytes as the window has", () => {
  const overhead = bytesOf(deviceOf("front"), new Uint8Array());
  for (const more of [0, 1]) {
    const queue = new CallQueue();
    queue.add(call(FORWARD_STATUS, "front", WINDOW.bytes / 2 - overhead));
    queue.add(call(FORWARD_STATUS, "front", WINDOW.bytes / 2 - overhead + more));
    assert.equal(sendAll(queue), 2 - more);
  }
});

Deno.test("CallQueue sends everything when the window does not count", () => {
  const queue = new CallQueue();
  for (let i = 0; i < 100; i++) queue.add(call(FORWARD_STATUS));
  while (queue.send(true) !== undefined);
  assert.deepEqual([queue.size, queue.waiting], [100, 0]);
});

Deno.test("CallQueue answers nothing that the host does not have", () => {
  const queue = new CallQueue();
  queue.add(call(FORWARD_STATUS));
  assert.equal(queue.answered(), undefined);
  assert.equal(queue.size, 1);
});

Deno.test("CallQueue takes back connecting and statuses without an answer, and keeps the rest in order", () => {
  const queue = new CallQueue();
  for (let i = 0; i < WINDOW.calls; i++) queue.add(call(CONNECT_DEVICE, "sent"));
  sendAll(queue);
  queue.add(call(CONNECT_DEVICE, "connect"));
  queue.add(call(FORWARD_STATUS, "status"));
  queue.add(call(FORWARD_STATUS, "answered status", 0, 1));
  queue.add(call(FORWARD_ERROR_MESSAGE, "error"));
  queue.add(call(FORWARD_ERROR_MESSAGE, "answered error", 0, 1));
  queue.add(call(DISCONNECT_DEVICE, "disconnect"));
  queue.add(call(FrameKind.ACKNOWLEDGE_COMMAND, "acknowledge"));
  assert.deepEqual(roles(queue.withdraw()), ["connect", "status", "error"]);
  assert.deepEqual(queue.withdraw(), []);
  assert.deepEqual(roles(queue.clear()).slice(WINDOW.calls), [
    "answered status",
    "answered error",
    "disconnect",
    "acknowledge",
  ]);
  assert.deepEqual([queue.size, queue.waiting, queue.clear().length], [0, 0, 0]);
});

Deno.test("CallQueue cancels the disconnecting of a device whose connecting it took back, once", () => {
  const queue = new CallQueue();
  for (let i = 0; i < WINDOW.calls; i++) queue.add(call(CONNECT_DEVICE, `sent ${i}`));
  sendAll(queue);
  for (const role of ["a", "b", "c", "d"]) queue.add(call(CONNECT_DEVICE, role));
  queue.withdraw();
  assert.equal(queue.cancels(deviceOf("a")), true);
  assert.equal(queue.cancels(deviceOf("a")), false);
  // The host decides about what it has.
  assert.equal(queue.cancels(deviceOf("sent 0")), false);
  // Other calls say nothing about it.
  queue.add(call(FORWARD_STATUS, "d"));
  assert.equal(queue.cancels(deviceOf("d")), true);
  // It is to be connected again: what is asked for now is about that.
  queue.add(call(CONNECT_DEVICE, "b"));
  assert.equal(queue.cancels(deviceOf("b")), false);
  // Whose disconnecting was not asked for by the next session's end is not remembered forever.
  queue.withdraw();
  assert.equal(queue.cancels(deviceOf("c")), false);
});

Deno.test("CallQueue has room for calls and bytes up to its limits, and again when some have gone", () => {
  const queue = new CallQueue();
  while (queue.add(call(DISCONNECT_DEVICE)));
  assert.equal(queue.waiting, WAITING.calls);
  assert.equal(sendAll(queue), WINDOW.calls);
  for (let i = 0; i < WINDOW.calls; i++) assert.ok(queue.add(call(DISCONNECT_DEVICE)));
  assert.equal(queue.add(call(DISCONNECT_DEVICE)), false);

  const full = new CallQueue();
  const overhead = 2 * 200 + 2;
  assert.ok(full.add(call(FORWARD_STATUS, "a", WAITING.bytes - overhead)));
  assert.ok(full.add(call(FORWARD_STATUS, "a")));
  assert.equal(full.add(call(FORWARD_STATUS, "")), false);

  const bytes = new CallQueue();
  const block = call(FORWARD_STATUS, "front", 1024 * 1024);
  let added = 0;
  while (bytes.add(block)) added++;
  assert.ok(added > 250 && added <= 256, `${added} were added`);
  assert.equal(bytes.withdraw().length, added);
  assert.equal(bytes.add(block), true);
});
