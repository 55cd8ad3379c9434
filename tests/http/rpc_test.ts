// JSON-RPC: the methods, and what the specification says of requests that are wrong.
import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { answerRpc } from "../../src/http/api/json_rpc.ts";
import { METHODS } from "../../src/http/api/methods.ts";
import type { ReloadReport } from "../../src/server/reload_report.ts";
import { FRONT } from "../car/support.ts";
import { UNCHANGED } from "../support/unchanged_report.ts";
import { settled } from "../support/virtual_clock.ts";
import { Fixture, KEY, type RpcAnswer, TestGateway } from "./fixture.ts";

Deno.test("rpc shows the fleet and its cars", async () => {
  await using fixture = await Fixture.start();
  const list = await fixture.rpc("fleet.list");
  assert.deepEqual(list.result.cars.map(({ car }: { car: string }) => car), ["car_a", "car_b"]);
  assert.equal((await fixture.rpc("car.get", { car: "car_b" })).result.car, "car_b");
  assert.equal((await fixture.rpc("car.get", ["car_b"])).result.car, "car_b");
});

Deno.test("rpc restarts, pauses and resumes a car, and its gateway hears of each", async () => {
  await using fixture = (await Fixture.start()).up();
  const transport = fixture.transport("car_a");
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  const restarted = await fixture.rpc("car.restart", { car: "car_a" });
  assert.equal(restarted.result.sessionId, null);
  assert.deepEqual([restarted.result.lastIncident, restarted.result.health.state], [
    null,
    "waiting",
  ]);
  assert.deepEqual(transport.told, ["", "s1"]);
  await gateway.run([FRONT], "s2");

  const paused = await fixture.rpc("car.pause", { car: "car_a" });
  assert.deepEqual([paused.result.state, paused.result.paused], ["CONNECTED", true]);
  assert.equal(transport.notifications, 1);
  const restart = await fixture.rpc("fleet.restart", { cars: ["car_a", "car_b", "car_b"] });
  assert.deepEqual(restart.result, {
    cars: [{ car: "car_a", result: "unchanged" }, { car: "car_b", result: "done" }],
    kept: true,
  });
  gateway.connect([FRONT], "s3");
  await settled();
  assert.equal(fixture.server.snapshot().cars[0]?.sessionId, null);
  assert.equal((await fixture.rpc("car.resume", { car: "car_a" })).result.paused, false);
  await gateway.run([FRONT], "s4");
  assert.equal(fixture.server.snapshot().cars[0]?.state, "RUNNING");
  assert.deepEqual([transport.told.length, transport.notifications], [2, 1]);
  const operated = fixture.log.lines.filter(({ text }) => text.startsWith("Operator"));
  assert.deepEqual(operated.map(({ car, text }) => `${car}: ${text}`), [
    'car_a: Operator "api_key" from 127.0.0.1: car.restart of car_a: done',
    'car_a: Operator "api_key" from 127.0.0.1: car.pause of car_a: done',
    'undefined: Operator "api_key" from 127.0.0.1: fleet.restart of car_a, car_b: 1 unchanged, 1 done',
    'car_a: Operator "api_key" from 127.0.0.1: car.resume of car_a: done',
  ]);
});

