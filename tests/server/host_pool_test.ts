// Hosts come and go with their contexts.
import assert from "node:assert/strict";
import type { ContextListener } from "../../src/module/context.ts";
import { HostPool, type Place } from "../../src/server/host_pool.ts";
import { ListLog } from "../support/list_log.ts";
import { settled } from "../support/virtual_clock.ts";
import { FakeHosts } from "./fake_hosts.ts";
import { specOf } from "./modules_fixture.ts";

const LISTENER: ContextListener = { onCommand() {}, onLost() {} };

function fixture() {
  const hosts = new FakeHosts();
  const log = new ListLog();
  const pool = new HostPool({ startHost: hosts.start, log, contextsPerHost: 15 });
  /** Reserves and opens. */
  const open = async (car: string, count: number): Promise<Place[]> => {
    const places = pool.reserve(car, count);
    await Promise.all(places.map((place, module) => place.open(specOf(car, module), LISTENER)));
    return places;
  };
  const placement = () => pool.snapshot().map(({ cars }) => cars);
  return { hosts, log, pool, open, placement };
}

Deno.test("HostPool starts a host for the first context and stops it after the last", async () => {
  const { hosts, open, placement } = fixture();
  const [a] = await open("car_a", 1);
  const [b] = await open("car_b", 1);
  assert.deepEqual(placement(), [{ car_a: 1, car_b: 1 }]);
  a?.release();
  a?.release();
  assert.deepEqual(placement(), [{ car_b: 1 }]);
  assert.equal(hosts.all[0]?.state, "active");
  b?.release();
  assert.deepEqual(placement(), []);
  await settled();
  assert.equal(hosts.all[0]?.state, "exited");
});

Deno.test("HostPool gives a car with 33 modules three hosts, and others what is left", async () => {
  const { hosts, open, placement } = fixture();
  await open("car_a", 33);
  await open("car_b", 4);
  assert.deepEqual(placement(), [{ car_a: 15 }, { car_a: 15 }, { car_a: 3, car_b: 4 }]);
  for (const host of hosts.all) assert.ok(host.freePlaces >= 0);
});

Deno.test("HostPool counts places of hosts that have not started yet", async () => {
  const { hosts, pool, placement } = fixture();
  for (let i = 0; i < 16; i++) pool.reserve(`car_${i}`, 1);
  await settled();
  assert.equal(hosts.starts, 2);
  assert.equal(Object.keys(placement()[0] ?? {}).length, 15);
});

Deno.test("HostPool uses no place that the host itself does not have", async () => {
  const { hosts, open, placement } = fixture();
  const [, left] = await open("car_a", 2);
  const [host] = hosts.all;
  // A context that could not be destroyed keeps its threads, though its car has left.
  left?.release();
  Object.defineProperty(host, "freePlaces", { value: 3 });
  await open("car_b", 4);
  assert.deepEqual(placement(), [{ car_a: 1 }, { car_b: 4 }]);
});

Deno.test("HostPool counts places that are reserved but not opened on a host with fewer places", async () => {
  const { hosts, open, pool, placement } = fixture();
  await open("car_a", 1);
  Object.defineProperty(hosts.all[0], "freePlaces", { value: 3 });
  const [place] = pool.reserve("car_b", 2);
  pool.reserve("car_c", 2);
  assert.deepEqual(placement(), [{ car_a: 1, car_b: 2 }, { car_c: 2 }]);
  place?.release();
  pool.reserve("car_d", 2);
  assert.deepEqual(placement(), [{ car_a: 1, car_b: 1, car_d: 2 }, { car_c: 2 }]);
});

Deno.test("HostPool puts nobody on a host that has died, and stops nothing twice", async () => {
  const { hosts, open, placement, log } = fixture();
  const [place] = await open("car_a", 1);
  hosts.all[0]?.die();
  assert.deepEqual(placement(), []);
  assert.deepEqual(log.texts("ERROR"), ["Module host 1 (car_a) is gone: it was ended by SIGSEGV"]);
  place?.release();
  await open("car_b", 1);
  assert.deepEqual(placement(), [{ car_b: 1 }]);
  assert.equal(hosts.all.length, 2);
});

