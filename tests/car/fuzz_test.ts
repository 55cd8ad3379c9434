// Random inputs in any state: the session must not throw and must come to rest.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import type { Effect, Input } from "../../src/session/effects.ts";
import { createSession, isSaturated, nextDeadline, step } from "../../src/session/session.ts";
import { commandBytes } from "../../src/session/command_order.ts";
import { values } from "../../src/session/queue.ts";
import { type Session, stateName } from "../../src/session/state.ts";
import { totalBytes } from "../../src/session/status_order.ts";
import { CALL_OUTCOMES } from "../../src/protocol/module_interface.ts";
import type { ClientMessage, Device } from "../../src/protocol/messages.ts";
import { SETTINGS } from "./support.ts";

const anyDevice: fc.Arbitrary<Device> = fc.record({
  module: fc.constantFrom(7, 8, 3, 0, -1),
  deviceType: fc.constantFrom(1, 0, 0xffffffff),
  deviceRole: fc.constantFrom("a", "b", "", "__proto__"),
  deviceName: fc.constantFrom("", "name"),
  priority: fc.constantFrom(0, 5),
});
const anyId = fc.constantFrom("s1", "s1", "s1", "s2", "");
const anyCounter = fc.oneof(
  { weight: 5, arbitrary: fc.nat(4) },
  { weight: 1, arbitrary: fc.constantFrom(1000, 1001, 0x7fffffff, 0x80000000, 0xffffffff) },
  { weight: 1, arbitrary: fc.nat(0xffffffff) },
);
const anyBytes = fc.constantFrom(new Uint8Array(0), new Uint8Array([0]), new Uint8Array([1, 2]));

const anyMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc.record({
    kind: fc.constant("connect"),
    sessionId: anyId,
    company: fc.constantFrom("acme", ""),
    vehicleName: fc.constantFrom("car_1", ""),
    devices: fc.array(anyDevice, { maxLength: 3 }),
  }),
  fc.record({
    kind: fc.constant("status"),
    sessionId: anyId,
    deviceState: fc.constantFrom(0, 0, 1, 1, 2, 3, -1, 2 ** 31 - 1),
    messageCounter: anyCounter,
    device: anyDevice,
    statusData: anyBytes,
    errorMessage: anyBytes,
  }),
  fc.record({
    kind: fc.constant("command_response"),
    sessionId: anyId,
    type: fc.constantFrom(0, 0, 0, 1, 2, 3, -5, 99),
    messageCounter: anyCounter,
  }),
);

const anyInput: fc.Arbitrary<Input> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ type: fc.constant("message"), message: anyMessage }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("device_result"),
      epoch: fc.nat(6),
      device: anyDevice,
      outcome: fc.constantFrom(...CALL_OUTCOMES),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("forwarded"),
      epoch: fc.nat(6),
      counter: anyCounter,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("command"),
      module: fc.constantFrom(7, 8, 3),
      command: fc.record({ device: anyDevice, data: anyBytes }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ type: "tick" }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom(
        "broker_connected",
        "broker_up",
        "restart",
        "pause",
        "resume",
        "resume",
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constantFrom("broker_lost", "broker_leaving", "module_lost"),
      detail: fc.constant("test"),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: "modules_ready" }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("settings"),
      settings: fc.record({
        modules: fc.constantFrom(new Set([7, 8]), new Set([8]), new Set([3, 7])),
        sessionMs: fc.constantFrom(1, 500, 60_000),
        responseMs: fc.constantFrom(1, 500, 60_000),
        maxStatusGap: fc.constantFrom(0, 3),
        maxWaitingBytes: fc.constantFrom(1, 50, 1_000_000),
        maxUnansweredCommands: fc.constantFrom(0, 2, 1000),
        maxWaitingCommandBytes: fc.constantFrom(1, 1000),
        maxWaitingCommands: fc.constantFrom(1, 1000),
      }).map((some) => ({ ...SETTINGS, ...some })),
    }),
  },
);