Deno.test("rpc lists incidents and takes acknowledgments, which REST does as well", async () => {
  await using fixture = (await Fixture.start()).up();
  fixture.transport("car_a").down();
  const [incident] = (await fixture.rpc("incident.list", { state: "open" })).result;
  assert.deepEqual([incident.code, incident.cars], ["broker_away", ["car_a"]]);
  assert.deepEqual((await fixture.rpc("incident.list", { car: "car_b" })).result, []);
  const { id } = incident;
  const name = "Ann\nsays";
  const { acknowledged } = (await fixture.rpc("incident.acknowledge", { id, name })).result;
  assert.deepEqual([acknowledged.name, acknowledged.note], [name, ""]);
  assert.equal(fixture.log.matching(/^Incident 1 acknowledged by "Ann\\nsays"$/).length, 1);
  const rest = (path: string) =>
    fixture.get(`/api/v1/incidents/${path}/acknowledge`, {
      method: "POST",
      body: JSON.stringify({ name: "Bea", note: "drives there" }),
      headers: { "content-type": "application/json" },
    });
  const taken = await rest(`${id}`);
  assert.deepEqual([taken.status, (await taken.json()).acknowledged.name], [200, "Bea"]);
  for (const [path, status] of [["77", 404], ["x", 400]] as const) {
    const refused = await rest(path);
    assert.equal(refused.status, status);
    await refused.body?.cancel();
  }
  assert.equal((await fixture.rpc("incident.acknowledge", { id: 77, name })).error?.code, -32004);
  assert.equal((await fixture.rpc("incident.acknowledge", { id, name: " " })).error?.code, -32602);
});

Deno.test("rpc knows no car that is not configured", async () => {
  await using fixture = await Fixture.start();
  for (const method of ["car.get", "car.restart", "car.pause", "car.resume"]) {
    const { error } = await fixture.rpc(method, { car: "car_x" });
    assert.equal(error?.code, -32000, method);
    assert.equal(error?.message, 'Expected a car of the configuration: found "car_x"');
  }
  const { error } = await fixture.rpc("log.set_level", { level: "DEBUG", car: "car_x" });
  assert.equal(error?.code, -32000);
});

Deno.test("rpc reloads, and says why a configuration cannot be used", async () => {
  let report: ReloadReport = UNCHANGED;
  await using fixture = await Fixture.start({ reload: () => Promise.resolve(report) });
  assert.deepEqual((await fixture.rpc("config.reload")).result, UNCHANGED);
  report = { ...UNCHANGED, applied: false, problems: ["timeout: Expected ..."] };
  const { error } = await fixture.rpc("config.reload");
  assert.equal(error?.code, -32001);
  assert.deepEqual(error?.data.problems, ["timeout: Expected ..."]);
  await using fixed = await Fixture.start();
  assert.equal((await fixed.rpc("config.reload")).error?.code, -32002);
});

Deno.test("rpc shows the configuration with secrets masked", async () => {
  await using fixture = await Fixture.start();
  const { result } = await fixture.rpc("config.get");
  assert.equal(result.external_communication.mqtt_username, "me");
  assert.equal(result.external_communication.mqtt_password, "***");
  assert.doesNotMatch(JSON.stringify(result), new RegExp(`swordfish|${KEY}`));
});

Deno.test("rpc changes what is logged, for all and for one car", async () => {
  await using fixture = await Fixture.start();
  assert.deepEqual((await fixture.rpc("log.set_level", { level: "DEBUG" })).result, {
    level: "DEBUG",
    car: null,
  });
  await fixture.rpc("log.set_level", { level: null, car: "car_a" });
  assert.deepEqual(fixture.levels, ["DEBUG undefined", "undefined car_a"]);
  const { error } = await fixture.rpc("log.set_level", { level: "LOUD" });
  assert.equal(error?.code, -32602);
  assert.match(error?.message ?? "", /^level: /);
});

Deno.test("rpc describes every method it has", async () => {
  await using fixture = await Fixture.start();
  const { result } = await fixture.rpc("rpc.discover");
  assert.deepEqual(
    result.methods.map(({ name }: { name: string }) => name),
    METHODS.map(({ name }) => name),
  );
  assert.deepEqual(await fixture.json("/api/v1/openrpc.json"), result);
  const restart = result.methods.find(({ name }: { name: string }) => name === "car.restart");
  assert.deepEqual(restart.params[0], {
    name: "car",
    required: true,
    description: "A car of the configuration",
    schema: { type: "string" },
  });
  assert.equal(restart.params[1].required, false);
  assert.deepEqual((await fixture.rpc("module.stats")).result, []);
});

