// Statuses that could not be sent, folded into an error message [ERROR-AGGREGATE].
import assert from "node:assert/strict";
import {
  createErrors,
  ERROR_LIMITS,
  type ErrorEffect,
  type ErrorInput,
  isSettled,
  stepErrors,
} from "../../src/module_handler/mod.ts";
import type { GatewayCall } from "../../src/module/mod.ts";
import { BUTTON, bytes, type Script, scripted, text } from "./support.ts";

class CoreErrors {
  state = createErrors(BUTTON);
  script: Script = {};
  settings = ERROR_LIMITS;
  #calls: { readonly id: number; readonly call: GatewayCall }[] = [];

  take(input: ErrorInput): string[] {
    const { state, effects } = stepErrors(this.state, input, this);
    this.state = state;
    return effects.flatMap((effect: ErrorEffect) => {
      switch (effect.type) {
        case "call":
          this.#calls.push(effect);
          return [];
        case "error_message":
          return [text(effect.message)];
        case "call_failed":
          return [effect.detail];
        case "dropped":
          return [`dropped ${effect.what}`];
      }
    });
  }

  add(data: string): string[] {
    return this.take({ type: "add", data: bytes(data) });
  }

  /** The module answers its oldest call. */
  answer(): string[] {
    const next = this.#calls.shift();
    assert.ok(next !== undefined);
    return this.take({ type: "returned", id: next.id, outcome: scripted(this.script, next.call) });
  }
}

Deno.test("[ERROR-AGGREGATE] statuses are folded one after the other, in order", () => {
  const errors = new CoreErrors();
  assert.deepEqual([errors.add("a"), errors.add("b"), errors.add("c")], [[], [], []]);
  assert.ok(!isSettled(errors.state));
  assert.deepEqual(errors.answer(), ["a"]);
  assert.deepEqual(errors.answer(), ["a, b"]);
  assert.deepEqual(errors.answer(), ["a, b, c"]);
  assert.ok(isSettled(errors.state));
});

Deno.test("[ERROR-AGGREGATE] a failure leaves the message as it was", () => {
  const errors = new CoreErrors();
  errors.add("a");
  errors.answer();
  errors.script = { aggregate_error: -1 };
  errors.add("b");
  assert.deepEqual(errors.answer(), ["aggregate_error() returned -1"]);
  errors.script = { aggregate_error: new Error("crashed") };
  errors.add("c");
  assert.deepEqual(errors.answer(), ["aggregate_error() failed: crashed"]);
  errors.script = {};
  errors.add("d");
  assert.deepEqual(errors.answer(), ["a, d"]);
});

Deno.test("[ERROR-AGGREGATE] once the cloud has it, the next message begins anew", () => {
  const errors = new CoreErrors();
  errors.add("a");
  errors.answer();
  assert.deepEqual(errors.take({ type: "empty" }), []);
  errors.add("b");
  assert.deepEqual(errors.answer(), ["b"]);
});

Deno.test("[ERROR-AGGREGATE] a message that is too large for servers is not taken", () => {
  const errors = new CoreErrors();
  errors.settings = { ...ERROR_LIMITS, maxMessageBytes: 4 };
  errors.add("a");
  assert.deepEqual(errors.answer(), ["a"]);
  errors.add("bb");
  assert.deepEqual(errors.answer(), ["aggregate_error() returned 5 bytes: at most 4 are taken"]);
  assert.deepEqual(errors.state.message, bytes("a"));
  errors.add("c");
  assert.deepEqual(errors.answer(), ["a, c"]);
});

Deno.test("what waits to be folded is bounded, and the oldest makes room", () => {
  const errors = new CoreErrors();
  errors.settings = { ...ERROR_LIMITS, maxStatuses: 2, maxBytes: 5 };
  errors.add("a");
  assert.deepEqual([errors.add("b"), errors.add("c")].flat(), []);
  assert.deepEqual(errors.add("d"), ["dropped error"]);
  assert.deepEqual(errors.add("12345"), ["dropped error", "dropped error"]);
  errors.answer();
  assert.deepEqual(errors.answer(), ["a, 12345"]);
  assert.deepEqual(errors.take({ type: "returned", id: 1, outcome: { failure: "late" } }), []);
});
