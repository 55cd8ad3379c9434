// REST: every method has a route, what is wrong gets a problem, and OpenAPI describes all of it.
import { Validator } from "@seriousme/openapi-schema-validator";
import assert from "node:assert/strict";
import { METHODS } from "../../src/http/api/methods.ts";
import { type CarList, Problem } from "../../src/http/api/schemas.ts";
import { UNCHANGED } from "../support/unchanged_report.ts";
import { FRONT } from "../car/support.ts";
import { TempFolder } from "../support/temp.ts";
import { Recorder } from "../../src/record/recorder.ts";
import { ListLog } from "../support/list_log.ts";
import { Fixture, TestGateway } from "./fixture.ts";

const JSON_TYPE = { "content-type": "application/json" };

/** Asks, and gives the status and the code of the problem. */
async function problem(fixture: Fixture, path: string, init: RequestInit = {}) {
  const answer = await fixture.get(path, init);
  assert.equal(answer.headers.get("content-type"), "application/problem+json", path);
  const { status, code, detail, report } = Problem.parse(await answer.json());
  assert.equal(status, answer.status);
  return { status, code, detail, report };
}

Deno.test("openapi.json is valid OpenAPI 3.1", async () => {
  await using fixture = await Fixture.start();
  const document = await fixture.json<Record<string, unknown>>("/api/v1/openapi.json");
  const validator = new Validator();
  const { valid, errors } = await validator.validate(document);
  assert.ok(valid, JSON.stringify(errors));
  assert.equal(validator.version, "3.1");
  const { paths, ...without } = document;
  assert.ok(!(await validator.validate({ ...without, paths: { cars: paths } })).valid);
});

Deno.test("openapi.json describes every route that answers GET, and every method", async () => {
  await using folder = await TempFolder.make();
  const directory = folder.file("log");
  const eventLog = new Recorder({ directory, company: "company", log: new ListLog() });
  await eventLog.start();
  await using _ = { [Symbol.asyncDispose]: () => eventLog.stop() };
  await using fixture = await Fixture.start({ eventLog });
  // deno-lint-ignore no-explicit-any -- a test looks into what it expects
  const { paths } = await fixture.json<any>("/api/v1/openapi.json");
  for (const [template, route] of Object.entries<Record<string, unknown>>(paths)) {
    if (route.get === undefined) continue;
    const path = template.replace("{car}", "car_a").replace("{id}", "none");
    const answer = await fixture.get(path);
    await answer.body?.cancel();
    const expected = ["/readyz", "/api/v1/cluster"].includes(path)
      ? 503
      : template.includes("{id}")
      ? 404
      : 200;
    assert.equal(answer.status, expected, path);
  }
  for (const { name, rest: { verb, path } } of METHODS) {
    assert.equal(paths[path][verb.toLowerCase()].operationId, name);
  }
  assert.deepEqual(paths["/healthz"].get.security, []);
  const [state, q] = paths["/api/v1/cars"].get.parameters;
  assert.deepEqual([state.in, state.schema.type, q.name], ["query", "array", "q"]);
  const { put } = paths["/api/v1/log/level"];
  const { schema } = put.requestBody.content["application/json"];
  assert.deepEqual(schema.required, ["level"]);
});

Deno.test("POST and DELETE beside the methods refuse parameters in the query", async () => {
  await using fixture = await Fixture.start();
  for (const [method, path] of [["POST", "/rpc"], ["POST", "/login"], ["DELETE", "/login"]]) {
    const found = await problem(fixture, `${path}?x=1`, {
      method: method ?? "",
      headers: JSON_TYPE,
    });
    assert.equal(found.detail, 'Expected no parameters: found "x"', `${method} ${path}`);
  }
});

Deno.test("openapi.json describes log-ins and JSON-RPC as they are answered", async () => {
  await using fixture = await Fixture.start();
  // deno-lint-ignore no-explicit-any -- a test looks into what it expects
  const { paths, components } = await fixture.json<any>("/api/v1/openapi.json");
  const login = paths["/login"];
  assert.deepEqual(Object.keys(login), ["get", "post", "delete"]);
  assert.deepEqual(Object.keys(login.delete.responses), ["204", "default"]);
  const { post } = paths["/rpc"];
  const nameOf = ({ content }: { content: Record<string, { schema: { $ref: string } }> }) =>
    content["application/json"]?.schema.$ref.split("/").at(-1) ?? "";
  assert.equal(nameOf(post.requestBody), "RpcBody");
  assert.equal(nameOf(post.responses["200"]), "RpcAnswers");
  assert.equal(nameOf(login.post.responses["200"]), "LogInView");
  for (const name of ["RpcBody", "RpcRequest", "RpcAnswers", "RpcAnswer", "LogInView"]) {
    assert.ok(components.schemas[name], name);
  }
});