for (const how of ["rejects", "throws"] as const) {
  Deno.test(`HostPool survives a start that ${how}: whoever opens hears why`, async () => {
    const log = new ListLog();
    const pool = new HostPool({
      startHost: () => {
        if (how === "throws") throw new Error("no memory");
        return Promise.reject(new Error("no memory"));
      },
      log,
      contextsPerHost: 15,
    });
    const [place] = pool.reserve("car_a", 1);
    await assert.rejects(async () => await place?.open(specOf("car_a"), LISTENER), /no memory/);
    place?.release();
    assert.deepEqual(pool.snapshot(), []);
    await pool.stop();
  });
}

Deno.test("HostPool.stop() waits for hosts that start or stop, and goes on past one that fails to", async () => {
  const { hosts, pool, open } = fixture();
  await open("car_a", 15);
  await open("car_b", 1);
  const [first] = hosts.all;
  const failing = () => Promise.reject(new Error("stuck"));
  Object.defineProperty(first, "stop", { value: failing });
  hosts.init = () => new Promise(() => {});
  const [place] = pool.reserve("car_c", 15);
  const opening = place?.open(specOf("car_c"), LISTENER);
  const refused = assert.rejects(async () => await opening, /the host is stopping/);
  await pool.stop();
  await refused;
  assert.deepEqual(hosts.all.map(({ state }) => state), ["active", "exited", "exited"]);
  assert.deepEqual(pool.snapshot(), []);
});

Deno.test("HostPool hands on what libraries print, with the car when there is only one", async () => {
  const { hosts, open, log } = fixture();
  const [only] = await open("car_a", 1);
  const [host] = hosts.all;
  host?.print("hello");
  for (const car of ["car_b", "car_c", "car_d", "car_e"]) await open(car, 1);
  host?.print("oops", "stderr");
  only?.release();
  assert.deepEqual(log.lines.map(({ car, text }) => [car, text]), [
    ["car_a", "[module stdout] hello"],
    [undefined, "[module stderr] Module host 1 (car_a, car_b, car_c and 2 more): oops"],
  ]);
});

Deno.test("HostPool shows no secret that it gave to a library, though that prints it (section 5)", async () => {
  const { hosts, pool, log } = fixture();
  const [place] = pool.reserve("car_a", 1);
  const parameters = [["car_name", "car_a"], ["api_key", "S3CRET-VALUE"], ["pin", "1"]] as const;
  await place?.open({ ...specOf("car_a"), parameters }, LISTENER);
  hosts.all[0]?.print("setting api_key is S3CRET-VALUE, car_a is 1, password=hidden");
  place?.release();
  hosts.all[0]?.print("S3CRET-VALUE again");
  assert.deepEqual(log.texts("INFO"), [
    "[module stdout] setting api_key is ***, car_a is 1, password=***",
    "[module stdout] Module host 1: *** again",
  ]);
});

Deno.test("HostPool names no cars for what a host prints after the last one has left", async () => {
  const { hosts, open, log } = fixture();
  const [place] = await open("car_a", 1);
  place?.release();
  hosts.all[0]?.print("bye");
  assert.deepEqual(log.texts("INFO"), ["[module stdout] Module host 1: bye"]);
});

Deno.test("HostPool.snapshot() shows each host with its own view of itself", async () => {
  const { pool, open } = fixture();
  pool.reserve("car_a", 1);
  assert.deepEqual(pool.snapshot(), [{ id: 1, cars: { car_a: 1 }, host: null }]);
  await open("car_b", 2);
  assert.deepEqual(pool.snapshot(), [
    { id: 1, cars: { car_a: 1, car_b: 2 }, host: { state: "active" } },
  ]);
});
