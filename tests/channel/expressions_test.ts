// Expressions: what they see, where they are wrong, and what stops them.
import assert from "node:assert/strict";
import { ExpressionError } from "../../src/channel/errors.ts";
import { compileMap } from "../../src/channel/map.ts";
import { compileWhere } from "../../src/channel/where.ts";
import { status } from "./support.ts";

const EVENT = status(7, {}, { decoded: { speed: 1.5, tags: ["a", "b"] } });

Deno.test("compileWhere() sees the parts of an event by their names", async () => {
  const cases: [string, boolean][] = [
    ['kind.startsWith("status") && car == "car"', true],
    ["decoded.speed > 1.0 && decoded.speed < 2", true],
    ['device.module == 1 && device.role == "role"', true],
    ["counter > 5", false],
    ['"b" in decoded.tags', true],
    ["has(decoded.none) || session == null", false],
    ['timestamp(at) > timestamp("2020-01-01T00:00:00Z")', true],
    ['payload.text == "{}" && id.endsWith("/7")', true],
  ];
  for (const [expression, expected] of cases) {
    assert.equal((await compileWhere(expression))(EVENT), expected, expression);
  }
  const where = await compileWhere("device == null && decoded == null");
  const { decoded: _, ...plain } = EVENT;
  assert.equal(where({ ...plain, device: null }), true);
});

Deno.test("compileWhere() says where a condition is wrong", async () => {
  const cases: [string, RegExp][] = [
    ["decoded.speed >", /^at character 16: Unexpected token: EOF$/],
    ["sped > 1", /^at character 1: Unknown variable: sped$/],
    ["true &&\n  foo(car)", /^at line 2, character 3: .*foo/],
    ["id", /^Expected true or false: found a value of the type string$/],
  ];
  for (const [expression, message] of cases) {
    await assert.rejects(compileWhere(expression), { name: "ExpressionError", message });
  }
  const failing = (expression: string) =>
    compileWhere(expression).then((where) => where(EVENT)).then(
      () => assert.fail(expression),
      (error) => error as ExpressionError,
    );
  const missing = await failing("decoded.none > 1");
  assert.deepEqual([missing.message, missing.isMissing], [
    "at character 9: No such key: none",
    true,
  ]);
  const wrong = await failing("decoded.speed");
  assert.deepEqual([wrong.message, wrong.isMissing], [
    "Expected true or false: found a number",
    false,
  ]);
});

Deno.test("compileMap() makes JSON of an event, or nothing", async () => {
  const cases: [string, string | undefined][] = [
    ['{"id": id, "kmh": decoded.speed * 2}', '{"id":"acme/car_1/1/7","kmh":3}'],
    ["decoded.tags", '["a","b"]'],
    ["decoded.none", undefined],
    ["null", "null"],
    ['"line\nbreak"', '"line\\nbreak"'],
  ];
  for (const [expression, expected] of cases) {
    assert.equal(await (await compileMap(expression))(EVENT), expected, expression);
  }
});

Deno.test("compileMap() says where an expression is wrong", async () => {
  await assert.rejects(compileMap('{"a":'), { message: /^at character 6: Expected "}"/ });
  const failing: [string, RegExp][] = [
    ["$nothing(id)", /^at character \d+: Attempted to invoke a non-function$/],
    ["id + 1", /^at character 4: The left side of the "\+" operator must evaluate to a number$/],
    ['$error("too hot")', /: too hot$/],
    ['{"f": $sum}', /^Expected a value: found a function$/],
  ];
  for (const [expression, message] of failing) {
    const map = await compileMap(expression);
    await assert.rejects(map(EVENT), { name: "ExpressionError", message }, expression);
  }
});

Deno.test("compileMap() stops what runs away, and works again for the next event", async () => {
  const runaways: [string, RegExp][] = [
    ["($f := function($x) { $f($x) }; $f(1))", /Stopped after 100000 steps/],
    ["($f := function($x) { $f($x) + 1 }; $f(1))", /Stack overflow/],
    ["$map([1..1000], function($i) { $map([1..1000], function($j) { $i * $j }) })", /Stopped/],
    ["[1..9000000]", /maximum sequence length/],
    ["$reduce([1..60], function($a, $i) { $append($a, $a) }, [1, 2])", /maximum sequence length/],
    ['$reduce([1..60], function($a, $i) { $a & $a }, "x")', /^Stopped: what it makes has more/],
    ['$pad("a", 50000000)', /^Stopped: what it makes has more/],
  ];
  for (const [expression, message] of runaways) {
    const map = await compileMap(`counter = 1 ? ${expression} : id`);
    await assert.rejects(map(EVENT), { name: "ExpressionError", message }, expression);
    assert.equal(await map({ ...EVENT, counter: 2 }), '"acme/car_1/1/7"');
  }
});
