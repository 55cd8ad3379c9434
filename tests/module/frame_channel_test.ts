// Frames over a connection, however it cuts them.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { FrameError } from "../../src/module/errors.ts";
import type { Frame } from "../../src/module/wire/frame_reader.ts";
import { type FrameKind, MAX_FRAME_BYTES } from "../../src/module/wire/frames.ts";
import { FrameChannel } from "../../src/module/wire/frame_channel.ts";
import { waitFor } from "../support/wait.ts";
import { duplexPair, type PairOptions } from "./duplex_pair.ts";

interface Seen {
  readonly kind: number;
  readonly context: number;
  readonly argument: number;
  readonly payload: string;
}

function seen(frame: Frame): Seen {
  const { kind, context, argument } = frame;
  return { kind, context, argument, payload: frame.text() };
}

function send(channel: FrameChannel, frame: Seen): void {
  channel.out.begin(frame.kind as FrameKind, frame.context, frame.argument);
  channel.out.text(frame.payload);
  assert.ok(channel.out.end());
  channel.flush();
}

/** A channel that only sends, and what arrives at the other end. */
function linkPair(options: PairOptions = {}) {
  const [a, b] = duplexPair(options);
  const frames: Seen[] = [];
  const closed = Promise.withResolvers<Error | null>();
  const senderClosed = Promise.withResolvers<Error | null>();
  const sender = new FrameChannel(a, { onFrame() {}, onClosed: senderClosed.resolve });
  const receiver = new FrameChannel(b, {
    onFrame: (frame) => frames.push(seen(frame)),
    onClosed: closed.resolve,
  });
  sender.start();
  receiver.start();
  return { sender, frames, closed: closed.promise, senderClosed: senderClosed.promise, raw: a };
}

const anyFrame = fc.record({
  kind: fc.integer({ min: 1, max: 255 }),
  context: fc.integer({ min: 0, max: 0xffff }),
  argument: fc.integer({ min: 0, max: 255 }),
  payload: fc.string({ unit: "grapheme", maxLength: 300 }),
}, { noNullPrototype: true });

Deno.test("FrameChannel delivers every frame once and in order when reads and writes are cut anywhere", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyFrame, { maxLength: 60 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
      async (sent, cuts) => {
        let at = 0;
        const { sender, frames, closed } = linkPair({ chunk: () => cuts[at++ % cuts.length] ?? 1 });
        for (const frame of sent) send(sender, frame);
        await waitFor(sender.drained(), "the frames to be written");
        sender.close();
        assert.equal(await waitFor(closed, "the channel to close"), null);
        assert.deepEqual(frames, sent);
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("FrameChannel writes all that one turn brings at once", async () => {
  const { sender, frames, closed, raw } = linkPair();
  const frame = { kind: 10, context: 3, argument: 1, payload: "status" };
  for (let i = 0; i < 500; i++) send(sender, { ...frame, context: i });
  await waitFor(sender.drained(), "the frames to be written");
  assert.equal(raw.writes, 1);
  sender.close();
  await waitFor(closed, "the channel to close");
  assert.equal(frames.length, 500);
});

Deno.test("FrameChannel carries payloads of 16 MiB, and small ones after it", async () => {
  const { sender, frames, closed } = linkPair();
  const sent = [16 * 1024 * 1024, 3, 200_000, 0].map((size) => ({
    kind: 10,
    context: 0,
    argument: 0,
    payload: "x".repeat(size),
  }));
  for (const frame of sent) {
    send(sender, frame);
    await waitFor(sender.drained(), "the frame to be written");
  }
  sender.close();
  await waitFor(closed, "the channel to close");
  assert.deepEqual(frames.map(({ payload }) => payload.length), sent.map((f) => f.payload.length));
});

Deno.test("FrameChannel closes with an error when a length is impossible", async () => {
  for (const length of [0, 3, MAX_FRAME_BYTES + 1, 0xffffffff]) {
    const { closed, raw } = linkPair();
    const bytes = new Uint8Array(12);
    new DataView(bytes.buffer).setUint32(0, length, true);
    await raw.write(bytes);
    assert.ok(await waitFor(closed, "the channel to close") instanceof FrameError);
  }
});

Deno.test("FrameChannel tells both sides once when one closes", async () => {
  const { sender, closed, senderClosed } = linkPair();
  sender.close();
  sender.close();
  assert.equal(await waitFor(closed, "the other side"), null);
  assert.equal(await waitFor(senderClosed, "this side"), null);
  sender.flush();
  await waitFor(sender.drained(), "nothing: a closed channel takes no frames");
});
