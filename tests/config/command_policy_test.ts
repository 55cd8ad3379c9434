// What becomes of commands while they wait, as a configuration says it for each module.
import assert from "node:assert/strict";
import { compareConfigs } from "../../src/config/plan/compare.ts";
import { differenceLines } from "../../src/config/plan/difference_text.ts";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import { hasOtherSettings, sessionSettings } from "../../src/server/car_settings.ts";
import { documented, failure, lines, load } from "./support.ts";

const cars = { car_a: {}, car_b: {} };
const withPolicy = (command_policy?: Record<string, unknown>) =>
  documented({ cars, common_modules: { "7": { lib_path: "lib.so", command_policy } } });

Deno.test("command_policy says of a module's commands how long they are good, and what replaces them", () => {
  for (
    const [given, expected] of [
      [undefined, undefined],
      [{}, undefined],
      [{ ttl_s: 2.5 }, { ttlMs: 2500, supersede: null, redeliver: 0 }],
      [{ supersede: "device" }, { ttlMs: null, supersede: [], redeliver: 0 }],
      [
        { ttl_s: 60, supersede: "field", supersede_field: "do.what", redeliver: 3 },
        { ttlMs: 60_000, supersede: ["do", "what"], redeliver: 3 },
      ],
    ] as const
  ) {
    const { config } = load(withPolicy(given));
    const [car] = config.cars;
    assert.ok(car);
    assert.deepEqual(car.modules[0]?.commandPolicy, expected);
    assert.deepEqual(
      sessionSettings(config, car).commandPolicies,
      expected && [{ module: 7, ...expected }],
    );
    const again = load(structuredClone(effectiveDocument(config, { showSecrets: true })));
    assert.deepEqual(again.config.cars, config.cars);
  }
});

Deno.test("command_policy that cannot be meant is a problem with its place", () => {
  const problems = (policy: Record<string, unknown>) => lines(failure(withPolicy(policy)).problems);
  const at = "common_modules.7.command_policy";
  assert.deepEqual(problems({ redeliver: 2 }), [
    `${at}.redeliver: Expected ttl_s with it, or commands of any age would be sent again: found 2 alone`,
  ]);
  assert.deepEqual(problems({ supersede: "field" }), [
    `${at}.supersede: Expected supersede_field with it: found "field"`,
  ]);
  assert.deepEqual(problems({ supersede: "device", supersede_field: "a" }), [
    `${at}.supersede_field: Expected it only with supersede "field": found "a"`,
  ]);
  assert.deepEqual(problems({ ttl_s: 0, redeliver: -1, supersede: "key" }), [
    `${at}.ttl_s: Expected a number of seconds, greater than 0 and at most 2147483: found the number 0`,
    `${at}.supersede: Expected one of "device", "field": found the string "key"`,
    `${at}.redeliver: Expected a whole number from 0 to 2147483647: found the number -1`,
  ]);
});

Deno.test("another command_policy takes effect at once, and is said once for all cars", () => {
  const [before, after] = [undefined, { ttl_s: 60, redeliver: 1 }].map((policy) =>
    load(withPolicy(policy)).config
  );
  assert.ok(before && after);
  const difference = compareConfigs(before, after);
  assert.deepEqual(difference.same, ["car_a", "car_b"]);
  assert.deepEqual(differenceLines(difference), [
    "module 7 command_policy.ttl_s nothing -> 60 s: at once, sessions go on",
    "module 7 command_policy.redeliver nothing -> 1: at once, sessions go on",
  ]);
  const [old, now] = [before.cars[0], after.cars[0]];
  assert.ok(old && now && hasOtherSettings([before, old], [after, now]));
  assert.ok(!hasOtherSettings([after, now], [after, now]));
});
