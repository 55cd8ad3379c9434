// What operators see of cars that are not healthy: page, API, metrics, readiness and log of a
// running server, with a real broker, real modules and gateways.
import assert from "node:assert/strict";
import type { CarDetail, CarList, IncidentView } from "../../src/http/api/schemas.ts";
import { device } from "../car/support.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import type { ServerProcess } from "./server_process.ts";
import { PATIENT, Stage, type StageServer } from "./stage.ts";

const KEY = "0123456789abcdef";
const CAR = "car_a";
const DEVICE = device(1000, "front");
const HTTP = { port: 0, api_key: KEY };

/** What operators ask of a server. */
class Desk {
  readonly server: ServerProcess;
  readonly #url: string;

  private constructor(server: ServerProcess, url: string) {
    this.server = server;
    this.#url = url;
  }

  /** A server on a stage with a port for operators. */
  static async of(stage: Stage, { more, ...rest }: StageServer): Promise<Desk> {
    const server = await stage.serve({ ...rest, more: { http: HTTP, ...more } });
    return new Desk(server, await server.operatorsUrl());
  }

  async ask<T>(path: string): Promise<T> {
    const answer = await waitFor(this.#get(path), path);
    assert.equal(answer.status, 200, `${path}: ${await answer.clone().text()}`);
    return await answer.json() as T;
  }

  #get(path: string): Promise<Response> {
    return fetch(this.#url + path, { headers: { "x-api-key": KEY } });
  }

  async metrics(): Promise<string> {
    return await (await waitFor(this.#get("/metrics"), "/metrics")).text();
  }

  async call<T>(path: string, params: unknown): Promise<T> {
    const answer = fetch(this.#url + path, {
      method: "POST",
      headers: { "x-api-key": KEY, "content-type": "application/json" },
      body: JSON.stringify(params),
    });
    return await (await waitFor(answer, path)).json() as T;
  }

  /** Asks again until the car is as wanted. */
  async car(what: string, isSo: (car: CarDetail) => boolean, name = CAR): Promise<CarDetail> {
    let last: CarDetail | undefined;
    try {
      return await waitFor(async () => {
        const answer = await this.#get(`/api/v1/cars/${name}`);
        // Who asks without a pause is sent away now and then.
        if (answer.status === 429) return void await answer.text();
        assert.equal(answer.status, 200);
        last = await answer.json() as CarDetail;
        return isSo(last) ? last : undefined;
      }, what) as CarDetail;
    } catch (cause) {
      throw new Error(`${name} is ${JSON.stringify(last?.health)}`, { cause });
    }
  }

  incidents(): Promise<IncidentView[]> {
    return this.ask("/api/v1/incidents");
  }
}

function has(car: CarDetail, code: string): boolean {
  return car.health.causes.some((cause) => cause.code === code);
}

mosquittoTest(
  "a car whose module refuses every status is degraded wherever one looks",
  async () => {
    await using stage = await Stage.set();
    const desk = await Desk.of(stage, { cars: { [CAR]: { forward_status_returns: -1 } } });
    const gateway = stage.gateway(CAR, { devices: [DEVICE], rate: 20, clocks: PATIENT });
    await gateway.running();
    const { health, state, lastMessageAgeMs } = await desk.car(
      "a degraded car",
      (car) => car.health.state === "degraded",
    );
    assert.equal(state, "RUNNING", "every status is answered");
    const [cause, ...others] = health.causes;
    assert.deepEqual([cause?.code, cause?.module, others], ["module_refuses_statuses", 1000, []]);
    const text = /^Module 1000 refuses statuses: (\d+) of the last (\d+)$/.exec(cause?.text ?? "");
    const [refused, all] = [Number(text?.[1]), Number(text?.[2])];
    // One may be with the module.
    assert.ok(refused === all || refused === all - 1, cause?.text ?? "no cause");
    assert.ok(lastMessageAgeMs !== null && lastMessageAgeMs < 10_000);
    const list = await desk.ask<CarList>("/api/v1/cars?health=degraded");
    assert.deepEqual([list.health.degraded, list.health.healthy, list.total], [1, 0, 1]);
    assert.match(await desk.metrics(), /^external_server_car_health\{car="car_a"\} 3$/m);
    assert.match(
      await desk.metrics(),
      /^external_server_car_causes\{car="car_a",cause="module_refuses_statuses"\} 1$/m,
    );
    const readiness = await desk.ask("/readyz");
    assert.deepEqual(readiness, {
      ready: true,
      reasons: [],
      degraded: ["1 of 1 cars are degraded"],
    });
    await desk.server.line(
      /WARNING.*\(car_a\)\tIncident 1: degraded: Module 1000 refuses statuses/,
    );
    assert.equal((await desk.server.stop()).code, 0);
  },
);

mosquittoTest(
  "a car with responses of 32 s and 25 unanswered statuses is degraded long before the first answer",
  async () => {
    await using stage = await Stage.set();
    const desk = await Desk.of(stage, {
      cars: { [CAR]: { forward_status_ms: 32_000 } },
      more: { module_call_timeout: 60, health: { slow_response_ms: 2000 } },
    });
    const gateway = await stage.scripted(CAR, { devices: [DEVICE] });
    await gateway.connectSequence();
    for (let count = 0; count < 25; count++) gateway.status(DEVICE);
    const { health, queues } = await desk.car("a slow car", (car) => has(car, "slow_responses"));
    assert.equal(health.state, "degraded");
    assert.equal(queues.statuses, 25);
    const slow = health.causes.find(({ code }) => code === "slow_responses");
    assert.match(
      slow?.text ?? "",
      /^Responses of module 1000 take up to \d+\.\d s, 25 unanswered$/,
    );
    await desk.car("a car with a backlog", (car) => has(car, "growing_backlog"));
  },
);

mosquittoTest(
  "a module whose init returns NULL for ever is told with its reason, attempts and the next one",
  async () => {
    await using stage = await Stage.set();
    const desk = await Desk.of(stage, {
      cars: { [CAR]: { init_null: 1 } },
      more: { logging: { console: { level: "INFO" } } },
    });
    const waiting = await desk.car("a pause between attempts", ({ health: { causes } }) => {
      const away = causes.find(({ code }) => code === "modules_away");
      return (away?.attempts ?? 0) >= 2 && away?.nextAttemptAt !== null;
    });
    assert.equal(waiting.health.state, "down");
    const cause = waiting.health.causes.find(({ code }) => code === "modules_away");
    assert.equal(cause?.text, "Module 1000 away: init returned NULL");
    assert.ok((cause?.nextAttemptAt ?? 0) > (cause?.since ?? Infinity));
    const found = await waitFor(async () => (await desk.incidents())[0], "an incident");
    assert.deepEqual([found?.code, found?.text], ["modules_away", cause?.text]);
    assert.equal((await desk.server.stop()).code, 0);
  },
);

mosquittoTest(
  "a crash names the module that caused it, apart from the cars that were lost with it",
  async () => {
    await using stage = await Stage.set();
    const crash = { crash_in: "forward_status", crash_once: `${stage.record.file}.crashed` };
    const cars = { [CAR]: {}, car_b: {}, car_c: crash };
    const desk = await Desk.of(stage, { cars });
    const gateways = ["car_a", "car_b"].map((car) => stage.gateway(car, { clocks: PATIENT }));
    await Promise.all(gateways.map((gateway) => gateway.running()));
    stage.gateway("car_c", { devices: [DEVICE], clocks: PATIENT });
    const incident = await waitFor(async () => (await desk.incidents())[0], "an incident");
    assert.deepEqual(incident?.culprit, { car: "car_c", module: 1000 });
    assert.equal(incident?.text, "Module 1000 crashed with SIGSEGV");
    assert.deepEqual([...incident?.cars ?? []].sort(), ["car_a", "car_b", "car_c"]);
    const { lastIncident } = await desk.car("car_a", () => true);
    assert.equal(lastIncident?.text, "Lost with car_c, whose module 1000 crashed with SIGSEGV");
    assert.equal((await desk.incidents()).length, 1);
  },
);

mosquittoTest(
  "a broker that is away for a while is one incident for the fleet, ends by itself, and can be acknowledged",
  async () => {
    await using stage = await Stage.set();
    const names = ["car_a", "car_b", "car_c"];
    const desk = await Desk.of(stage, {
      cars: Object.fromEntries(names.map((name) => [name, {}])),
      more: { health: { settle_ms: 1000 } },
    });
    const clocks = { ...PATIENT, retryMs: 50 };
    const gateways = names.map((car) => stage.gateway(car, { rate: 20, clocks }));
    await Promise.all(gateways.map((gateway) => gateway.running()));
    const back = gateways.map((gateway) => gateway.nextSession());
    await stage.broker.kill();
    const down = await desk.car(
      "attempts to connect",
      ({ health: { causes } }) =>
        causes.some(({ code, attempts }) => code === "broker_away" && (attempts ?? 0) >= 2),
    );
    assert.match(down.health.causes[0]?.text ?? "", /^Broker away: /);
    const [open] = await desk.incidents();
    assert.deepEqual([open?.code, open?.carCount, open?.endedAt], ["broker_away", 3, null]);
    const taken = await desk.call<IncidentView>(`/api/v1/incidents/${open?.id}/acknowledge`, {
      name: "Ann",
      note: "restarts it",
    });
    assert.deepEqual([taken.acknowledged?.name, taken.acknowledged?.note], ["Ann", "restarts it"]);
    await stage.broker.restart();
    await Promise.all(back);
    const over = await waitFor(async () => {
      const [only, ...others] = await desk.incidents();
      assert.deepEqual(others, []);
      return only?.endedAt ? only : undefined;
    }, "the end of the incident");
    assert.equal(over?.acknowledged?.name, "Ann");
    await desk.server.line(/Incident 1 is over after \d+\.\d s: .*, 3 cars/);
  },
);