Deno.test("The paths from before there were versions answer alike", async () => {
  await using fixture = await Fixture.start();
  for (const path of ["/cars/car_a", "/openrpc.json", "/openapi.json"]) {
    const former = path.endsWith(".json") ? path : `/api${path}`;
    assert.deepEqual(
      Object.keys(await fixture.json(former)),
      Object.keys(await fixture.json(`/api/v1${path}`)),
    );
  }
  const { cars } = await fixture.json<CarList>("/api/cars");
  assert.equal(cars.length, 2);
});

Deno.test("GET /api/v1/cars gives pages, and the cars that pass the filters", async () => {
  const names = ["bus_1", "bus_2", "tram_1", "bus_3", "tram_2"];
  const cars = Object.fromEntries(names.map((name) => [name, {}]));
  await using fixture = await Fixture.start({ cars });
  fixture.transport("bus_2").up();
  fixture.transport("tram_2").up();
  await new TestGateway(fixture, "tram_2").run([FRONT]);
  const ask = async (query: string) => {
    const { cars, total, next } = await fixture.json<CarList>(`/api/v1/cars?${query}`);
    return [cars.map(({ car }) => car).join(" "), total, next];
  };
  assert.deepEqual(await ask(""), [names.join(" "), 5, null]);
  assert.deepEqual(await ask("limit=2"), ["bus_1 bus_2", 5, "bus_2"]);
  assert.deepEqual(await ask("limit=2&after=bus_2"), ["tram_1 bus_3", 5, "bus_3"]);
  assert.deepEqual(await ask("limit=2&after=bus_3"), ["tram_2", 5, null]);
  assert.deepEqual(await ask("limit=5"), [names.join(" "), 5, null]);
  assert.deepEqual(await ask("q=bus&limit=2"), ["bus_1 bus_2", 3, "bus_2"]);
  assert.deepEqual(await ask("q=TrAm"), ["tram_1 tram_2", 2, null]);
  assert.deepEqual(await ask("q=bus&limit=2&after=bus_2"), ["bus_3", 3, null]);
  assert.deepEqual(await ask("state=RUNNING"), ["tram_2", 1, null]);
  assert.deepEqual(await ask("state=RUNNING&state=CONNECTED"), ["bus_2 tram_2", 2, null]);
  assert.deepEqual(await ask("state=RUNNING&q=bus"), ["", 0, null]);
  const list = await fixture.rpc("fleet.list", { state: ["RUNNING"], limit: 1 });
  assert.deepEqual(list.result.cars.map(({ car }: { car: string }) => car), ["tram_2"]);
});

/** What is wrong with a GET, and the end of what is said. */
const WRONG = {
  "/api/v1/cars?limit=0": /^limit: /,
  "/api/v1/cars?limit=ten": /^limit: /,
  "/api/v1/cars?limit=1&limit=2": /^Expected "limit" once: found it 2 times$/,
  "/api/v1/cars?state=ASLEEP": /^state\.0: /,
  "/api/v1/cars?after=car_x": /^after: Expected a car of the configuration: found "car_x"$/,
  "/api/v1/cars?limits=1": /^Expected no parameters but "state", .*: found "limits"$/,
  "/api/v1/cars/car_a?x=1": /: found "x"$/,
  "/api/v1/cars/car_a?car=car_b": /^Expected "car" in the path alone: found it twice$/,
  "/api/v1/config?__proto__=1": /^Expected no parameters: found "__proto__"$/,
  "/api/v1/events?since=1": /^Expected no parameters: found "since"$/,
  "/api/v1/openapi.json?x": /^Expected no parameters: found "x"$/,
  "/healthz?verbose": /^Expected no parameters: found "verbose"$/,
  "/readyz?verbose": /^Expected no parameters: found "verbose"$/,
  "/metrics?name[]=up": /^Expected no parameters: found "name\[\]"$/,
  "/login?key=1": /^Expected no parameters: found "key"$/,
};

