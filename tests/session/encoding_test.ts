// Sessions as values: what is written and read again goes on exactly as it would have.
import assert from "node:assert/strict";
import fc from "fast-check";
import { decode, encode, SessionFormatError } from "../../src/session/encoding.ts";
import { createSession, nextDeadline, step } from "../../src/session/session.ts";
import type { Session } from "../../src/session/state.ts";
import { NO_BYTES } from "../../src/protocol/messages.ts";
import { deviceKey } from "../../src/protocol/device.ts";
import { rough } from "../car/properties.ts";
import { connectedDevices } from "../../src/session/mod.ts";
import {
  bytes,
  connectingCar,
  device,
  firstCommandsCar,
  firstStatusesCar,
  FRONT,
  LAMP,
  runningCar,
  SETTINGS,
} from "../car/support.ts";
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

Deno.test("step() loses, doubles and reorders nothing when other processes go on at any moment", () => {
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

Deno.test("take_over connects devices again before statuses that were not answered, in order", () => {
  const car = runningCar([FRONT, LAMP]);
  car.automatic = false;
  car.status(FRONT, { data: "a" });
  car.status(LAMP, { data: "b" });
  car.status(FRONT, { data: "c" });
  const taken = runningCar([FRONT, LAMP]);
  taken.automatic = false;
  taken.open.length = 0;
  taken.session = decode(encode(car.session, car.now), taken.now);
  const seen = taken.input({ type: "take_over", missed: [statusOf(car.counter, "d")] });
  assert.deepEqual(seen.lines, ["connect 7/1/front", "connect 8/1/lamp"]);
  assert.deepEqual(taken.modulesReturn(1).lines, []);
  // The second device is there: everything goes on.
  const rest = taken.modulesReturn(1);
  assert.deepEqual(rest.lines, [
    "forward 2 7/1/front a",
    "forward 3 8/1/lamp b",
    "forward 4 7/1/front c",
    "forward 5 7/1/front d",
  ]);
  function statusOf(messageCounter: number, data: string) {
    const { sessionId } = car;
    const common = { kind: "status", sessionId, deviceState: 1, messageCounter } as const;
    return { ...common, device: FRONT, statusData: bytes(data), errorMessage: NO_BYTES };
  }
});

Deno.test("take_over goes on without a device that its module refuses now, and ends without any", () => {
  for (const refused of [1, 2]) {
    const car = runningCar([FRONT, LAMP]);
    car.automatic = false;
    car.session = decode(encode(car.session, car.now), car.now);
    let left = refused;
    car.outcome = () => left-- > 0 ? "not_ok" : "ok";
    car.input({ type: "take_over", missed: [] });
    const seen = car.modulesReturn(2);
    assert.equal(car.session.kind, refused === 1 ? "running" : "waiting");
    assert.equal(seen.failures.length, refused - 1);
    if (car.session.kind === "running") {
      assert.deepEqual(car.session.devices.map(deviceKey), ["8/1/lamp"]);
    }
  }
});

Deno.test("take_over goes on with a connect sequence without devices that are refused now", () => {
  for (const make of [firstStatusesCar, firstCommandsCar]) {
    const car = make([FRONT, LAMP]);
    car.automatic = false;
    car.outcome = () => "not_ok";
    car.input({ type: "take_over", missed: [] });
    assert.deepEqual(car.modulesReturn(1).lines, []);
    assert.deepEqual(connectedDevices(car.session), ["8/1/lamp"]);
    assert.deepEqual(car.modulesReturn(1).linesOf("disconnect", "ended"), [
      "ended connect_incomplete",
    ]);
  }
});

Deno.test("take_over takes no result of a call that the other process made", () => {
  for (const kind of ["connecting", "running"] as const) {
    const car = kind === "running" ? runningCar([FRONT, LAMP]) : connectingCar([FRONT, LAMP]);
    car.automatic = false;
    if (kind === "running") car.status(FRONT);
    const old = car.open.splice(0);
    assert.ok(old.length > 0);
    car.input({ type: "take_over", missed: [] });
    for (const result of old) assert.deepEqual(car.input(result).effects, [], kind);
    const later = car.modulesReturn(2).linesOf("ConnectResponse", "forward");
    assert.deepEqual(later, kind === "running" ? ["forward 2 7/1/front"] : ["ConnectResponse OK"]);
  }
});

Deno.test("take_over has modules hold their commands that were held", () => {
  const car = runningCar([FRONT, LAMP], { maxUnansweredCommands: 1, maxWaitingCommands: 2 });
  for (const text of ["sent", "a", "b"]) car.command(FRONT, text);
  assert.deepEqual(car.input({ type: "take_over", missed: [] }).linesOf("hold"), ["hold 7"]);
});

/** A session with so many devices and commands without an answer. */
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

Deno.test("decode() refuses what is no session, and other formats, and says so", () => {
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
      (error: Error) => error instanceof SessionFormatError && expected.test(error.message),
      text,
    );
  }
  assert.throws(() => decode(new Uint8Array([0xff]), 0), SessionFormatError);
});
