// A context without a host behind it.
import assert from "node:assert/strict";
import { WAITING, WINDOW } from "../../src/module/call_queue.ts";
import { FrameChannel } from "../../src/module/wire/frame_channel.ts";
import { RemoteContext } from "../../src/module/remote_context.ts";
import { CallStatistics } from "../../src/module/statistics.ts";
import { settled } from "../support/virtual_clock.ts";
import { duplexPair } from "./duplex_pair.ts";
import { DEVICE, specOf } from "./support.ts";

Deno.test("A call for which there is no room ends as not_ok, after it was made", async () => {
  const [near] = duplexPair();
  const channel = new FrameChannel(near, { onFrame() {}, onClosed() {} });
  const statistics = new CallStatistics();
  const destroy = () => Promise.resolve();
  const owner = { channel, statistics, destroy, onCallbackError() {} };
  const context = new RemoteContext(specOf("car_a"), { onCommand() {}, onLost() {} }, 0, owner);
  const room = WINDOW.calls + WAITING.calls;
  const ended: string[] = [];
  for (let i = 0; i <= room; i++) {
    context.acknowledgeCommand(
      DEVICE,
      new Uint8Array(),
      (outcome) => ended.push(`${i} ${outcome}`),
    );
  }
  assert.deepEqual(ended, []);
  await settled();
  assert.deepEqual(ended, [`${room} not_ok`]);
  assert.equal(context.openCalls, room);
  assert.ok(
    channel.pendingBytes < 100 * WINDOW.calls,
    `${channel.pendingBytes} bytes wait to be written`,
  );
  context.end();
  assert.equal(ended.length, room + 1);
  assert.equal(ended.at(-1), `${room - 1} host_lost`);
  channel.close();
});