for (const [path, detail] of Object.entries(WRONG)) {
  Deno.test(`GET ${path} is a bad request`, async () => {
    await using fixture = await Fixture.start();
    const found = await problem(fixture, path);
    assert.deepEqual([found.status, found.code], [400, "bad_request"]);
    assert.match(found.detail, detail);
  });
}

Deno.test("POST and PUT do what the methods do", async () => {
  await using fixture = await Fixture.start({ reload: () => Promise.resolve(UNCHANGED) });
  const post = async (path: string, body?: string, method = "POST") => {
    const init = { method, headers: JSON_TYPE, ...(body === undefined ? {} : { body }) };
    const answer = await fixture.get(path, init);
    assert.equal(answer.status, 200, path);
    return await answer.json();
  };
  assert.equal((await post("/api/v1/cars/car_a/pause")).paused, true);
  assert.equal((await post("/api/v1/cars/car_a/resume", "{}")).paused, false);
  assert.equal((await post("/api/v1/cars/car_a/restart")).car, "car_a");
  assert.deepEqual(await post("/api/v1/config/reload"), UNCHANGED);
  const level = '{"level":"DEBUG","car":"car_a"}';
  assert.deepEqual(await post("/api/v1/log/level", level, "PUT"), JSON.parse(level));
  assert.deepEqual(fixture.levels, ["DEBUG car_a"]);
});

Deno.test("POST and PUT refuse what they do not know, and other origins", async () => {
  const unusable = { ...UNCHANGED, applied: false, problems: ["timeout: Expected ..."] };
  await using fixture = await Fixture.start({ reload: () => Promise.resolve(unusable) });
  const pause = "/api/v1/cars/car_a/pause";
  const ask = (path: string, body: string | null = null, headers: HeadersInit = JSON_TYPE) =>
    problem(fixture, path, { method: "POST", body, headers });
  const plain = await ask(pause, "{}", { "content-type": "text/plain" });
  assert.deepEqual([plain.status, plain.code], [415, "unsupported_media_type"]);
  for (const body of ["{", "[]", "null", "1", '{"x":1}', '{"car":"car_a"}']) {
    const { status, code } = await ask(pause, body);
    assert.deepEqual([status, code], [400, "bad_request"], body);
  }
  assert.equal((await ask("/api/v1/cars/car_x/pause")).code, "not_found");
  assert.equal(fixture.server.snapshot().cars.some(({ paused }) => paused), false);
  const { status, code, report } = await ask("/api/v1/config/reload");
  assert.deepEqual([status, code, report], [422, "unusable_config", unusable]);
  await using fixed = await Fixture.start();
  const never = await problem(fixed, "/api/v1/config/reload", {
    method: "POST",
    headers: JSON_TYPE,
  });
  assert.deepEqual([never.status, never.code], [503, "unavailable"]);
});

Deno.test("POST and PUT refuse parameters in the query, which would be lost", async () => {
  await using fixture = await Fixture.start();
  const path = "/api/v1/cars/car_a/pause?reason=brakes";
  const found = await problem(fixture, path, { method: "POST", headers: JSON_TYPE });
  assert.deepEqual([found.status, found.detail], [
    400,
    'Expected parameters in the body alone: found "reason" in the query',
  ]);
  assert.equal(fixture.pauses.get("car_a"), undefined);
});

Deno.test("Every route refuses parameters that it does not know", async () => {
  await using fixture = await Fixture.start();
  for (const { rest: { verb, path: template } } of METHODS) {
    const path = template.replace("{car}", "car_a").replace("{id}", "1");
    const found = verb === "GET"
      ? await problem(fixture, `${path}?unheard_of=1`)
      : await problem(fixture, path, {
        method: verb,
        body: '{"unheard_of":1}',
        headers: JSON_TYPE,
      });
    assert.deepEqual([found.status, found.code], [400, "bad_request"], path);
  }
});

Deno.test("POST takes a number out of the path as one", async () => {
  await using fixture = await Fixture.start();
  const init = { method: "POST", body: '{"name":"Ann"}', headers: JSON_TYPE };
  const missing = await problem(fixture, "/api/v1/incidents/7/acknowledge", init);
  assert.deepEqual([missing.status, missing.code], [404, "not_found"]);
  const wrong = await problem(fixture, "/api/v1/incidents/seven/acknowledge", init);
  assert.deepEqual([wrong.status, wrong.code], [400, "bad_request"]);
});
