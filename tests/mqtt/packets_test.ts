// Packets on the level of bytes, however they are cut.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { MalformedPacketError } from "../../src/net/errors.ts";
import {
  type PacketListener,
  PacketReader,
  publishBytes,
  topicField,
  writePuback,
  writePublish,
} from "../../src/transport/mqtt/packets.ts";

/** Writes down what a reader finds. */
class Recorder implements PacketListener {
  readonly found: string[] = [];
  onPublish(payload: Uint8Array, messageId: number): void {
    this.found.push(`publish ${messageId} ${payload.length} ${sum(payload)}`);
  }
  onOversize(payloadBytes: number, messageId: number): void {
    this.found.push(`oversize ${messageId} ${payloadBytes}`);
  }
  onPuback(): void {
    this.found.push("puback");
  }
  onControl(packet: Uint8Array): void {
    this.found.push(`control ${packet.join(" ")}`);
  }
}

function sum(bytes: Uint8Array): number {
  return bytes.reduce((total, byte, i) => (total * 31 + byte + i) >>> 0, 7);
}

/** Bytes that a reader which goes round in circles runs out of, so that a test fails and does not hang. */
class Finite extends Uint8Array<ArrayBuffer> {
  static views = 0;
  override subarray(start?: number, end?: number): Finite {
    if (++Finite.views > 100_000) throw new Error("PacketReader.push() does not end");
    return super.subarray(start, end) as Finite;
  }
}

const TOPIC = topicField("acme/car_1/module_gateway");

function publish(messageId: number, payload: Uint8Array): Uint8Array {
  const out = new Uint8Array(publishBytes(TOPIC, payload));
  assert.equal(writePublish(out, 0, TOPIC, messageId, payload), out.length);
  return out;
}

function puback(messageId: number): Uint8Array {
  const out = new Uint8Array(4);
  assert.equal(writePuback(out, 0, messageId), 4);
  return out;
}

const LIMIT = 500;

/** A packet and what should be found. */
const packets = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 65_535 }), fc.uint8Array({ maxLength: 700 })).map((
    [id, payload],
  ) => ({
    bytes: publish(id, payload),
    found: payload.length > LIMIT
      ? `oversize ${id} ${payload.length}`
      : `publish ${id} ${payload.length} ${sum(payload)}`,
  })),
  fc.integer({ min: 1, max: 65_535 }).map((id) => ({ bytes: puback(id), found: "puback" })),
  fc.constant({ bytes: new Uint8Array([0xd0, 0]), found: "control 208 0" }),
  fc.constant({ bytes: new Uint8Array([0x90, 3, 0, 1, 1]), found: "control 144 3 0 1 1" }),
);

Deno.test("PacketReader.push() finds the same packets however the bytes are cut", () => {
  fc.assert(fc.property(
    fc.array(packets, { maxLength: 12 }),
    fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }),
    (list, cuts) => {
      const bytes = new Uint8Array(list.flatMap(({ bytes }) => [...bytes]));
      const recorder = new Recorder();
      const reader = new PacketReader(recorder, LIMIT);
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const next = at + (cuts[i % cuts.length] as number);
        const chunk = bytes.slice(at, next);
        reader.push(chunk);
        chunk.fill(255);
        at = next;
      }
      assert.deepEqual(recorder.found, list.map(({ found }) => found));
    },
  ));
});

Deno.test("PacketReader.push() finds packets of every length cut at any two places", () => {
  const pingresp = { bytes: new Uint8Array([0xd0, 0]), found: "control 208 0" };
  const message = (id: number, size: number) => {
    const payload = new Uint8Array(size).fill(id);
    const kind = size > 20 ? `oversize ${id} ${size}` : `publish ${id} ${size} ${sum(payload)}`;
    return { bytes: publish(id, payload), found: kind };
  };
  // At the limit, one byte beyond it, and far beyond it, with what takes two bytes before and behind.
  const list = [
    pingresp,
    message(1, 20),
    pingresp,
    message(2, 21),
    { bytes: puback(9), found: "puback" },
    message(3, 130),
    message(4, 0),
    pingresp,
  ];
  const bytes = new Uint8Array(list.flatMap(({ bytes }) => [...bytes]));
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const recorder = new Recorder();
      const reader = new PacketReader(recorder, 20);
      for (const [from, to] of [[0, first], [first, second], [second, bytes.length]] as const) {
        Finite.views = 0;
        reader.push(new Finite(bytes.slice(from, to).buffer));
      }
      assert.deepEqual(
        recorder.found,
        list.map(({ found }) => found),
        `cut at ${first}, ${second}`,
      );
    }
  }
});

Deno.test("PacketReader.push() takes any bytes, or throws MalformedPacketError", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 }), (chunks) => {
      const reader = new PacketReader(new Recorder(), 10_000);
      try {
        for (const chunk of chunks) reader.push(chunk);
      } catch (error) {
        assert.ok(error instanceof MalformedPacketError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("PacketReader.push() takes QoS 0 without an id, and refuses QoS 2", () => {
  const recorder = new Recorder();
  const reader = new PacketReader(recorder, 3);
  reader.push(new Uint8Array([0x30, 5, 0, 1, 97, 1, 2]));
  assert.deepEqual(recorder.found, [`publish 0 2 ${sum(new Uint8Array([1, 2]))}`]);
  reader.push(new Uint8Array([0x30, 7, 0, 1, 97, 1, 2, 3, 4]));
  assert.equal(recorder.found[1], "oversize 0 4");
  assert.throws(() => reader.push(new Uint8Array([0x34, 5, 0, 1, 97, 0, 1])), /QoS 2/);
});

Deno.test("publishBytes() counts as many length bytes as writePublish() writes", () => {
  for (const size of [0, 98, 99, 100, 16_354, 16_355, 16_356, 2_097_122, 2_097_123, 2_097_124]) {
    const bytes = publish(1, new Uint8Array(size));
    const recorder = new Recorder();
    new PacketReader(recorder, size).push(bytes);
    assert.match(recorder.found[0] ?? "", new RegExp(`^publish 1 ${size} `));
  }
});
