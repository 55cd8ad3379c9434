// Frames as bytes.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { FrameError } from "../../src/module/errors.ts";
import { type Frame, FrameReader } from "../../src/module/wire/frame_reader.ts";
import { FrameWriter } from "../../src/module/wire/frame_writer.ts";
import {
  FrameKind,
  IF_CONNECTED,
  MAX_DATA_BYTES,
  MAX_FRAME_BYTES,
  mayWithdraw,
} from "../../src/module/wire/frames.ts";
import type { Device } from "../../src/protocol/messages.ts";

const DEVICE: Device = {
  module: 2,
  deviceType: 3,
  deviceRole: "r\u00f4",
  deviceName: "n",
  priority: 9,
};

/** Hands everything that was written to a reader, frame by frame. */
function readAll(out: FrameWriter, onFrame: (frame: Frame) => void): void {
  const bytes = out.take();
  const reader = new FrameReader();
  reader.room.set(bytes);
  reader.received(bytes.length, { onFrame });
}

Deno.test("FrameKind has a number of its own for everything, from 32 on for what hosts say", () => {
  const numbers = Object.values(FrameKind);
  assert.equal(new Set(numbers).size, numbers.length);
  const { CREATED, CREATE_FAILED, DONE, COMMAND, DESTROYED, FREED } = FrameKind;
  const { OVERDUE, NOTICE, PONG, LOADED, GATEWAY_RETURN, WITHDRAWN, FAILED } = FrameKind;
  const said = [CREATED, CREATE_FAILED, DONE, COMMAND, DESTROYED, FREED, OVERDUE, NOTICE, PONG];
  assert.deepEqual(numbers.filter((number) => number >= 32), [
    ...[...said, LOADED],
    ...[GATEWAY_RETURN, WITHDRAWN, FAILED],
  ]);
  assert.ok(numbers.every((number) => number < 256));
});

Deno.test("FrameWriter writes length, kind, argument and context in front of the payload", () => {
  const out = new FrameWriter();
  out.frame(FrameKind.RELEASE_COMMANDS, 0x0102, 7);
  assert.deepEqual([...out.take()], [4, 0, 0, 0, FrameKind.RELEASE_COMMANDS, 7, 2, 1]);
  out.numberFrame(FrameKind.DESTROY, 3, 0, 0x01020304);
  assert.deepEqual([...out.take()], [8, 0, 0, 0, FrameKind.DESTROY, 0, 3, 0, 4, 3, 2, 1]);
  out.begin(FrameKind.OVERDUE, 1);
  out.uint32(5);
  out.text("\u00e4");
  assert.equal(out.end(), true);
  const overdue = [10, 0, 0, 0, FrameKind.OVERDUE, 0, 1, 0, 5, 0, 0, 0, 0xc3, 0xa4];
  assert.deepEqual([...out.take()], overdue);
  assert.equal(out.deviceFrame(FrameKind.FORWARD_STATUS, 1, 1, DEVICE, Uint8Array.of(8)), true);
  assert.deepEqual(
    [...out.take()],
    [
      ...[25, 0, 0, 0, FrameKind.FORWARD_STATUS, 1, 1, 0],
      ...[2, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0],
      ...[0x72, 0xc3, 0xb4, 0x6e, 8],
    ],
  );
  assert.equal(out.length, 0);
});

Deno.test("FrameWriter takes back a frame that is too large, and only that", () => {
  const out = new FrameWriter();
  out.frame(FrameKind.PING, 0, 1);
  out.begin(FrameKind.COMMAND, 0, 2);
  out.room(MAX_FRAME_BYTES - 3);
  assert.equal(out.end(), false);
  const large = new Uint8Array(MAX_DATA_BYTES + 1);
  assert.equal(out.deviceFrame(FrameKind.FORWARD_STATUS, 0, 0, DEVICE, large), false);
  const named = { ...DEVICE, deviceName: "n".repeat(MAX_FRAME_BYTES) };
  assert.equal(out.deviceFrame(FrameKind.CONNECT_DEVICE, 0, 0, named, new Uint8Array()), false);
  out.frame(FrameKind.PONG, 0, 3);
  const kinds: number[] = [];
  readAll(out, (frame) => kinds.push(frame.kind));
  assert.deepEqual(kinds, [FrameKind.PING, FrameKind.PONG]);
});

