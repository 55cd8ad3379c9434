// Checkpoints of a conversation, in this format and others, and when they are due.
import assert from "node:assert/strict";
import {
  type BodyReader,
  type Checkpoint,
  CHECKPOINT_FORMAT,
  encodeCheckpoint,
  readCheckpoint,
} from "../../src/cluster/checkpoint.ts";
import {
  ALL_COVERED,
  CHECKPOINT_AFTER_MESSAGES,
  CHECKPOINT_AFTER_MS,
  checkpointDueAt,
  withHandled,
} from "../../src/cluster/coverage.ts";
import { bytes, device, FRONT, LAMP, runningCar } from "../car/support.ts";

function checkpointOf(car = runningCar([FRONT, LAMP])): Checkpoint {
  return { epoch: 7, paused: false, session: car.session, covered: [3, 4], pending: [] };
}

Deno.test("readCheckpoint() reads what encodeCheckpoint() wrote, on another clock", () => {
  const car = runningCar([FRONT, LAMP]);
  car.automatic = false;
  car.status(FRONT, { data: "a" });
  car.command(LAMP, "go");
  const pending = [
    { from: "gateway", payload: bytes("status\n") },
    { from: "self", payload: new Uint8Array(0) },
  ] as const;
  const checkpoint = { ...checkpointOf(car), paused: true, pending };
  const read = readCheckpoint(encodeCheckpoint(checkpoint, car.now), 5);
  assert.ok(!("reason" in read));
  assert.deepEqual({ ...read, session: null }, { ...checkpoint, session: null });
  assert.deepEqual(encodeCheckpoint(read, 5), encodeCheckpoint(checkpoint, car.now));
  const none = { ...checkpoint, session: null };
  assert.deepEqual(readCheckpoint(encodeCheckpoint(none, 0), 0), none);
});

Deno.test("a checkpoint has 300 bytes for a common car, and 85 KB for the largest", () => {
  const small = encodeCheckpoint(checkpointOf(), 1_000_000).length;
  assert.ok(small <= 350, `${small} bytes`);
  const devices = Array.from({ length: 100 }, (_, index) => device(7, `role_${index}`));
  const car = runningCar(devices);
  car.automatic = false;
  for (const one of devices) car.command(one, "x".repeat(500));
  const large = encodeCheckpoint(checkpointOf(car), car.now).length;
  assert.ok(large <= 90_000, `${large} bytes`);
});

Deno.test("readCheckpoint() reads this format and the one before, and names others", () => {
  const checkpoint = checkpointOf();
  const encoded = encodeCheckpoint(checkpoint, 0);
  const inFormat = (format: number) => {
    const text = new TextDecoder().decode(encoded);
    return new TextEncoder().encode(text.replace(`[${CHECKPOINT_FORMAT},`, `[${format},`));
  };
  const body: BodyReader = () => ({ session: null, covered: [], pending: [] });
  // The next version, which reads two.
  const readers = { [CHECKPOINT_FORMAT]: body, [CHECKPOINT_FORMAT + 1]: body };
  for (const format of [CHECKPOINT_FORMAT, CHECKPOINT_FORMAT + 1]) {
    const read = readCheckpoint(inFormat(format), 0, readers);
    assert.deepEqual(read, { epoch: 7, paused: false, session: null, covered: [], pending: [] });
  }
  const newer = readCheckpoint(inFormat(CHECKPOINT_FORMAT + 1), 0);
  assert.deepEqual(newer, {
    reason: "newer_format",
    detail: "Cannot read a checkpoint: expected format 1: found 2",
    epoch: 7,
    paused: false,
  });
  const older = readCheckpoint(inFormat(CHECKPOINT_FORMAT - 1), 0, readers);
  assert.ok("reason" in older && older.reason === "older_format");
});

Deno.test("readCheckpoint() never throws, whatever byte is missing or different", () => {
  const encoded = encodeCheckpoint({
    ...checkpointOf(),
    pending: [{ from: "self", payload: bytes("x") }],
  }, 0);
  let damaged = 0;
  for (let at = 0; at < encoded.length; at++) {
    const changed = encoded.slice();
    changed[at] = 0xff;
    for (const one of [encoded.subarray(0, at), changed]) {
      if ("reason" in readCheckpoint(one, 0)) damaged++;
    }
  }
  assert.ok(damaged > encoded.length, `${damaged} of ${2 * encoded.length}`);
});

Deno.test("a checkpoint is due 50 ms after the first message, or with 10 of them at once", () => {
  assert.equal(checkpointDueAt(ALL_COVERED), Infinity);
  let coverage = ALL_COVERED;
  for (let id = 1; id <= CHECKPOINT_AFTER_MESSAGES; id++) {
    coverage = withHandled(coverage, id, 1000 + id);
    const isFull = id === CHECKPOINT_AFTER_MESSAGES;
    assert.equal(checkpointDueAt(coverage), 1001 + (isFull ? 0 : CHECKPOINT_AFTER_MS));
  }
  assert.deepEqual(coverage.packetIds, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});
