// The state of a device is a value, and step() a function: whatever happens in whatever order.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { FormatError } from "../../src/encoding/mod.ts";
import type { GatewayReturn } from "../../src/module/mod.ts";
import {
  createDevice,
  createErrors,
  DEVICE_ENCODING,
  type DeviceState,
  type Effect,
  ERROR_ENCODING,
  type ErrorState,
  HANDLER_SETTINGS,
  heldBytes,
  type Input,
  isForgotten,
  nextDeadline,
  step,
  stepErrors,
} from "../../src/module_handler/mod.ts";
import { BUTTON, bytes, text } from "./support.ts";

const SETTINGS = { modules: [BUTTON.module], ...HANDLER_SETTINGS, maxJobs: 4, maxJobBytes: 30 };

type Happening = { readonly input: Input } | { readonly ms: number };

const outcome: fc.Arbitrary<GatewayReturn | { readonly failure: string }> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ code: 0, data: bytes("made") }) },
  { weight: 1, arbitrary: fc.constant({ code: -1, data: bytes("") }) },
  { weight: 1, arbitrary: fc.constant({ failure: "crashed" }) },
);
const data = fc.nat(20).map((length) => bytes("x".repeat(length)));
const device = fc.constantFrom(BUTTON, BUTTON, { ...BUTTON, deviceName: "spare" });

const happenings: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom(1, 5_000, 15_000, 60_000).map((ms) => ({ ms })) },
  {
    weight: 12,
    arbitrary: fc.record({ type: fc.constant("returned" as const), id: fc.nat(1), outcome })
      .map((input) => ({ input })),
  },
  {
    weight: 8,
    arbitrary: fc.oneof<fc.Arbitrary<Input>[]>(
      fc.record({ type: fc.constant("connected"), device, request: fc.nat(1_000) }),
      fc.record({ type: fc.constant("status"), device, request: fc.nat(1_000), data }),
      fc.record({ type: fc.constant("command"), device, data }),
      fc.record({ type: fc.constant("disconnected"), device }),
      fc.constant<Input>({ type: "force" }),
    ).map((input) => ({ input })),
  },
);

/** The input of a happening: a call is answered that is open, or an earlier one. */
function inputOf(state: DeviceState, happening: Happening): Input {
  if ("ms" in happening) return { type: "tick" };
  const { input } = happening;
  return input.type === "returned" ? { ...input, id: (state.active?.call ?? 0) - input.id } : input;
}

function assertBounded(state: DeviceState): void {
  // A disconnect is never dropped, but two never wait in a row.
  assert.ok(state.jobs.filter(({ kind }) => kind !== "disconnect").length <= SETTINGS.maxJobs);
  assert.ok(state.jobs.length <= SETTINGS.maxJobs + 1);
  assert.ok(state.jobBytes <= SETTINGS.maxJobBytes);
  const counted = state.jobs.reduce((sum, job) => sum + ("data" in job ? job.data.length : 0), 0);
  assert.equal(state.jobBytes, counted);
  assert.ok(heldBytes(state) >= state.jobBytes);
  assert.ok((state.aggregate?.commands.length ?? 0) <= SETTINGS.maxCommands);
}

Deno.test("step() of a device depends on nothing but its arguments, and is bounded, encoded or not", () => {
  const reached = new Set<string>();
  fc.assert(
    fc.property(
      fc.array(happenings, { maxLength: 150, size: "max" }),
      fc.integer({ min: -1e9, max: 1e9 }),
      (list, ahead) => {
        let state = createDevice();
        let now = 5_000;
        for (const happening of list) {
          if ("ms" in happening) now += happening.ms;
          const input = inputOf(state, happening);
          const environment = { now, settings: SETTINGS };
          const before = structuredClone(state);
          const next = step(state, input, environment);
          assert.deepEqual(state, before, "the state before is as it was");
          const later = { now: now + ahead, settings: SETTINGS };
          const restored = DEVICE_ENCODING.decode(DEVICE_ENCODING.encode(state, now), later.now);
          const again = step(restored, input, later);
          assert.deepEqual(again.effects, next.effects);
          assert.deepEqual(
            DEVICE_ENCODING.encode(again.state, later.now),
            DEVICE_ENCODING.encode(next.state, now),
          );
          assertBounded(next.state);
          if (input.type === "tick") {
            assert.ok(nextDeadline(next.state, environment) > now, "what is due is done");
          }
          state = next.state;
          reached.add(state.active?.stage ?? (isForgotten(state) ? "forgotten" : "idle"));
        }
      },
    ),
    { numRuns: 200 },
  );
  assert.deepEqual([...reached].sort(), [
    "aggregate_status",
    "command_data_valid",
    "forgotten",
    "forward_command_on_receive",
    "generate_command",
    "generate_first_command",
    "idle",
    "is_device_type_supported",
    "send_status_condition",
    "status_data_valid",
  ]);
});

