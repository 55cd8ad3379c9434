// What a module's command_policy does with commands that wait; and what is told of each command.
import assert from "node:assert/strict";
import fc from "fast-check";
import { eventsOfRecord } from "../../src/record/log_event.ts";
import { asRecorded } from "../../src/record/segment.ts";
import type { Device } from "../../src/protocol/messages.ts";
import type { CommandPolicy } from "../../src/session/command_policy.ts";
import type { Effect, Input } from "../../src/session/effects.ts";
import { decode, encode } from "../../src/session/encoding.ts";
import type { Session } from "../../src/session/state.ts";
import { rough } from "../car/properties.ts";
import {
  bytes,
  FRONT,
  LAMP,
  REAR,
  runningCar,
  type Seen,
  type TestCar,
  waitingCar,
} from "../car/support.ts";
import { World } from "../car/world.ts";

const PLAIN: CommandPolicy = { module: 7, ttlMs: null, supersede: null, redeliver: 0 };

function held(policy: Partial<CommandPolicy>) {
  return { commandPolicies: [{ ...PLAIN, ...policy }] };
}

/** The commands with data that were published. */
function published(seen: Seen): string[] {
  return seen.linesOf("Command").filter((line) => line.split(" ").length > 3);
}

/** A module has a command that is followed. */
function give(car: TestCar, device: Device, text: string): Seen {
  const command = { device, data: bytes(text) };
  return car.input({ type: "command", module: device.module, command, id: text });
}

Deno.test("step() drops a command that is too old while its session is full, and sends younger ones [COMMAND-POLICY]", () => {
  const car = runningCar([FRONT], { ...held({ ttlMs: 3000 }), maxUnansweredCommands: 1 });
  car.command(FRONT, "a");
  car.command(FRONT, "old");
  car.advance(2000);
  car.command(FRONT, "young");
  assert.deepEqual(car.advance(999).noteCodes, []);
  assert.deepEqual(car.advance(1).noteCodes, ["command_dropped expired"]);
  assert.deepEqual(published(car.respond(1)), ["Command 2 7/1/front young"]);
});

Deno.test("step() sends no command that is too old, even before the tick [COMMAND-POLICY]", () => {
  const car = runningCar([FRONT], { ...held({ ttlMs: 3000 }), maxUnansweredCommands: 1 });
  car.command(FRONT, "a");
  car.command(FRONT, "old");
  car.now += 3000;
  const seen = car.respond(1);
  assert.deepEqual([published(seen), seen.noteCodes], [[], ["command_dropped expired"]]);
});

Deno.test("step() lets the parked command of a car without a gateway expire, wherever it is [COMMAND-POLICY]", () => {
  for (const input of [undefined, "broker_lost"] as const) {
    const car = waitingCar(held({ ttlMs: 3000 }));
    if (input !== undefined) car.input({ type: input, detail: "test" });
    car.command(FRONT, "old");
    assert.deepEqual(car.advance(3000).noteCodes, ["command_dropped expired"]);
    assert.equal(car.deadline, Infinity);
  }
});

Deno.test("step() lets a newer command of the device take the place of one that waits, behind all others [COMMAND-POLICY]", () => {
  const car = runningCar([FRONT, REAR, LAMP], {
    ...held({ supersede: [] }),
    maxUnansweredCommands: 1,
  });
  car.command(FRONT, "sent");
  for (const [device, text] of [[FRONT, "a"], [REAR, "b"], [LAMP, "c"], [LAMP, "d"]] as const) {
    assert.deepEqual(car.command(device, text).noteCodes, []);
  }
  assert.deepEqual(car.command(FRONT, "e").noteCodes, ["command_dropped replaced"]);
  const lines = [3, 4, 5, 6, 7].flatMap((counter) => published(car.respond(counter)));
  assert.deepEqual(lines.map((line) => line.split(" ")[3]), ["b", "c", "d", "e"]);
});

Deno.test("step() compares commands by a field of their JSON, and leaves those without one alone [COMMAND-POLICY]", () => {
  const car = runningCar([FRONT], {
    ...held({ supersede: ["do", "what"] }),
    maxUnansweredCommands: 1,
  });
  car.command(FRONT, "sent");
  const replaced = (value: unknown) =>
    car.command(FRONT, typeof value === "string" ? value : JSON.stringify(value)).noteCodes.length;
  const stop = (n: number) => ({ do: { what: "stop", n } });
  assert.deepEqual(
    [stop(1), { do: { what: "go" } }, stop(2), { do: { what: 1 } }, { do: { what: "1" } }]
      .map(replaced),
    [0, 0, 1, 0, 0],
  );
  const keyless = [
    "no json",
    "{}",
    "null",
    { do: "what" },
    { do: { what: { a: 1 } } },
    { do: { what: "x".repeat(300) } },
    { do: { what: null } },
  ];
  for (const value of keyless) assert.deepEqual([value, value].map(replaced), [0, 0], `${value}`);
});

