// The state of a gateway is a value, and step() a function: whatever happens in whatever order.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import {
  createGateway,
  type Environment,
  GATEWAY_ENCODING,
  type GatewayState,
  type Input,
  nextDeadline,
  step,
} from "../../src/gateway/mod.ts";
import { deviceKey } from "../../src/protocol/device.ts";
import { NO_BYTES, type ServerMessage } from "../../src/protocol/messages.ts";
import { device } from "../car/support.ts";
import { FRONT, GATEWAY_SETTINGS, left, REAR, said } from "./support.ts";

const DEVICES = [FRONT, REAR, device(3, "foreign"), device(7, "odd", 99)];

/** What may happen. */
type Happening =
  | { readonly do: "input"; readonly input: Input }
  /** The server says what is awaited, or something of a kind that may be. */
  | {
    readonly do: "hear";
    readonly kind: number | null;
    readonly isOwn: boolean;
    readonly off: number;
  }
  | { readonly do: "begin" }
  | { readonly do: "time"; readonly ms: number };

const happenings: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ do: "begin" } as const) },
  {
    weight: 16,
    arbitrary: fc.constant({ do: "hear", kind: null, isOwn: true, off: 0 } as const),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("hear" as const),
      kind: fc.nat(2),
      isOwn: fc.boolean(),
      off: fc.nat(1),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(fc.nat(3), fc.nat(2)).map(([which, how]) => {
      const who = DEVICES[which] ?? FRONT;
      const input = how === 0 ? left(who) : said(who, "data", how === 1 ? "" : "error", which);
      return { do: "input" as const, input };
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Input>(
      { type: "start" },
      { type: "link_up" },
      { type: "link_down", detail: "test" },
      { type: "malformed", detail: "test" },
      { type: "notified" },
      { type: "prepared" },
      { type: "forced", device: REAR, data: NO_BYTES },
      { type: "error_message", device: FRONT, errorMessage: NO_BYTES },
      { type: "restart" },
      { type: "drop_link" },
      { type: "stop" },
    ).map((input) => ({ do: "input" as const, input })),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("time" as const),
      ms: fc.oneof(fc.nat(1_000), fc.nat(1_000), fc.nat(40_000)),
    }),
  },
);

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) deepFreeze(part);
  }
  return value;
}

/** Plain records, arrays, texts, finite numbers, truth values, null and bytes: nothing else. */
function assertPlain(value: unknown, path: string): void {
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number") return assert.ok(Number.isFinite(value), `${path} is ${value}`);
  if (value instanceof Uint8Array) return;
  assert.equal(typeof value, "object", `${path} is a ${typeof value}`);
  const prototype = Object.getPrototypeOf(value);
  assert.ok(prototype === Object.prototype || Array.isArray(value), `${path} is a plain value`);
  for (const [key, part] of Object.entries(value as object)) assertPlain(part, `${path}.${key}`);
}

/** Another process, whose clock differs, goes on as this one does. */
function assertContinues(
  state: GatewayState,
  input: Input,
  { now, settings }: Environment,
  ahead: number,
): void {
  const { encode, decode } = GATEWAY_ENCODING;
  const next = step(state, input, { now, settings });
  const there = { now: now + ahead, settings };
  const again = step(decode(encode(state, now), there.now), input, there);
  assert.deepEqual(encode(again.state, there.now), encode(next.state, now));
  assert.deepEqual(timeless(again.effects), timeless(next.effects));
}

/** Moments are of one clock only. */
function timeless(effects: readonly unknown[]): unknown {
  return JSON.parse(JSON.stringify(effects, (name, value) => name === "sentAt" ? 0 : value));
}

/** The inputs a happening stands for, in this state. */
function inputsOf(state: GatewayState, happening: Happening): Input[] {
  switch (happening.do) {
    case "input":
      return [happening.input];
    case "time":
      return [{ type: "tick" }];
    case "begin":
      return [{ type: "start" }, said(FRONT, "x"), { type: "link_up" }, { type: "prepared" }];
    case "hear":
      return [{ type: "message", message: heard(state, happening) }];
  }
}

function heard(
  state: GatewayState,
  { kind, isOwn, off }: Happening & { do: "hear" },
): ServerMessage {
  const established = state.kind === "connecting" || state.kind === "connected" ? state : null;
  const sessionId = isOwn && established !== null ? established.sessionId : "another";
  const awaitsCommand = state.kind === "connecting" && state.step === "commands";
  const awaitsConnect = state.kind === "connecting" && state.step === "connect";
  switch (kind ?? (awaitsConnect ? 2 : awaitsCommand ? 1 : 0)) {
    case 0: {
      const [oldest] = established?.open ?? [];
      const messageCounter = (oldest?.status.messageCounter ?? 1) + off;
      return { kind: "status_response", sessionId, messageCounter };
    }
    case 1: {
      const [key] = awaitsCommand ? state.awaited : [];
      const who = DEVICES.find((one) => deviceKey(one) === key) ?? FRONT;
      const messageCounter = (established?.lastCommand ?? -1) + 1 + off;
      return { kind: "command", sessionId, messageCounter, device: who, commandData: NO_BYTES };
    }
    default:
      return { kind: "connect_response", sessionId, type: off };
  }
}

Deno.test("step() of a gateway depends on nothing but its arguments, and changes none of them", () => {
  const reached = new Map<string, number>();
  fc.assert(
    fc.property(
      fc.nat(),
      fc.boolean(),
      fc.array(happenings, { minLength: 20, maxLength: 200, size: "max" }),
      fc.integer({ min: -1e9, max: 1e9 }),
      (seed, prepares, list, ahead) => {
        let state = createGateway(seed);
        let now = 0;
        let steps = seed % 10;
        const settings = { ...GATEWAY_SETTINGS, prepares };
        for (const happening of list) {
          if (happening.do === "time") now += happening.ms;
          for (const input of inputsOf(state, happening)) {
            const environment = { now, settings };
            const next = step(deepFreeze(state), deepFreeze(input), environment);
            const again = step(structuredClone(state), structuredClone(input), environment);
            assert.deepEqual(again, next);
            assertPlain(next.state, "state");
            // Costs ten times as much as a step.
            if (++steps % 10 === 0) assertContinues(state, input, environment, ahead);
            const due = nextDeadline(next.state, environment);
            assert.ok(due === null || Number.isFinite(due), `due at ${due}`);
            if (input.type === "tick") assert.ok(due === null || due > now, "what is due is done");
            state = next.state;
          }
          const at = state.kind === "connecting" ? state.step : state.kind;
          reached.set(at, (reached.get(at) ?? 0) + 1);
        }
      },
    ),
    { numRuns: 100 },
  );
  for (const phase of ["connect", "statuses", "commands", "connected", "not_connected"]) {
    assert.ok((reached.get(phase) ?? 0) > 50, `${phase} was reached ${reached.get(phase)} times`);
  }
});
