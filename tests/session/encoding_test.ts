// Sessions as values: what is written and read again goes on exactly as it would have.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { FormatError } from "../../src/encoding/mod.ts";
import { decode, encode } from "../../src/session/encoding.ts";
import { createSession, nextDeadline, step } from "../../src/session/session.ts";
import type { Session } from "../../src/session/state.ts";
import { rough } from "../car/properties.ts";
import { bytes, device, FRONT, runningCar, SETTINGS } from "../car/support.ts";
import { World } from "../car/world.ts";

Deno.test("step() after decode(encode()) is the same step, in any state and on any clock", () => {
  const kinds = new Set<string>();
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.oneof(...rough), { maxLength: 120, size: "max" }),
      fc.integer({ min: -1e9, max: 1e9 }),
      (devices, actions, ahead) => {
        const world = new World(devices);
        world.onStep = (before, input, { now, settings }, result) => {
          kinds.add(before.kind);
          const later = now + ahead;
          const restored = decode(encode(before, now), later);
          const message = input.type === "message" ? input.message : undefined;
          // The moment of its arrival is of the clock, too.
          const moved = message?.kind === "status" && message.receivedAt !== undefined
            ? { ...input, message: { ...message, receivedAt: message.receivedAt + ahead } }
            : input;
          const again = step(restored, moved as typeof input, { now: later, settings });
          assert.deepEqual(plain(again.effects), plain(result.effects));
          assert.deepEqual(encode(again.session, later), encode(result.session, now));
          assert.equal(
            nextDeadline(again.session, settings) - ahead,
            nextDeadline(result.session, settings),
          );
        };
        for (const action of actions) world.act(action);
      },
    ),
    { numRuns: 200 },
  );
  assert.deepEqual([...kinds].sort(), ["connecting", "offline", "running", "waiting"]);
});

/** Effects without moments, which differ by the clocks. */
function plain(effects: readonly unknown[]): unknown {
  return JSON.parse(JSON.stringify(effects, (key, value) => key === "receivedAt" ? 0 : value));
}

Deno.test("step() loses, duplicates and reorders nothing when other processes take over at any moment", () => {
  let running = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(
        fc.oneof(...rough, {
          weight: 6,
          arbitrary: fc.record({
            do: fc.constant("hand_over" as const),
            clockMs: fc.integer({ min: 0, max: 1e6 }),
          }),
        }),
        { maxLength: 200, size: "max" },
      ),
      (devices, actions) => {
        const world = new World(devices);
        for (const action of actions) {
          if (action.do === "hand_over" && world.session.kind === "running") running++;
          world.act(action);
        }
        world.settle();
      },
    ),
    { numRuns: 500 },
  );
  assert.ok(running > 100, `${running} running sessions were handed over`);
});

/** A session with this many devices and unanswered commands. */
function sized(devices: number, commands: number): Session {
  const all = Array.from({ length: devices }, (_, index) => device(7, `role_${index}`));
  const car = runningCar(all);
  car.automatic = false;
  for (let i = 0; i < commands; i++) {
    const one = all[i % devices];
    if (one !== undefined) car.command(one, "x".repeat(500));
  }
  return car.session;
}

Deno.test("encode() writes 250 bytes for a common car, and 75 KB for the largest", () => {
  const small = encode(sized(2, 0), 1_000_000).length;
  assert.ok(small <= 300, `${small} bytes`);
  const large = encode(sized(100, 100), 1_000_000).length;
  assert.ok(large <= 85_000, `${large} bytes`);
});

Deno.test("a session with 20,000 waiting commands can be written, cloned and serialized", () => {
  let session = sized(2, 0);
  const environment = { now: 1_000_000, settings: { ...SETTINGS, maxWaitingCommands: 20_000 } };
  const command = { device: FRONT, data: bytes("go") };
  for (let i = 0; i < 20_000; i++) {
    session = step(session, { type: "command", module: 7, command }, environment).session;
  }
  assert.equal(
    session.base.commands.ready.size + (session.kind === "running" ? session.sent.length : 0),
    20_000,
  );
  assert.deepEqual(structuredClone(session), session);
  const again = decode(encode(session, 1_000_000), 1_000_000);
  assert.equal(again.base.commands.ready.size, session.base.commands.ready.size);
});

Deno.test("decode() refuses what is not a session, and other formats", () => {
  const good = new TextDecoder().decode(encode(createSession(), 0));
  const cases: readonly (readonly [string, RegExp])[] = [
    ["", /expected JSON/],
    ["{}", /expected format 1: found undefined/],
    [good.replace("[1,", "[2,"), /expected format 1: found 2/],
    ["[1,[9,[]]]", /expected one of offline, waiting/],
    ["[1,[0,[]]]", /expected 1 values/],
    [good.replace("false", "7"), /expected true or false/],
  ];
  for (const [text, expected] of cases) {
    assert.throws(
      () => decode(new TextEncoder().encode(text), 0),
      (error: Error) => error instanceof FormatError && expected.test(error.message),
      text,
    );
  }
  assert.throws(() => decode(new Uint8Array([0xff]), 0), FormatError);
});
