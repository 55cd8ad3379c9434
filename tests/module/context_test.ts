// What a context is made from, and what is said when it cannot be made.
import assert from "node:assert/strict";
import { type ContextSpec, isSameSpec } from "../../src/module/context.ts";
import { LOAD_ERROR_KINDS, ModuleLoadError } from "../../src/module/errors.ts";

const SPEC: ContextSpec = {
  company: "acme",
  car: "car_a",
  module: 7,
  libPath: "/lib/seven.so",
  parameters: [["a", "1"], ["b", "2"]],
  waitTimeoutMs: 100,
};

Deno.test("isSameSpec() sees every difference but the order of parameters", () => {
  assert.ok(isSameSpec(SPEC, { ...SPEC, parameters: [["b", "2"], ["a", "1"]] }));
  const others: Partial<ContextSpec>[] = [
    { company: "other" },
    { car: "car_b" },
    { module: 8 },
    { libPath: "/lib/eight.so" },
    { waitTimeoutMs: 101 },
    { parameters: [] },
    { parameters: [["a", "1"]] },
    { parameters: [["a", "1"], ["b", "3"]] },
    { parameters: [["a", "1"], ["c", "2"]] },
    { parameters: [["a", "1"], ["b", "2"], ["c", "3"]] },
  ];
  for (const other of others) {
    assert.ok(!isSameSpec(SPEC, { ...SPEC, ...other }), JSON.stringify(other));
    assert.ok(!isSameSpec({ ...SPEC, ...other }, SPEC), JSON.stringify(other));
  }
});

Deno.test("ModuleLoadError names car, module and path, and what may be wrong with them", () => {
  for (const kind of LOAD_ERROR_KINDS) {
    const cause = new Error("why");
    const error = new ModuleLoadError(kind, SPEC, "it is broken", { blame: "likely", cause });
    const { car, module, libPath, detail, blame, message } = error;
    assert.deepEqual({ kind: error.kind, car, module, libPath, detail, blame }, {
      kind,
      car: "car_a",
      module: 7,
      libPath: "/lib/seven.so",
      detail: "it is broken",
      blame: "likely",
    });
    const path = '"/lib/seven.so"';
    assert.equal(message, `Cannot load module 7 of car "car_a" from ${path}: it is broken`);
    assert.equal(error.cause, cause);
    assert.equal(new ModuleLoadError(kind, SPEC, "").blame, "none");
  }
});
