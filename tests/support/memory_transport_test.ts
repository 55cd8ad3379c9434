// The stand-in for a transport keeps the real one's promises.
import assert from "node:assert/strict";
import { MemoryTransport } from "./memory_transport.ts";

Deno.test("MemoryTransport holds messages while paused and loses them with the broker", async () => {
  const transport = new MemoryTransport();
  const events: string[] = [];
  transport.start({
    onConnected: () => transport.publish(new Uint8Array([9])),
    onUp: () => events.push("up"),
    onLeaving() {},
    onDown: (reason) => events.push(reason),
    onMessage: (payload) => events.push(`message ${payload[0]}`),
  });
  transport.publish(new Uint8Array([0]));
  transport.up();
  transport.deliver(new Uint8Array([1]));
  transport.pause();
  transport.deliver(new Uint8Array([2]));
  transport.resume();
  transport.deliver(new Uint8Array([3]));
  assert.deepEqual(events, ["up", "message 1"]);
  await Promise.resolve();
  assert.deepEqual(events, ["up", "message 1", "message 2", "message 3"]);
  transport.pause();
  transport.deliver(new Uint8Array([4]));
  transport.down("gone");
  transport.resume();
  transport.up();
  await Promise.resolve();
  transport.publish(new Uint8Array([5]));
  transport.notifyDisconnect();
  await transport.stop();
  transport.publish(new Uint8Array([6]));
  assert.deepEqual(events.slice(4), ["gone", "up"]);
  assert.deepEqual(transport.published, [9, 9, 5].map((one) => new Uint8Array([one])));
  assert.equal(transport.notifications, 1);
});