Deno.test("step() sends unanswered commands again in the next session, first and in order, as often as permitted [COMMAND-POLICY]", () => {
  const car = runningCar([FRONT, REAR], held({ ttlMs: 60_000, redeliver: 1 }));
  for (const [device, text] of [[FRONT, "a"], [FRONT, "b"], [REAR, "c"]] as const) {
    give(car, device, text);
  }
  car.respond(3);
  const end = car.input({ type: "restart" });
  assert.deepEqual(end.noteCodes, ["commands_unanswered"]);
  // Its module has no device: only the newest one would be kept.
  give(car, FRONT, "d");
  car.now += 5000;
  car.connect([FRONT, REAR], "s2");
  car.status(FRONT);
  // "b" was answered, but not before "a" was.
  assert.deepEqual(published(car.status(REAR)), ["Command 5 7/1/front a", "Command 6 7/1/rear c"]);
  car.input({ type: "restart" });
  car.now += 5000;
  car.connect([FRONT, REAR], "s3");
  car.status(FRONT);
  assert.deepEqual(published(car.status(REAR)), []);
});

Deno.test("step() sends nothing again without a policy, or when it is too old by then [COMMAND-POLICY]", () => {
  for (const settings of [{}, held({ ttlMs: 5000, redeliver: 3 })]) {
    const car = runningCar([FRONT], settings);
    give(car, FRONT, "a");
    car.input({ type: "restart" });
    car.now += 5000;
    car.connect([FRONT], "s2");
    assert.deepEqual(published(car.status(FRONT)), []);
    assert.deepEqual(published(car.respond(2)), []);
    assert.equal(car.session.kind, "running");
  }
});

Deno.test("step() sends nothing again that another process has published: its age is not known [COMMAND-POLICY]", () => {
  const car = runningCar([FRONT], held({ ttlMs: 60_000, redeliver: 2 }));
  car.command(FRONT, "a");
  car.input({ type: "restart" });
  assert.deepEqual(car.session.base.commands.again, []);
});

Deno.test("step() keeps what is to be sent again until its module has a device again [COMMAND-POLICY]", () => {
  const car = runningCar([FRONT, LAMP], held({ ttlMs: 60_000, redeliver: 2 }));
  give(car, FRONT, "a");
  give(car, FRONT, "b");
  car.input({ type: "restart" });
  car.now += 5000;
  car.run([LAMP], "s2");
  assert.deepEqual(published(car.status(FRONT, { state: 0 })), [
    "Command 5 7/1/front a",
    "Command 6 7/1/front b",
  ]);
});

Deno.test("step() sends nothing again whose policy a reload has taken away [COMMAND-POLICY]", () => {
  const car = runningCar([FRONT], held({ ttlMs: 60_000, redeliver: 2 }));
  give(car, FRONT, "a");
  car.input({ type: "restart" });
  assert.deepEqual(car.configure({}).noteCodes, ["command_dropped expired"]);
  assert.equal(car.deadline, Infinity);
});

Deno.test("step() holds commands that wait to the policy of a reload [COMMAND-POLICY]", () => {
  const car = runningCar([FRONT], { maxUnansweredCommands: 1 });
  for (const text of ["sent", "a", "b"]) car.command(FRONT, text);
  car.now += 2000;
  const settings = { ...held({ ttlMs: 3000, supersede: [] }), maxUnansweredCommands: 1 };
  assert.deepEqual(car.configure(settings).noteCodes, []);
  assert.deepEqual(car.command(FRONT, "c").noteCodes, Array(2).fill("command_dropped replaced"));
  assert.deepEqual(car.advance(3000).noteCodes, ["command_dropped expired"]);
});

Deno.test("step() says of each waiting command that nobody will send it when the car stops", () => {
  const car = runningCar([FRONT], { maxUnansweredCommands: 1 });
  for (const id of ["1", "2"]) {
    const command = { device: FRONT, data: bytes("x") };
    car.input({ type: "command", module: 7, command, id });
  }
  const { notes } = car.input({ type: "stop" });
  assert.deepEqual(
    notes.flatMap((note) => note.code === "command_dropped" ? [note.why, note.commandIds] : []),
    ["stopped", ["2"]],
  );
});

