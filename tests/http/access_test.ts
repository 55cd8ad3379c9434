// Keys, scopes and log-ins: who may do what, and for how long.
import assert from "node:assert/strict";
import { keyHash } from "../../src/config/resolve/http.ts";
import type { Scope } from "../../src/config/resolve/config.ts";
import { AuditList } from "../../src/http/access/audit.ts";
import { LOG_IN_MS, LogIns } from "../../src/http/access/log_ins.ts";
import { KeyRing } from "../../src/http/access/key_ring.ts";
import type { LogInView } from "../../src/http/access/log_in_routes.ts";
import { StateDirectory } from "../../src/state/state_directory.ts";
import { Certificates } from "../support/certificates.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { Fixture, type FixtureOptions, type RpcAnswer, TestGateway } from "./fixture.ts";

const NAMES = ["wall", "desk", "chief"] as const;
const SCOPE_OF = { wall: "read", desk: "operate", chief: "admin" } as const satisfies Record<
  string,
  Scope
>;
/** The text of a key of this test. */
const keyOf = (name: string) => `the key of the ${name}`.replaceAll(" ", "-");
const keysOf = (...names: (typeof NAMES)[number][]) =>
  names.map((name) => ({ name, scope: SCOPE_OF[name], hash: keyHash(keyOf(name)) }));
/** The fixture's own key is absent. */
const KEYS = { apiKey: undefined, keys: keysOf(...NAMES) } as unknown as NonNullable<
  FixtureOptions["http"]
>;

interface Browser {
  readonly view: LogInView;
  readonly cookie: string;
  /** All that the server said of it. */
  readonly setCookie: string;
}

/** Logs a browser in. */
async function logIn(fixture: Fixture, name: string): Promise<Browser> {
  const headers = { authorization: `Bearer ${keyOf(name)}` };
  const answer = await fixture.bare("/login", { method: "POST", headers });
  assert.equal(answer.status, 200, await answer.clone().text());
  const setCookie = answer.headers.get("set-cookie") ?? "";
  const [cookie = ""] = setCookie.split(";");
  return { view: await answer.json() as LogInView, cookie, setCookie };
}