Deno.test("openrpc.json and openapi.json hold every schema that they refer to", async () => {
  await using fixture = await Fixture.start();
  for (const path of ["/api/v1/openrpc.json", "/api/v1/openapi.json"]) {
    // deno-lint-ignore no-explicit-any -- a test looks into what it expects
    const document = await fixture.json<any>(path);
    const { schemas } = document.components;
    const references = JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g).toArray();
    assert.ok(references.length > 10, path);
    for (const [, reference = ""] of references) {
      const [, name = ""] = /^#\/components\/schemas\/(\w+)$/.exec(reference) ?? [];
      assert.ok(schemas[name], reference);
    }
  }
});

/** A text, and the code, the id and what is said to have been found in the answer. */
const WRONG: readonly (readonly [
  what: string,
  text: string,
  code: number,
  id: unknown,
  found: string,
])[] = [
  ["no JSON", "{", -32700, null, "something else"],
  ["a number", "1", -32600, null, "the number 1"],
  ["an empty batch", "[]", -32600, null, "0"],
  ["too large a batch", JSON.stringify(new Array(51).fill({})), -32600, null, "51"],
  [
    "another version",
    '{"jsonrpc": "1.0", "method": "fleet.list", "id": 4}',
    -32600,
    4,
    'the string "1.0"',
  ],
  ["no method", '{"jsonrpc": "2.0", "id": "x"}', -32600, "x", "nothing"],
  ["a method that is none", '{"jsonrpc": "2.0", "method": 7, "id": 1}', -32600, 1, "the number 7"],
  [
    "an id that is none",
    '{"jsonrpc": "2.0", "method": "fleet.list", "id": {}}',
    -32600,
    null,
    "an object",
  ],
  [
    "params that are none",
    '{"jsonrpc":"2.0","method":"car.get","id":1,"params":"a"}',
    -32600,
    1,
    'the string "a"',
  ],
  [
    "an unknown method",
    '{"jsonrpc": "2.0", "method": "toString", "id": 1}',
    -32601,
    1,
    '"toString"',
  ],
  [
    "a method with a long name",
    JSON.stringify({ jsonrpc: "2.0", method: "x".repeat(5000), id: 1 }),
    -32601,
    1,
    `"${"x".repeat(80)}..."`,
  ],
];

for (const [what, text, code, id, found] of WRONG) {
  Deno.test(`rpc answers ${what} with ${code}`, async () => {
    await using fixture = await Fixture.start();
    const answer = await fixture.rpcText(text);
    assert.equal(answer.status, 200);
    const { error, id: answered } = await answer.json() as RpcAnswer;
    assert.deepEqual([error?.code, answered], [code, id]);
    assert.equal(error?.message.split(": found ").at(-1), found);
  });
}

/** Parameters that do not fit their method, as a request has them. */
const WRONG_PARAMS = {
  "missing params": '"method": "car.get"',
  "too many params": '"method": "car.get", "params": ["a", 1]',
  "unknown params": '"method": "fleet.list", "params": {"a": 1}',
};

for (const [what, members] of Object.entries(WRONG_PARAMS)) {
  Deno.test(`rpc answers ${what} with -32602`, async () => {
    await using fixture = await Fixture.start();
    const answer = await fixture.rpcText(`{"jsonrpc": "2.0", "id": 1, ${members}}`);
    assert.equal(answer.status, 200);
    const { error, id } = await answer.json() as RpcAnswer;
    assert.deepEqual([error?.code, id], [-32602, 1]);
  });
}