/** What may become of a command, by what was told of it last. */
const NEXT: Readonly<Record<string, readonly string[]>> = {
  popped: ["queued", "sent", "superseded", "expired", "dropped"],
  queued: ["sent", "superseded", "expired", "dropped"],
  sent: ["queued", "accepted", "refused", "lost"],
};

/** Follows every command of a world by the events that the log has of it. */
class Followed {
  readonly states = new Map<string, string>();
  readonly #sends = new Map<string, { at: number; count: number }>();
  #sessionSends = new Map<string, number>();

  constructor(readonly policies: readonly CommandPolicy[]) {}

  onStep(at: number, input: Input, effects: readonly Effect[]): void {
    const recorded = effects.map((effect) => asRecorded(effect, input));
    const events = eventsOfRecord(
      {
        kind: "turn",
        car: "car_1",
        at,
        sequence: 1,
        session: null,
        input,
        effects: recorded,
        settings: undefined,
        begins: undefined,
      },
      null,
      { company: "acme", epoch: 0 },
    );
    for (const { kind, device, data: { command } } of events) {
      if (kind === "session.ended") this.#sessionSends = new Map();
      if (command === undefined || !kind.startsWith("command.")) continue;
      const id = String(command);
      const state = kind.slice("command.".length);
      const before = this.states.get(id);
      if (before === undefined) {
        assert.equal(state, "popped", id);
        this.#sends.set(id, { at, count: 0 });
      } else assert.ok(NEXT[before]?.includes(state), `${id} was ${before}, is ${state}`);
      this.states.set(id, state);
      if (state !== "sent") continue;
      const send = this.#sends.get(id);
      assert.ok(send !== undefined && device !== null);
      const policy = this.policies.find(({ module }) => module === device.module);
      const { ttlMs = null, redeliver = 0 } = policy ?? {};
      assert.ok(ttlMs === null || at < send.at + ttlMs, `${id} is not too old`);
      assert.ok(++send.count <= 1 + redeliver, `${id} is sent ${send.count} times`);
      const last = this.#sessionSends.get(device.deviceRole) ?? 0;
      const number = Number(id.split("/")[3]);
      assert.ok(number > last, `${id} comes behind ${last}`);
      this.#sessionSends.set(device.deviceRole, number);
    }
  }

  /** What has not ended is in the session. */
  atRest(session: Session): void {
    const { ready, parked, again } = session.base.commands;
    const waiting = [...ready.items.slice(ready.first, ready.first + ready.size)];
    const open = session.kind === "running"
      ? session.sent
      : session.kind === "connecting" && session.step.name === "responses"
      ? session.step.sent
      : [];
    const here = [...waiting, ...parked, ...again, ...open].flatMap(({ id }) => id ?? []).sort();
    const going = [...this.states].flatMap(([id, state]) => state in NEXT ? [id] : []).sort();
    assert.deepEqual(here, going);
  }
}

const anyPolicy = (module: number) =>
  fc.record({
    module: fc.constant(module),
    ttlMs: fc.constantFrom(null, 1000, 8000, 60_000),
    supersede: fc.constantFrom(null, [], ["slot"]),
    redeliver: fc.constantFrom(0, 1, 3),
  });

Deno.test("step() tells of every command what became of it, and keeps to any policies, in any world [COMMAND-POLICY]", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.oneof(fc.constant([]), fc.tuple(anyPolicy(7)), fc.tuple(anyPolicy(7), anyPolicy(8))),
      fc.array(fc.oneof(...rough), { maxLength: 250, size: "max" }),
      (devices, policies, actions) => {
        const world = new World(devices, undefined, policies);
        const followed = new Followed(policies);
        let ahead = 0;
        world.onStep = (_, input, { now }, { session, effects }) => {
          followed.onStep(now - ahead, input, effects);
          followed.atRest(session);
          assert.deepEqual(session, structuredClone(session));
          const again = decode(encode(session, now), now);
          assert.deepEqual(encode(again, now), encode(session, now));
        };
        for (const action of actions) {
          if (action.do === "hand_over") ahead += action.clockMs;
          world.act(action);
        }
        for (const state of followed.states.values()) seen.add(state);
      },
    ),
    { numRuns: 300 },
  );
  for (const state of ["accepted", "refused", "superseded", "expired", "dropped", "lost"]) {
    assert.ok(seen.has(state), `No command was ${state}`);
  }
});