/** What the cloud is told of, and the device is answered; numbers instead of statuses. */
interface Heard {
  reported: number[];
  answered: number[];
}

/** A module that never fails: the newest status is the aggregate; some are worth a report. */
function settle(start: DeviceState, input: Input, now: number, heard: Heard): DeviceState {
  let { state, effects } = step(start, input, { now, settings: SETTINGS });
  const pending: Effect[] = [...effects];
  for (let effect = pending.shift(); effect !== undefined; effect = pending.shift()) {
    if (effect.type === "report") heard.reported.push(Number(text(effect.data)));
    if (effect.type === "answer_status") heard.answered.push(effect.request);
    if (effect.type !== "call") continue;
    const { id, call } = effect;
    const made = call.name === "aggregate_status" ? call.fresh : bytes("made");
    const isNo = call.name === "send_status_condition" && Number(text(call.fresh)) % 3 > 0 ||
      call.name === "forward_command_on_receive";
    const outcome = { code: isNo ? -1 : 0, data: made };
    ({ state, effects } = step(state, { type: "returned", id, outcome }, {
      now,
      settings: SETTINGS,
    }));
    pending.push(...effects);
  }
  return state;
}

Deno.test("aggregators never lose the newest status, and no answer waits for the cloud [HANDLER-ANSWER]", () => {
  fc.assert(fc.property(
    fc.array(fc.constantFrom("status", "wait", "force"), { minLength: 1, maxLength: 60 }),
    fc.boolean(),
    (list, leaves) => {
      const heard: Heard = { reported: [], answered: [] };
      let state = createDevice();
      let now = 0;
      let newest = 0;
      for (const what of list) {
        if (what === "wait") now += 5_000;
        if (what === "status") {
          const request = ++newest;
          const data = bytes(`${newest}`);
          state = settle(state, { type: "status", device: BUTTON, request, data }, now, heard);
          // Nothing but the module was asked: it has its answer.
          assert.equal(heard.answered.at(-1), newest);
        } else state = settle(state, { type: what === "wait" ? "tick" : "force" }, now, heard);
      }
      now += SETTINGS.reportMs;
      state = settle(
        state,
        leaves ? { type: "disconnected", device: BUTTON } : { type: "tick" },
        now,
        heard,
      );
      if (newest > 0) assert.equal(heard.reported.at(-1), newest);
      assert.deepEqual(heard.reported, heard.reported.toSorted((a, b) => a - b), "in order");
      assert.deepEqual(heard.answered, Array.from({ length: newest }, (_, index) => index + 1));
    },
  ));
});

Deno.test("errors of a device go on after decode(encode()) as they would have", () => {
  const limits = { maxStatuses: 3, maxBytes: 40, maxMessageBytes: 100 };
  fc.assert(fc.property(
    fc.array(
      fc.oneof(
        data.map((data) => ({ type: "add" as const, data })),
        outcome.map((outcome) => ({ type: "returned" as const, id: 0, outcome })),
        fc.constant({ type: "empty" as const }),
      ),
      { maxLength: 60 },
    ),
    (list) => {
      let state: ErrorState = createErrors(BUTTON);
      for (const one of list) {
        const input = one.type === "returned" ? { ...one, id: state.call ?? 0 } : one;
        const next = stepErrors(state, input, { settings: limits });
        const restored = ERROR_ENCODING.decode(ERROR_ENCODING.encode(state, 0), 99);
        assert.deepEqual(restored, state);
        assert.deepEqual(stepErrors(restored, input, { settings: limits }), next);
        state = next.state;
        assert.ok(state.waiting.length <= limits.maxStatuses);
        assert.equal(
          state.waitingBytes,
          state.waiting.reduce((sum, { length }) => sum + length, 0),
        );
        assert.ok(state.waitingBytes <= limits.maxBytes);
      }
    },
  ));
});

Deno.test("what is no device of the module handler is refused", () => {
  const wrong: [bytes: Uint8Array, message: RegExp][] = [
    [bytes("junk"), /^Cannot read a device of the module handler: expected JSON$/],
    [bytes("[99,[]]"), /^Cannot read a device of the module handler: expected format 1: found 99$/],
    [bytes("[1,[1,2]]"), /^Cannot read a device of the module handler: expected 6 values$/],
  ];
  for (const [encoded, message] of wrong) {
    assert.throws(
      () => DEVICE_ENCODING.decode(encoded, 0),
      (error: Error) => error instanceof FormatError && message.test(error.message),
    );
  }
});