/** What carrying out an effect brings back, if it brings anything. */
function result(effect: Effect): Input | undefined {
  switch (effect.type) {
    case "connect_device":
      return { ...effect, type: "device_result", outcome: "ok" };
    case "forward":
      return { type: "forwarded", epoch: effect.epoch, counter: effect.counter };
    default:
      return undefined;
  }
}

/** If bytes were not freed, reading would pause, and modules would be held, forever. */
function assertCounted(session: Session): void {
  const { ready, readyBytes } = session.base.commands;
  let waitingBytes = 0;
  for (const { command } of values(ready)) waitingBytes += commandBytes(command);
  assert.equal(readyBytes, waitingBytes);
  if (session.kind !== "running") return;
  const { waiting, begun, bytes } = session.statuses;
  assert.equal(bytes, totalBytes([...values(waiting), ...begun.map(({ status }) => status)]));
}

/** A gateway that sends what is expected of it next. */
function obedient(session: Session): Input | undefined {
  if (session.kind !== "connecting") return undefined;
  const { step: place, sessionId } = session;
  if (place.name === "statuses") {
    const [device] = place.missing;
    if (device === undefined) return undefined;
    const status = { kind: "status", sessionId, deviceState: 0, device } as const;
    const messageCounter = place.heard.length;
    const data = { statusData: new Uint8Array(0), errorMessage: new Uint8Array(0) };
    return { type: "message", message: { ...status, ...data, messageCounter } };
  }
  if (place.name !== "responses") return undefined;
  const open = place.sent.find(({ response }) => response === null);
  const messageCounter = open?.counter ?? 0;
  return {
    type: "message",
    message: { kind: "command_response", sessionId, type: 0, messageCounter },
  };
}

Deno.test("step() never throws, whatever comes in whatever state", () => {
  const happenings = fc.array(
    fc.oneof(
      { weight: 5, arbitrary: fc.record({ input: anyInput, afterMs: fc.nat(3000) }) },
      { weight: 3, arbitrary: fc.constant("result" as const) },
      { weight: 4, arbitrary: fc.constant("obey" as const) },
    ),
    { maxLength: 150, size: "max" },
  );
  const settings = fc.constantFrom(
    SETTINGS,
    { ...SETTINGS, maxUnansweredCommands: 1, maxWaitingCommands: 2, sendInvalidCommand: true },
    { ...SETTINGS, maxStatusGap: 2, maxWaitingStatuses: 1, maxDevices: 2 },
    { ...SETTINGS, maxWaitingBytes: 60 },
  );
  const kinds = new Map<string, number>();
  fc.assert(
    fc.property(settings, happenings, (chosen, events) => {
      let session = createSession();
      let now = 0;
      const open: Input[] = [];
      const take = (input: Input) => {
        const next = step(session, input, { now, settings: chosen });
        session = next.session;
        open.push(...next.effects.flatMap((effect) => result(effect) ?? []));
        assert.ok(!Number.isNaN(nextDeadline(session, chosen)));
        assert.equal(typeof isSaturated(session), "boolean");
        assertCounted(session);
        assert.ok(stateName(session).length > 0);
        kinds.set(session.kind, (kinds.get(session.kind) ?? 0) + 1);
      };
      take({ type: "broker_up" });
      take({ type: "modules_ready" });
      for (const event of events) {
        if (event === "result" || event === "obey") {
          const input = event === "result" ? open.shift() : obedient(session);
          if (input !== undefined) take(input);
        } else {
          now += event.afterMs;
          take(event.input);
        }
      }
      // Time alone brings it to rest in any case, but for calls that have not returned.
      for (let ticks = 0; nextDeadline(session, chosen) < Infinity; ticks++) {
        assert.ok(ticks < 10, "Deadlines come to an end");
        now = Math.max(now, nextDeadline(session, chosen));
        take({ type: "tick" });
      }
      take({ type: "stop" });
      assert.equal(session.kind, "stopped");
    }),
    { numRuns: 1000 },
  );
  for (const kind of ["offline", "waiting", "connecting", "running"]) {
    assert.ok((kinds.get(kind) ?? 0) > 500, `${kind} was tried: ${kinds.get(kind)}`);
  }
});