Deno.test("FrameWriter.deviceFrame() takes 16 MiB of data, and texts that fill the frame", () => {
  assert.deepEqual([MAX_DATA_BYTES, MAX_FRAME_BYTES], [16_777_216, 16_777_216 + 65_536]);
  /** What a device has beside its texts, with the header but its length field. */
  const head = 4 + 16;
  const cases = [
    [0, MAX_DATA_BYTES, true],
    [0, MAX_DATA_BYTES + 1, false],
    [65_536 - head, MAX_DATA_BYTES, true],
    [65_536 - head + 1, MAX_DATA_BYTES, false],
  ] as const;
  for (const [textBytes, dataBytes, fits] of cases) {
    const out = new FrameWriter();
    const device = { ...DEVICE, deviceRole: "", deviceName: "n".repeat(textBytes) };
    const data = new Uint8Array(dataBytes);
    assert.equal(out.deviceFrame(FrameKind.FORWARD_STATUS, 0, 0, device, data), fits);
    assert.equal(out.length, fits ? 4 + head + textBytes + dataBytes : 0);
  }
});

Deno.test("FrameWriter and FrameReader carry a frame that is as large as one may be", () => {
  const out = new FrameWriter();
  out.begin(FrameKind.NOTICE, 0);
  out.room(MAX_FRAME_BYTES - 4);
  assert.equal(out.end(), true);
  const bytes = out.take();
  const reader = new FrameReader();
  const sizes: number[] = [];
  for (let at = 0; at < bytes.length;) {
    const part = bytes.subarray(at, at + reader.room.length);
    reader.room.set(part);
    reader.received(part.length, { onFrame: ({ start, end }) => sizes.push(end - start) });
    at += part.length;
  }
  assert.deepEqual(sizes, [MAX_FRAME_BYTES - 4]);
});

Deno.test("Frame.deviceData() gives back what FrameWriter.deviceFrame() was given", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: -0x80000000, max: 0x7fffffff }),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "grapheme" }),
      fc.uint8Array({ maxLength: 100 }),
      (module, deviceType, deviceRole, deviceName, data) => {
        const expected = { module, deviceType, deviceRole, deviceName, priority: 0 };
        const out = new FrameWriter();
        // Nothing is at the place where it would be if it were alone.
        out.frame(FrameKind.PONG, 0);
        out.deviceFrame(FrameKind.COMMAND, 1, 0, { ...expected, priority: 9 }, data);
        readAll(out, (frame) => {
          if (frame.kind === FrameKind.PONG) return;
          for (const about of [frame.deviceData(), frame.deviceData().copy()]) {
            assert.deepEqual({ device: about.device, data: about.data }, {
              device: expected,
              data,
            });
            assert.equal(about.deviceType, deviceType);
            assert.equal(about.key, `${module}/${deviceType}/${deviceRole}`);
          }
        });
      },
    ),
  );
});

Deno.test("Frame.deviceData() throws when lengths reach beyond the payload", () => {
  const payloads = [[1, 2, 3], [1, 2, 3, 100], [1, 2, 1, 0], [1, 2, 0, 1]];
  for (const numbers of payloads) {
    const out = new FrameWriter();
    out.begin(FrameKind.COMMAND, 1);
    for (const number of numbers) out.uint32(number);
    out.end();
    // What follows is no part of it.
    out.frame(FrameKind.PONG, 0);
    const message = new RegExp(`payload has ${numbers.length * 4} bytes$`);
    const isTooShort = (error: unknown) =>
      error instanceof FrameError && message.test(error.message);
    assert.throws(() => readAll(out, (frame) => frame.deviceData()), isTooShort);
  }
});

Deno.test("Frame.uint32() is 0 beyond the payload", () => {
  const out = new FrameWriter();
  out.numberFrame(FrameKind.DONE, 0, 0, 5);
  out.frame(FrameKind.DONE, 0xffff, 0xff);
  const numbers: number[] = [];
  readAll(out, (frame) => numbers.push(frame.uint32(0), frame.uint32(1), frame.uint32(4)));
  assert.deepEqual(numbers, [5, 0, 0, 0, 0, 0]);
});

Deno.test("FrameReader hands on nothing once it is stopped", () => {
  const out = new FrameWriter();
  for (let i = 0; i < 3; i++) out.frame(FrameKind.PING, i);
  const bytes = out.take();
  const reader = new FrameReader();
  reader.room.set(bytes);
  const contexts: number[] = [];
  reader.received(bytes.length, {
    onFrame: ({ context }) => {
      contexts.push(context);
      if (context === 1) reader.stop();
    },
  });
  assert.deepEqual(contexts, [0, 1]);
});

Deno.test("mayWithdraw() is for connecting and statuses that were not answered", () => {
  const withdrawn = Object.entries(FrameKind).flatMap(([name, kind]) =>
    [0, 1, IF_CONNECTED].filter((argument) => mayWithdraw(kind, argument))
      .map((argument) => `${name} ${argument}`)
  );
  assert.deepEqual(withdrawn, [
    "CONNECT_DEVICE 0",
    "CONNECT_DEVICE 1",
    `CONNECT_DEVICE ${IF_CONNECTED}`,
    "FORWARD_STATUS 0",
    "FORWARD_ERROR_MESSAGE 0",
  ]);
});
