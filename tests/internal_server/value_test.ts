// The state of an internal server is a value, and step() a function: whatever happens in whatever
// order.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import {
  decode,
  type Effect,
  encode,
  type Input,
  INTERNAL_SERVER_LIMITS,
  nextDeadline,
  type PushMode,
  step,
  type Takeover,
} from "../../src/internal_server/mod.ts";
import { type Device, deviceKey, sameDevice } from "../../src/protocol/mod.ts";
import { BETTER_BUTTON, BUTTON, bytes, Core, LAMP, OTHER_BUTTON, WORSE_BUTTON } from "./support.ts";

const DEVICES = [BUTTON, OTHER_BUTTON, BETTER_BUTTON, WORSE_BUTTON, LAMP];
const LIMITS = { ...INTERNAL_SERVER_LIMITS, maxConnections: 4, maxHeldBytes: 40 };
/** More than any limit. */
const LONG_MS = 60_000;

const device = fc.constantFrom(...DEVICES);
const connection = fc.nat(40).map((n) => n % 6 * 8);
const data = fc.nat(12).map((length) => bytes("x".repeat(length)));
/** How far back the answered request lies. */
const back = fc.constantFrom(0, 0, 0, 1, 2, 5);

type Happening = { readonly input: Input; readonly back: number } | { readonly ms: number };

const happenings: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(1, 200, 249, 250, 2_001, 10_000).map((ms) => ({ ms })) },
  {
    weight: 12,
    arbitrary: fc.record({
      back,
      input: fc.oneof<fc.Arbitrary<Input>[]>(
        fc.record({ type: fc.constant("accepted"), connection }),
        fc.record({
          type: fc.constant("received"),
          connection,
          message: fc.record({ kind: fc.constant("device_connect"), device }),
        }),
        fc.record({
          type: fc.constant("received"),
          connection,
          message: fc.record({ kind: fc.constant("device_status"), device, statusData: data }),
        }),
        fc.record({
          type: fc.constant("received"),
          connection,
          message: fc.record({ kind: fc.constant("device_connect"), device }),
          denial: fc.constant("its token is wrong"),
        }),
        fc.record({ type: fc.constant("partial"), connection, bytes: fc.nat(30) }),
        fc.record({
          type: fc.constant("answer_connect"),
          request: fc.constant(0),
          device,
          responseType: fc.constantFrom(0, 0, 0, 2, 3, 77),
        }),
        fc.record({
          type: fc.constant("answer_status"),
          request: fc.constant(0),
          device,
          command: data,
        }),
        fc.record({ type: fc.constant("push"), device, command: data }),
        fc.record({ type: fc.constant("dead"), device }),
        fc.record({ type: fc.constant("malformed"), connection, detail: fc.constant("test") }),
        fc.record({ type: fc.constant("unsent"), connection, bytes: fc.nat() }),
        fc.record({ type: fc.constant("closed"), connection, error: fc.constant(null) }),
        fc.constant<Input>({ type: "tick" }),
      ),
    }),
  },
);

/** What the counts and the index of the state say has to be what its connections say. */
function assertConsistent({ state }: Core): void {
  const all = state.chunks.flat().filter((each) => each !== null);
  assert.equal(state.connections, all.length);
  assert.ok(state.connections <= LIMITS.maxConnections);
  assert.equal(state.heldBytes, all.reduce((sum, { heldBytes }) => sum + heldBytes, 0));
  assert.ok(state.heldBytes <= LIMITS.maxHeldBytes);
  const registered = all.flatMap((each) =>
    each.kind === "registered" ? [[deviceKey(each.device), each.id] as const] : []
  );
  assert.deepEqual(Object.assign({}, ...state.devices), Object.fromEntries(registered));
  assert.equal(state.registered, registered.length);
}

/** The world outside: who connected where, and what was asked. */
class Outside {
  readonly #asked = new Map<number, Device>();
  readonly #known = new Set<string>();
  #owner = new Map<number, Device>();

  /** Checks the effects of one input. */
  take(input: Input, effects: readonly Effect[]): void {
    if (input.type === "received" && input.message.kind === "device_connect") {
      this.#owner.set(input.connection, input.message.device);
    }
    const isRefusal = input.type === "answer_connect" && input.responseType !== 0;
    let answers = 0;
    for (const effect of effects) {
      switch (effect.type) {
        case "send": {
          const owner = this.#owner.get(effect.connection);
          assert.ok(owner !== undefined && sameDevice(owner, effect.message.device));
          assert.equal(owner.priority, effect.message.device.priority);
          if (input.type === "answer_connect" || input.type === "answer_status") {
            if (answers++ > 0) break;
            assert.ok(this.#asked.delete(input.request), "answered what was asked, once");
            if (isRefusal) this.#known.delete(deviceKey(input.device));
          }
          break;
        }
        case "connected":
          assert.ok(!this.#known.has(deviceKey(effect.device)), "connected once");
          this.#known.add(deviceKey(effect.device));
          this.#asked.set(effect.request, effect.device);
          break;
        case "status":
          assert.ok(this.#known.has(deviceKey(effect.device)));
          this.#asked.set(effect.request, effect.device);
          break;
        case "disconnected":
          assert.ok(this.#known.delete(deviceKey(effect.device)), "disconnected once");
      }
    }
  }

  get known(): number {
    return this.#known.size;
  }
}

Deno.test("whatever happens, nothing throws, leaks, waits for ever, or goes to another device", () => {
  fc.assert(fc.property(
    fc.array(happenings, { maxLength: 120 }),
    fc.constantFrom<Takeover>("strict", "probe"),
    fc.constantFrom<PushMode>("always", "between", "never"),
    fc.integer({ min: -1e9, max: 1e9 }),
    (world, takeover, push, ahead) => {
      const core = new Core({ takeover, push, limits: LIMITS });
      const outside = new Outside();
      for (const happening of world) {
        if ("ms" in happening) core.now += happening.ms;
        const said = "ms" in happening ? { type: "tick" } as const : happening.input;
        const input = "request" in said && "back" in happening
          ? { ...said, request: core.request - happening.back }
          : said;
        const before = structuredClone(core.state);
        const again = new Core(core.settings);
        again.state = structuredClone(core.state);
        again.now = core.now;
        const state = core.state;
        const elsewhere = { now: core.now + ahead, settings: core.settings };
        const moved = decode(encode(core.state, core.now), elsewhere.now);
        const effects = core.step(input);
        assert.deepEqual(state, before, "the state before is as it was");
        assert.deepEqual(again.step(input), effects);
        assert.deepEqual(again.state, core.state);
        const continued = step(moved, input, elsewhere);
        assert.deepEqual(continued.effects, effects);
        assert.deepEqual(encode(continued.state, elsewhere.now), encode(core.state, core.now));
        assert.equal(
          nextDeadline(continued.state, elsewhere) - ahead,
          nextDeadline(core.state, core),
        );
        outside.take(input, effects);
        assertConsistent(core);
        if (input.type === "tick") assert.ok(nextDeadline(core.state, core) > core.now);
      }
      outside.take({ type: "tick" }, core.pass(LONG_MS));
      assert.equal(nextDeadline(core.state, core), Infinity);
      assert.equal(core.state.heldBytes, 0);
      assert.equal(core.state.connections, outside.known);
      outside.take({ type: "stop" }, core.step({ type: "stop" }));
      assert.equal(outside.known, 0);
      assertConsistent(core);
    },
  ));
});