/** Calls a method of JSON-RPC with these headers. */
async function call(
  fixture: Fixture,
  headers: Record<string, string>,
  method: string,
  params?: unknown,
): Promise<RpcAnswer & { readonly status: number }> {
  const answer = await fixture.bare("/rpc", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return { status: answer.status, ...await answer.json() };
}

async function statusOf(
  fixture: Fixture,
  path: string,
  headers: Record<string, string>,
  method = "GET",
): Promise<number> {
  const { status, body } = await fixture.bare(path, { headers, method });
  await body?.cancel();
  return status;
}

const bearer = (name: string) => ({ authorization: `Bearer ${keyOf(name)}` });

Deno.test("each key may do what its scope includes, and nothing else", async () => {
  await using fixture = (await Fixture.start({ http: KEYS })).up();
  const actions = [
    ["read", "fleet.list", {}],
    ["operate", "car.pause", { car: "car_a" }],
    ["admin", "log.set_level", { level: null }],
  ] as const;
  for (const [place, name] of NAMES.entries()) {
    assert.equal(await statusOf(fixture, "/api/v1/cars", bearer(name)), 200);
    for (const [needed, [scope, method, params]] of actions.entries()) {
      const { error } = await call(fixture, bearer(name), method, params);
      if (needed <= place) assert.equal(error, undefined, `${name} ${method}`);
      else {
        assert.equal(error?.code, -32003);
        const own = `found "${name}" of scope ${SCOPE_OF[name]}`;
        assert.equal(error?.message, `Expected a key of scope ${scope}: ${own}`);
      }
    }
  }
  assert.equal(fixture.pauses.get("car_a")?.by, "desk");
  const resume = "/api/v1/cars/car_a/resume";
  const headers = { ...bearer("wall"), "content-type": "application/json" };
  assert.equal(await statusOf(fixture, resume, headers, "POST"), 403);
  assert.deepEqual((await call(fixture, bearer("wall"), "audit.list", { limit: 1 })).result[0], {
    ...(await call(fixture, bearer("wall"), "audit.list", { limit: 1 })).result[0],
    who: "wall",
    action: "car.resume",
    cars: ["car_a"],
    result: 'Expected a key of scope operate: found "wall" of scope read',
  });
  assert.equal(await statusOf(fixture, resume, { ...headers, ...bearer("desk") }, "POST"), 200);
  assert.equal(fixture.pauses.get("car_a"), undefined);
});

Deno.test("a log-in is a cookie that no script reads, and the browser never holds the key", async () => {
  await using fixture = await Fixture.start({ http: KEYS });
  const { view, cookie, setCookie } = await logIn(fixture, "wall");
  assert.match(
    setCookie,
    /^external_server_0=[\w-]{43}; Max-Age=7776000; Path=\/; HttpOnly; SameSite=Strict$/,
  );
  assert.deepEqual({ ...view, csrfToken: "" }, { name: "wall", scope: "read", csrfToken: "" });
  assert.equal(await statusOf(fixture, "/api/v1/cars", { cookie }), 200);
  const again = await fixture.bare("/login", { headers: { cookie } });
  assert.deepEqual(await again.json(), view);
  assert.equal(again.headers.get("set-cookie"), null);
  for (const other of [cookie.replace(/.$/, "_"), "external_server_0=", "external_server_0=x"]) {
    assert.equal(await statusOf(fixture, "/api/v1/cars", { cookie: other }), 401, other);
  }
});

Deno.test("a log-in over HTTPS stays there", async () => {
  await using certificates = await Certificates.make();
  const ca = await Deno.readTextFile(certificates.caFile);
  await using fixture = await Fixture.start({ http: { ...KEYS, tls: certificates.server } });
  using client = Deno.createHttpClient({ caCerts: [ca] });
  const init = { method: "POST", headers: bearer("wall"), client };
  const answer = await waitFor(fetch(`${fixture.operators.url}/login`, init), "the log-in");
  assert.match(answer.headers.get("set-cookie") ?? "", /; HttpOnly; Secure; SameSite=Strict$/);
  await answer.body?.cancel();
});

Deno.test("an action of a browser needs the token of its own log-in", async () => {
  await using fixture = (await Fixture.start({ http: KEYS })).up();
  const { view, cookie } = await logIn(fixture, "desk");
  const other = await logIn(fixture, "desk");
  const pause = (headers: Record<string, string>) =>
    call(fixture, { cookie, ...headers }, "car.pause", { car: "car_a" });
  const foreign = other.view.csrfToken ?? "";
  for (const headers of [{}, { "x-csrf-token": "" }, { "x-csrf-token": foreign }]) {
    assert.equal((await pause(headers)).status, 403);
    assert.equal(await statusOf(fixture, "/login", { cookie, ...headers }, "DELETE"), 403);
  }
  assert.equal(fixture.pauses.get("car_a"), undefined);
  assert.equal((await pause({ "x-csrf-token": view.csrfToken ?? "" })).result.paused, true);
  assert.equal(await statusOf(fixture, "/api/v1/cars", { cookie }), 200);
});

Deno.test("logging out ends the log-in and its event stream, for whoever has the cookie", async () => {
  await using fixture = await Fixture.start({ http: KEYS });
  const { view, cookie } = await logIn(fixture, "desk");
  const other = await logIn(fixture, "desk");
  const stream = await fixture.bare("/api/v1/events", { headers: { cookie } });
  const headers = { cookie, "x-csrf-token": view.csrfToken ?? "" };
  const answer = await fixture.bare("/login", { method: "DELETE", headers });
  assert.equal(answer.status, 204);
  assert.match(answer.headers.get("set-cookie") ?? "", /^external_server_0=; Max-Age=0; Path=\//);
  // The stream has an end.
  await stream.text();
  assert.equal(await statusOf(fixture, "/api/v1/cars", { cookie }), 401);
  assert.equal(await statusOf(fixture, "/api/v1/cars", { cookie: other.cookie }), 200);
});

Deno.test("a revoked key lets nobody in: its log-ins and streams end, others go on", async () => {
  await using fixture = await Fixture.start({ http: KEYS });
  const wall = await logIn(fixture, "wall");
  const desk = await logIn(fixture, "desk");
  const streams = await Promise.all(
    [{ cookie: wall.cookie }, bearer("wall")].map((headers) =>
      fixture.bare("/api/v1/events", { headers })
    ),
  );
  const stays = await fixture.bare("/api/v1/events", { headers: bearer("desk") });
  fixture.operators.configure({ keys: keysOf("desk", "chief") });
  for (const stream of streams) await stream.text();
  for (const headers of [bearer("wall"), { cookie: wall.cookie }]) {
    assert.equal(await statusOf(fixture, "/api/v1/cars", headers), 401);
  }
  for (const headers of [bearer("desk"), { cookie: desk.cookie }]) {
    assert.equal(await statusOf(fixture, "/api/v1/cars", headers), 200);
  }
  // A key that comes back lets in again; what has ended stays over.
  fixture.operators.configure({ keys: keysOf("wall", "desk") });
  assert.equal(await statusOf(fixture, "/api/v1/cars", { cookie: wall.cookie }), 401);
  assert.equal(await statusOf(fixture, "/api/v1/cars", bearer("wall")), 200);
  // The same name with another key is another key.
  const [renewed] = keysOf("desk");
  assert.ok(renewed);
  fixture.operators.configure({ keys: [{ ...renewed, hash: keyHash("another key") }] });
  for (const headers of [bearer("desk"), { cookie: desk.cookie }]) {
    assert.equal(await statusOf(fixture, "/api/v1/cars", headers), 401);
  }
  await stays.text();
});

Deno.test("a first key ends what was open to everybody, and without the last one only this machine is in", async () => {
  await using fixture = await Fixture.start({
    http: { apiKey: undefined } as unknown as { readonly apiKey?: string },
  });
  const stream = await fixture.bare("/api/v1/events");
  assert.deepEqual(await (await fixture.bare("/login")).json(), {
    name: "anonymous",
    scope: "admin",
    csrfToken: null,
  });
  assert.equal(await statusOf(fixture, "/login", {}, "POST"), 401);
  fixture.operators.configure({ keys: keysOf("wall") });
  await stream.text();
  assert.equal(await statusOf(fixture, "/api/v1/cars", {}), 401);
  fixture.operators.configure({});
  assert.equal(await statusOf(fixture, "/api/v1/cars", {}), 200);
  const again = await fixture.bare("/api/v1/events");
  const reader = again.body?.getReader();
  assert.equal((await reader?.read())?.done, false);
  fixture.operators.configure({ keys: keysOf("wall") });
  while (!(await reader?.read())?.done);

  await using reachable = await Fixture.start({ http: { ...KEYS, address: "0.0.0.0" } });
  reachable.operators.configure({});
  const { port } = new URL(reachable.operators.url);
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/cars`, { headers: bearer("wall") });
  assert.equal(answer.status, 401);
  assert.match(await answer.text(), /none is configured any more/);
});

Deno.test("a change of scope counts at once, in log-ins too", async () => {
  await using fixture = await Fixture.start({ http: KEYS });
  const { view, cookie } = await logIn(fixture, "wall");
  const [wall] = keysOf("wall");
  assert.ok(wall);
  fixture.operators.configure({ keys: [{ ...wall, scope: "operate" }] });
  const headers = { cookie, "x-csrf-token": view.csrfToken ?? "" };
  const { result } = await call(fixture, headers, "car.pause", { car: "car_a" });
  assert.equal(result.pause.by, "wall");
});

Deno.test("wrong log-ins are slowed down like wrong keys; a right one is not kept out by them", async () => {
  await using fixture = await Fixture.start({ http: KEYS });
  const { cookie } = await logIn(fixture, "wall");
  const found: number[] = [];
  for (let attempt = 0; attempt < 20; attempt++) {
    found.push(await statusOf(fixture, "/api/v1/cars", { cookie: "external_server_0=wrong" }));
  }
  assert.deepEqual(found.slice(0, 10), new Array(10).fill(401));
  assert.ok(found.includes(429), `${found}`);
  assert.equal(await statusOf(fixture, "/api/v1/cars", { cookie }), 200);
});

async function opened(folder: TempFolder): Promise<StateDirectory> {
  const state = new StateDirectory({ path: folder.path, log: new ListLog() });
  await state.open();
  return state;
}

Deno.test("an incident survives a restart; who takes care of it is on the disk when that is answered", async () => {
  await using folder = await TempFolder.make();
  const acknowledged: { name: string; note: string }[] = [];
  {
    const state = await opened(folder);
    await using fixture = (await Fixture.start({ state })).up();
    new TestGateway(fixture, "car_a").connect([]);
    const { id } = (await fixture.rpc("incident.list")).result[0];
    const by = { name: "Ann", note: "drives there" };
    acknowledged.push(
      (await fixture.rpc("incident.acknowledge", { id, ...by })).result.acknowledged,
    );
    const kept = JSON.parse(await Deno.readTextFile(folder.file("incidents.json")));
    assert.deepEqual(kept.incidents[0].acknowledged, acknowledged[0]);
    await state.stop();
  }
  const state = await opened(folder);
  await using fixture = await Fixture.start({ state });
  const [incident, ...others] = (await fixture.rpc("incident.list", { state: "open" })).result;
  assert.deepEqual([incident.code, incident.cars, incident.acknowledged, others], [
    "connect_incomplete",
    ["car_a"],
    acknowledged[0],
    [],
  ]);
  await state.stop();
});

Deno.test("log-ins, pauses and actions survive a restart; no key or token is on the disk", async () => {
  await using folder = await TempFolder.make();
  let browser: Browser;
  {
    const state = await opened(folder);
    await using fixture = (await Fixture.start({ http: KEYS, state })).up();
    browser = await logIn(fixture, "desk");
    const headers = { cookie: browser.cookie, "x-csrf-token": browser.view.csrfToken ?? "" };
    const params = { cars: ["car_b", "car_x"], reason: "brakes" };
    const { result } = await call(fixture, headers, "fleet.pause", params);
    assert.deepEqual(result, {
      cars: [{ car: "car_b", result: "done" }, { car: "car_x", result: "no_such_car" }],
      kept: true,
    });
    await state.stop();
  }
  const secrets = [
    keyOf("desk"),
    browser.cookie.split("=")[1] ?? "-",
    browser.view.csrfToken ?? "-",
  ];
  for (const name of ["log_ins.json", "pauses.json", "actions.json"]) {
    const text = await Deno.readTextFile(folder.file(name));
    for (const secret of secrets) assert.ok(!text.includes(secret), name);
  }

  const state = await opened(folder);
  await using fixture = (await Fixture.start({ http: KEYS, state })).up();
  const { cookie } = browser;
  const again = await fixture.bare("/login", { headers: { cookie } });
  assert.deepEqual(await again.json(), browser.view);
  const { result } = await call(fixture, bearer("wall"), "car.get", { car: "car_b" });
  const { at, ...pause } = result.pause;
  assert.deepEqual(pause, { by: "desk", reason: "brakes", kept: true });
  assert.equal(typeof at, "number");
  assert.deepEqual([result.paused, fixture.transport("car_b").notifications], [true, 1]);
  const { result: actions } = await call(fixture, bearer("wall"), "audit.list");
  assert.deepEqual(
    actions.map(({ id, at: _, ...action }: { id: number; at: number }) => ({ id, ...action })),
    [{
      id: 2,
      who: "desk",
      from: "127.0.0.1",
      kind: "action",
      action: "fleet.pause",
      cars: ["car_b", "car_x"],
      carCount: 2,
      detail: "brakes",
      result: "1 done, 1 no such car",
    }, {
      id: 1,
      who: "desk",
      from: "127.0.0.1",
      kind: "log_in",
      action: "log_in",
      cars: [],
      carCount: 0,
      detail: "",
      result: "done",
    }],
  );
  await state.stop();
});

Deno.test("log-ins are limited, and so are their traces", async () => {
  await using fixture = await Fixture.start({ http: KEYS });
  const found: number[] = [];
  for (let attempt = 0; attempt < 30; attempt++) {
    found.push(await statusOf(fixture, "/login", bearer("wall"), "POST"));
  }
  assert.deepEqual(found.slice(0, 20), new Array(20).fill(200));
  assert.ok(found.includes(429), `${found}`);
});

Deno.test("AuditList is bounded, and what is refused pushes out nothing that was done", () => {
  const log = new ListLog();
  const list = new AuditList(log, new VirtualClock(), undefined);
  const caller = { name: "wall", from: "10.0.0.7" };
  list.add(caller, { kind: "action", action: "car.pause", cars: ["car_a"], result: "done" });
  for (let index = 0; index < 300; index++) {
    list.add(caller, { kind: "refused", action: "car.pause", result: "no" });
    list.add(caller, { kind: "log_in", action: "log_in", result: "done" });
  }
  // Nor does it flood the log.
  assert.deepEqual(log.texts("WARNING"), [
    'Operator "wall" from 10.0.0.7: car.pause: no',
  ]);
  const all = list.list(10_000);
  assert.equal(all.length, 401);
  assert.deepEqual([all[0]?.id, all.at(-1)?.id], [601, 1]);
  assert.deepEqual(list.list(1, 601).map(({ id }) => id), [600]);
  assert.deepEqual(list.list(5, undefined, "car_a").map(({ id }) => id), [1]);
  for (let index = 0; index < 1000; index++) {
    list.add(caller, { kind: "action", action: "x".repeat(500), result: "done" });
  }
  assert.equal(list.list(10_000).length, 1400);
  assert.deepEqual(list.list(5, undefined, "car_a"), []);
  assert.equal(list.list(1)[0]?.action, `${"x".repeat(300)}...`);
  // Long names count as well: of these, a hundred have room.
  const cars = Array.from({ length: 100 }, (_, index) => `${index}`.padStart(100, "0"));
  for (let index = 0; index < 200; index++) {
    list.add(caller, { kind: "action", action: "fleet.pause", cars, result: "done" });
  }
  assert.equal(list.list(10_000, undefined, cars[0]).length, 100);
});

Deno.test("AuditList keeps what was done, however many cars are named in what is refused", () => {
  const list = new AuditList(new ListLog(), new VirtualClock(), undefined);
  const caller = { name: "wall", from: "10.0.0.7" };
  const cars = Array.from({ length: 1000 }, (_, index) => `${index}`.padStart(250, "0"));
  const pause = { action: "fleet.pause", cars, result: "done" };
  list.add(caller, { kind: "action", ...pause, cars: cars.slice(0, 10) });
  for (let index = 0; index < 10; index++) {
    list.add(caller, { ...pause, kind: "refused", result: "no" });
  }
  list.add(caller, { kind: "action", ...pause });
  assert.deepEqual(list.list(10_000).map(({ kind, id }) => [kind, id]), [
    ["action", 12],
    ["refused", 11],
    ["action", 1],
  ]);
});

Deno.test("LogIns end after 90 days unless they are renewed, which is written once a day", async () => {
  const clock = new VirtualClock();
  const ring = new KeyRing({ keys: keysOf("wall") });
  const logIns = new LogIns(ring, clock, undefined);
  const key = ring.find(keyOf("wall"));
  assert.ok(key);
  const lasting = await logIns.open(key);
  const forgotten = await logIns.open(key);
  const day = 24 * 3600 * 1000;
  clock.pass(day - 1);
  assert.equal(logIns.renew(lasting), false);
  clock.pass(1);
  assert.equal(logIns.renew(lasting), true);
  clock.pass(LOG_IN_MS - day);
  assert.equal(logIns.find(forgotten), undefined);
  assert.ok(logIns.find(lasting));
  const signal = logIns.find(lasting)?.ended;
  clock.pass(day);
  assert.equal(logIns.find(lasting), undefined);
  logIns.prune();
  assert.equal(signal?.aborted, true);
});

Deno.test("LogIns of one key are bounded, and take no room from those of others", async () => {
  const clock = new VirtualClock();
  const ring = new KeyRing({ keys: keysOf("wall", "desk") });
  const logIns = new LogIns(ring, clock, undefined);
  const [wall, desk] = [ring.find(keyOf("wall")), ring.find(keyOf("desk"))];
  assert.ok(wall && desk);
  const other = await logIns.open(desk);
  const tokens: string[] = [];
  for (let index = 0; index <= 100; index++) {
    tokens.push(await logIns.open(wall));
    clock.pass(1);
  }
  const found = tokens.map((token) => logIns.find(token) !== undefined);
  assert.deepEqual(found, [false, ...new Array(100).fill(true)]);
  assert.ok(logIns.find(other));
});
