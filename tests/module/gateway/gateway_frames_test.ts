// Calls of a gateway as bytes.
import assert from "node:assert/strict";
import fc from "../../support/properties.ts";
import { FrameError } from "../../../src/module/errors.ts";
import { GATEWAY_FUNCTIONS, type GatewayCall } from "../../../src/module/gateway_call.ts";
import { type Frame, FrameReader } from "../../../src/module/wire/frame_reader.ts";
import { FrameWriter } from "../../../src/module/wire/frame_writer.ts";
import { FrameKind, MAX_DATA_BYTES } from "../../../src/module/wire/frames.ts";
import {
  buffersOf,
  copyOf,
  readCall,
  readReturn,
  ReturnKind,
  writeCall,
  writeReturn,
} from "../../../src/module/wire/gateway_frames.ts";
import { bytes } from "./support.ts";

/** Hands everything that was written to a reader, frame by frame. */
function readAll(out: FrameWriter, onFrame: (frame: Frame) => void): void {
  const taken = out.take();
  const reader = new FrameReader();
  for (let at = 0; at < taken.length;) {
    const { room } = reader;
    const part = taken.subarray(at, at + room.length);
    room.set(part);
    at += part.length;
    reader.received(part.length, { onFrame });
  }
}

const data = fc.uint8Array({ maxLength: 40 });
const type = fc.integer({ min: 0, max: 0xffffffff });
const named = <Name extends GatewayCall["name"]>(name: Name) => fc.constant(name);
const anyCall: fc.Arbitrary<GatewayCall> = fc.oneof(
  fc.record({
    name: fc.constantFrom(
      "is_device_type_supported" as const,
      "generate_first_command" as const,
      "forward_command_on_receive" as const,
    ),
    type,
  }),
  fc.record({ name: named("status_data_valid"), type, status: data }),
  fc.record({ name: named("command_data_valid"), type, command: data }),
  fc.record({ name: named("send_status_condition"), type, current: data, fresh: data }),
  fc.record({ name: named("aggregate_status"), type, current: data, fresh: data }),
  fc.record({ name: named("generate_command"), type, fresh: data, current: data, command: data }),
  fc.record({
    name: named("aggregate_error"),
    type,
    message: fc.option(data),
    status: data,
  }),
);

/** The same with plain arrays, whatever class bytes are of. */
function plain(call: GatewayCall): unknown {
  const buffers = buffersOf(call).map((buffer) => buffer === null ? null : [...buffer]);
  return { name: call.name, type: call.type, buffers };
}

Deno.test("readCall() gives back what writeCall() was given, and copyOf() outlives its frame", () => {
  fc.assert(fc.property(fc.array(anyCall, { maxLength: 6 }), (calls) => {
    const out = new FrameWriter();
    for (const call of calls) assert.ok(writeCall(out, call));
    const read: GatewayCall[] = [];
    readAll(out, (frame) => {
      assert.equal(frame.kind, FrameKind.GATEWAY_CALL);
      const call = readCall(frame);
      assert.deepEqual(plain(call), plain(calls[read.length] as GatewayCall));
      read.push(copyOf(call));
      frame.bytes.fill(0xee, frame.start, frame.end);
    });
    assert.deepEqual(read.map(plain), calls.map(plain));
  }));
});

Deno.test("readReturn() gives back what writeReturn() was given", () => {
  const returns = [
    [ReturnKind.RETURNED, 0, "made"],
    [ReturnKind.WITHOUT_DATA, 0, ""],
    [ReturnKind.THREW, -1, "why"],
    [ReturnKind.RETURNED, -2147483648, ""],
  ] as const;
  const out = new FrameWriter();
  for (const [kind, code, text] of returns) {
    writeReturn(out, kind, { code, data: bytes(text) }, 0xffffffff);
  }
  const read: unknown[] = [];
  readAll(out, (frame) => {
    const { code, data } = readReturn(frame);
    assert.equal(frame.uint32(4), 0xffffffff);
    frame.bytes.fill(0, frame.start, frame.end);
    read.push([frame.argument, code, new TextDecoder().decode(data)]);
  });
  assert.deepEqual(read, returns);
});

Deno.test("writeCall() takes back a call that is too large, and only that", () => {
  const out = new FrameWriter();
  const status = new Uint8Array(MAX_DATA_BYTES + 70_000);
  assert.equal(writeCall(out, { name: "status_data_valid", type: 0, status: bytes("a") }), true);
  const { length } = out;
  assert.equal(writeCall(out, { name: "status_data_valid", type: 0, status }), false);
  assert.equal(out.length, length);
});

Deno.test("readCall() throws when a payload is shorter than it says, or a function is unknown", () => {
  const payloads = [[], [1], [1, 0], [1, 0, 5], [1, 3], [1, 0xfffffffe]];
  for (const numbers of payloads) {
    const out = new FrameWriter();
    out.begin(FrameKind.GATEWAY_CALL, 0, GATEWAY_FUNCTIONS.indexOf("aggregate_status"));
    for (const number of numbers) out.uint32(number);
    out.end();
    readAll(out, (frame) => assert.throws(() => readCall(frame), FrameError, `${numbers}`));
  }
  const out = new FrameWriter();
  out.frame(FrameKind.GATEWAY_CALL, 0, GATEWAY_FUNCTIONS.length);
  readAll(out, (frame) => assert.throws(() => readCall(frame), /unknown function: 9$/));
});
