// Incidents over a restart of the server.
import assert from "node:assert/strict";
import type { Incident } from "../../src/observe/health/incident.ts";
import { Incidents } from "../../src/observe/health/incidents.ts";
import { StateDirectory } from "../../src/state/state_directory.ts";
import { FRONT } from "../car/support.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { Watched } from "./watched.ts";

const FLEET = ["car_a", "car_b", "car_c"] as const;
const ANN = { name: "Ann", note: "drives there", at: 7 };

/** Runs of a server one after the other, with the same state directory. */
class Runs implements AsyncDisposable {
  readonly clock = new VirtualClock();
  readonly #folder: TempFolder;
  #directory: StateDirectory | undefined;
  #run: Watched | undefined;

  private constructor(folder: TempFolder) {
    this.#folder = folder;
  }

  static async make(): Promise<Runs> {
    return new Runs(await TempFolder.make());
  }

  /** Ends the run before, and begins the next one. */
  async next(names: readonly string[] = FLEET): Promise<Watched> {
    await this.#end();
    const directory = new StateDirectory({ path: this.#folder.path, log: new ListLog() });
    await directory.open();
    this.#directory = directory;
    return this.#run = await Watched.keeping(directory, this.clock, names);
  }

  async #end(): Promise<void> {
    await this.#run?.stop();
    await this.#directory?.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    await this.#folder[Symbol.asyncDispose]();
  }
}

function brief(incident: Incident | undefined) {
  const { id, code, cars, beganAt, endedAt, times, acknowledged } = incident ?? {};
  return { id, code, cars, beganAt, endedAt, times, acknowledged };
}

Deno.test("An incident goes on over a restart, with its number and who takes care, until its car is well", async () => {
  await using runs = await Runs.make();
  const { clock } = runs;
  const first = await runs.next();
  for (const name of FLEET) await first.car(name).up().run([FRONT]);
  await clock.advance(35_000);
  assert.equal(first.watch.incidents.open, 3);
  const silent = first.watch.incidents.list({ car: "car_b" })[0];
  assert.equal(silent?.code, "session_timeout");
  await first.watch.acknowledge(silent?.id ?? 0, ANN);

  await clock.advance(1800_000);
  const second = await runs.next();
  assert.deepEqual(second.told, []);
  for (const name of FLEET) second.car(name).up();
  await clock.advance(120_000);
  assert.deepEqual(second.told, [], "its gateway is silent still");
  const [kept, ...others] = second.watch.incidents.list({ car: "car_b" });
  assert.deepEqual(others, []);
  assert.deepEqual(brief(kept), { ...brief(silent), acknowledged: ANN });
  assert.equal(second.cause("car_b")?.since, silent?.beganAt);
  assert.equal(second.watch.incidents.lastOf("car_b")?.id, silent?.id);

  const at = clock.now();
  await second.car("car_b").run([FRONT], "s2");
  for (let seconds = 0; seconds < 32; seconds++) {
    await clock.advance(1000);
    second.car("car_b").status(FRONT);
    await settled();
  }
  assert.deepEqual(second.told, ["ended session_timeout"]);
  assert.equal(second.changes.at(-1)?.incident.endedAt, at);

  const third = await runs.next();
  const [over] = third.watch.incidents.list({ state: "ended" });
  assert.deepEqual([over?.id, over?.endedAt, over?.acknowledged], [silent?.id, at, ANN]);
  third.car("car_a").up();
  third.car("car_a").connect([]);
  await clock.advance(1000);
  assert.equal(third.watch.incidents.list()[0]?.id, 4, "numbers go on");
});

Deno.test("A broker that is still away after a restart is the same incident, and one that is back ends it", async () => {
  await using runs = await Runs.make();
  const { clock } = runs;
  const first = await runs.next();
  for (const name of FLEET) await first.car(name).up().run([FRONT]);
  await clock.advance(20_000);
  const at = clock.now();
  for (const name of FLEET) first.car(name).transport.down();
  await clock.advance(1000);

  const second = await runs.next();
  for (const name of FLEET) {
    const { car } = second.car(name);
    car.start();
    for (const module of [7, 8]) second.car(name).context(module);
    car.modulesReady();
  }
  await clock.advance(60_000);
  const [incident, ...others] = second.watch.incidents.list();
  assert.deepEqual(others, []);
  assert.deepEqual(brief(incident), {
    id: 1,
    code: "broker_away",
    cars: FLEET,
    beganAt: at,
    endedAt: null,
    times: 3,
    acknowledged: null,
  });
  for (const name of FLEET) second.car(name).brokerUp();
  await clock.advance(40_000);
  assert.deepEqual(second.told, ["ended broker_away"]);
});

Deno.test("An incident of modules goes on only if they fail again, one of a removed car ends", async () => {
  await using runs = await Runs.make();
  const { clock } = runs;
  const problem = { module: 7, detail: "init returned NULL" };
  const first = await runs.next();
  for (const name of ["car_a", "car_b"]) {
    first.car(name).car.start();
    first.car(name).brokerUp();
    first.missing.set(name, { attempts: 3, nextAttemptAt: 8000, problem });
  }
  first.car("car_c").up().connect([]);
  await clock.advance(2000);
  assert.deepEqual(first.told, ["began modules_away", "began connect_incomplete"]);

  const second = await runs.next(["car_a", "car_b"]);
  second.car("car_a").car.start();
  second.car("car_a").brokerUp();
  second.car("car_b").up();
  await clock.advance(5000);
  second.missing.set("car_a", { attempts: 1, nextAttemptAt: 8000, problem });
  await clock.advance(40_000);
  const found = second.watch.incidents.list()
    .map(({ id, code, endedAt, carCount }) => [id, code, endedAt === null, carCount]);
  assert.deepEqual(found, [[2, "connect_incomplete", false, 1], [1, "modules_away", true, 2]]);
});

Deno.test("Incidents that are kept and taken back are the same, with what still goes on for whom", () => {
  const incidents = new Incidents(() => {});
  const cause = {
    code: "session_timeout",
    severity: "waiting",
    since: 1,
    text: "Gateway silent",
    advice: "Look",
    module: null,
    attempts: null,
    nextAttemptAt: null,
  } as const;
  const hit = (group: string, times: number) => ({
    cause,
    group,
    times,
    culprit: null,
    endedAt: null,
    switchedOff: false,
  });
  // Names of digits alone are in an order of their own in objects.
  for (const car of ["9", "1"]) incidents.update(car, [hit("g", 2), hit(car, 1)], 5);
  incidents.update("1", [hit("g", 2)], 6);
  incidents.acknowledge(1, ANN);
  const kept = JSON.parse(JSON.stringify(incidents.keep()));
  const restored = new Incidents(() => {});
  restored.restore(kept, 100);
  assert.deepEqual(restored.list(), incidents.list());
  assert.deepEqual(restored.keep(), incidents.keep());
  for (const both of [incidents, restored]) {
    both.update("9", [hit("g", 3)], 200);
    both.update("1", [], 200);
    both.settle(400, 100);
  }
  assert.deepEqual(restored.list(), incidents.list());
});