Deno.test("rpc answers the requests of a batch, and no notification", async () => {
  await using fixture = await Fixture.start();
  const batch = [
    { jsonrpc: "2.0", id: 1, method: "car.get", params: { car: "car_a" } },
    { jsonrpc: "2.0", method: "car.pause", params: { car: "car_a" } },
    1,
    { jsonrpc: "2.0", id: null, method: "car.get", params: { car: "car_a" } },
  ];
  const answers = await (await fixture.rpcText(JSON.stringify(batch))).json() as RpcAnswer[];
  assert.deepEqual(answers.map(({ id, error }) => [id, error?.code]), [
    [1, undefined],
    [null, -32600],
    [null, undefined],
  ]);
  // They are carried out in order.
  assert.deepEqual([answers[0]?.result.paused, answers[2]?.result.paused], [false, true]);
  for (const one of [batch.slice(1, 2), batch[1]]) {
    const silent = await fixture.rpcText(JSON.stringify(one));
    assert.deepEqual([silent.status, await silent.text()], [204, ""]);
  }
});

Deno.test("rpc tells a defect to the log, not to the client", async () => {
  await using fixture = await Fixture.start({ reload: () => Promise.reject(new Error("torn")) });
  const { error } = await fixture.rpc("config.reload");
  assert.deepEqual(error, {
    code: -32603,
    message: "The method failed: see the server's log",
  });
  assert.match(fixture.log.texts("CRITICAL").join("\n"), /Defect in config.reload: Error: torn/);
});

Deno.test("A batch lets other work in between its requests", async () => {
  const done: string[] = [];
  const call = (method: string) => {
    done.push(method);
    setImmediate(() => done.push(`after ${method}`));
    return Promise.resolve(method);
  };
  const batch = ["a", "b"].map((method, id) => ({ jsonrpc: "2.0", id, method }));
  const text = await answerRpc(JSON.stringify(batch), { call, onDefect: assert.fail });
  assert.deepEqual(done, ["a", "after a", "b", "after b"]);
  assert.deepEqual(JSON.parse(text ?? ""), [
    { jsonrpc: "2.0", id: 0, result: "a" },
    { jsonrpc: "2.0", id: 1, result: "b" },
  ]);
});

Deno.test("A batch whose answers are large enough carries out nothing more, and says so", async () => {
  const done: string[] = [];
  // Two bytes a character.
  const large = "ä".repeat(4 * 1024 * 1024 - 100);
  const call = (method: string) => {
    done.push(method);
    return Promise.resolve(method.startsWith("large") ? large : method);
  };
  const methods = ["large 1", "small", "large 2", "large 3", "late 1", "late 2"];
  const batch: object[] = methods.map((method, id) => ({ jsonrpc: "2.0", id, method }));
  batch.push({ jsonrpc: "2.0", id: 6 });
  const text = await answerRpc(JSON.stringify(batch), { call, onDefect: assert.fail });
  assert.deepEqual(done, methods.slice(0, 4));
  const answers = JSON.parse(text ?? "") as RpcAnswer[];
  assert.deepEqual(answers.map(({ id, error }) => [id, error?.code]), [
    [0, undefined],
    [1, undefined],
    [2, undefined],
    [3, undefined],
    [4, -32005],
    [5, -32005],
    [6, -32600],
  ]);
  assert.match(
    answers[4]?.error?.message ?? "",
    /^Expected answers of at most 16777216 bytes in a batch: found 251\d{5} before this request, which was not carried out$/,
  );
});

Deno.test("A key that is revoked during a batch does nothing more with it", async () => {
  await using fixture: Fixture = await Fixture.start({
    reload() {
      fixture.operators.configure({ apiKey: "another-0123456789" });
      return Promise.resolve(UNCHANGED);
    },
  });
  const answer = await fixture.rpcText(JSON.stringify([
    { jsonrpc: "2.0", id: 1, method: "config.reload" },
    { jsonrpc: "2.0", id: 2, method: "car.pause", params: { car: "car_a" } },
  ]));
  const [reloaded, paused] = await answer.json() as [RpcAnswer, RpcAnswer];
  assert.deepEqual([reloaded.result.applied, paused.error?.code], [true, -32003]);
  assert.equal(fixture.pauses.get("car_a"), undefined);
});
