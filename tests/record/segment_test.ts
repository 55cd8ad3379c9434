// Segments: what can be read of one that is torn or damaged.
import assert from "node:assert/strict";
import { NO_BYTES, type Status } from "../../src/protocol/mod.ts";
import {
  asRecorded,
  type Damage,
  readSegment,
  type RecordedTurn,
  SEGMENT_HEADER,
  writeTurn,
} from "../../src/record/segment.ts";
import { ValueWriter } from "../../src/record/values.ts";
import type { Effect, Input } from "../../src/session/mod.ts";
import { createSession } from "../../src/session/session.ts";
import { SETTINGS } from "../car/support.ts";

const TURNS: RecordedTurn[] = [
  {
    kind: "turn",
    car: "car_1",
    at: 1.5,
    sequence: 1,
    session: null,
    input: { type: "modules_ready" },
    effects: [],
    settings: SETTINGS,
    begins: createSession(),
  },
  {
    kind: "turn",
    car: "car_1",
    at: 2,
    sequence: 2,
    session: undefined,
    input: { type: "stop" },
    effects: [{ type: "notify" }],
    settings: undefined,
    begins: undefined,
  },
];

/** A segment, and where its records end. */
function segmentOf(turns: readonly RecordedTurn[]): { bytes: Uint8Array; ends: number[] } {
  const writer = new ValueWriter();
  const ends = turns.map((turn) => {
    writeTurn(writer, turn);
    return SEGMENT_HEADER.length + writer.size;
  });
  return { bytes: Uint8Array.of(...SEGMENT_HEADER, ...writer.take()), ends };
}

function read(bytes: Uint8Array): { turns: RecordedTurn[]; damage: Damage | null } {
  const records = readSegment(bytes);
  const turns: RecordedTurn[] = [];
  for (let next = records.next();; next = records.next()) {
    if (next.done) return { turns, damage: next.value };
    if (next.value.record.kind === "turn") turns.push(next.value.record);
  }
}

Deno.test("readSegment() reads what was written", () => {
  const { bytes } = segmentOf(TURNS);
  assert.deepStrictEqual(read(bytes), { turns: TURNS, damage: null });
});

Deno.test("readSegment() reads whole records of a segment truncated anywhere, and says where", () => {
  const { bytes, ends } = segmentOf(TURNS);
  for (let length = 1; length < bytes.length; length++) {
    const { turns, damage } = read(bytes.subarray(0, length));
    const whole = ends.filter((end) => end <= length).length;
    assert.deepStrictEqual(turns, TURNS.slice(0, whole), `${length} bytes`);
    const at = length < SEGMENT_HEADER.length ? 0 : ends[whole - 1] ?? SEGMENT_HEADER.length;
    assert.deepEqual(
      damage && { at: damage.at, lost: damage.lost },
      at === length ? null : { at, lost: length - at },
      `${length} bytes`,
    );
  }
});

Deno.test("readSegment() finds every changed bit", () => {
  const { bytes, ends } = segmentOf(TURNS);
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const { turns, damage } = read(changed);
    const before = ends.filter((end) => end <= bit >> 3).length;
    assert.deepStrictEqual(turns, TURNS.slice(0, before), `bit ${bit}`);
    assert.equal(damage?.at, before === 0 && bit < 64 ? 0 : ends[before - 1] ?? 8, `bit ${bit}`);
  }
});

Deno.test("readSegment() does not mistake zeros after the records for more of them", () => {
  const { bytes, ends } = segmentOf(TURNS);
  const { turns, damage } = read(Uint8Array.of(...bytes, ...new Uint8Array(100)));
  assert.equal(turns.length, TURNS.length);
  assert.deepEqual(damage, {
    at: ends.at(-1),
    lost: 100,
    why: "a checksum is wrong",
    isTruncated: false,
  });
});

Deno.test("readSegment() reads a file that was created but never written as an empty segment", () => {
  assert.deepEqual(read(new Uint8Array(0)), { turns: [], damage: null });
});

Deno.test("what there is for every status is read as it was written, in a form or not", () => {
  const device = {
    module: 1000,
    deviceType: 2,
    deviceRole: "front",
    deviceName: "Tür",
    priority: 1,
  };
  const status: Status = {
    kind: "status",
    sessionId: "s1",
    deviceState: 1,
    messageCounter: 4_294_967_295,
    device,
    statusData: Uint8Array.of(0, 255),
    errorMessage: NO_BYTES,
    receivedAt: 12.5,
  };
  const { receivedAt: _, ...withoutTime } = status;
  const response = { kind: "status_response", sessionId: "s1", messageCounter: 7 } as const;
  const forward: Effect = {
    type: "forward",
    answered: true,
    epoch: 3,
    counter: status.messageCounter,
    device,
    data: status.statusData,
    errorMessage: NO_BYTES,
  };
  const turns: readonly (readonly [Input, readonly Effect[]])[] = [
    [{ type: "message", message: status }, [forward]],
    [{ type: "message", message: withoutTime }, [{ ...forward, data: Uint8Array.of(1) }]],
    [{ type: "forwarded", epoch: 3, counter: 1 }, [
      { type: "publish", message: response, answers: status },
      { type: "publish", message: response },
      { type: "publish", message: response, answers: status, commandId: "c1" },
    ]],
    [{ type: "message", message: { ...response, kind: "command_response", type: 0 } }, []],
  ];
  for (const [input, effects] of turns) {
    const [plain] = TURNS;
    assert.ok(plain);
    const expected = effects.map((effect) => asRecorded(effect, input));
    const { bytes } = segmentOf([{ ...plain, input, effects: effects as never }]);
    const once = read(bytes);
    assert.deepStrictEqual(once, { turns: [{ ...plain, input, effects: expected }], damage: null });
    // What was read is written as the same again.
    assert.deepStrictEqual(read(segmentOf(once.turns).bytes), once);
  }
});
