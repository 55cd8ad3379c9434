// The parts of the page that need no browser.
import assert from "node:assert/strict";
import FakeTimers from "@sinonjs/fake-timers";
import fc from "../support/properties.ts";
import type { CarRates, IncidentView } from "../../src/http/api/schemas.ts";
import { assets, gatewayAssets } from "../../src/http/page/assets.ts";
import {
  areaPath,
  History,
  linePath,
  scaleTop,
  SECONDS,
} from "../../src/http/page/static/chart.js";
import { fieldsOf } from "../../src/http/page/static/device_cards.js";
import { EventParser } from "../../src/http/page/static/event_parser.js";
import { Fleet } from "../../src/http/page/static/fleet.js";
import { formatAge, formatMs } from "../../src/http/page/static/format.js";
import { Announcer, sentence } from "../../src/http/page/static/incidents.js";
import { risingIndexes } from "../../src/http/page/static/order.js";
import { spaced, visible } from "../../src/http/page/static/payload.js";
import { sorted } from "../../src/http/page/static/sorting.js";
import { causeText, conditionOf, incidentText } from "../../src/http/page/static/car_condition.js";
import { NO_RATES, someCar, someCause, someFleet, someIncident } from "./page_server.ts";

const STATIC = new URL("../../src/http/page/static/", import.meta.url);

function rates(responseMeanMs: number): CarRates {
  return { statuses: 1, commands: 0, responseMeanMs, responseMaxMs: responseMeanMs * 2 };
}

Deno.test("assets serve every file of the pages, and nothing is asked for that is not there", () => {
  const names = [...Deno.readDirSync(STATIC)].map(({ name }) => name).sort();
  const pages = [[assets, "index.html"], [gatewayAssets, "gateway.html"]] as const;
  const served = pages.flatMap(([files, start]) =>
    [...files.keys()].map((path) => path === "/" ? start : path.slice(1))
  );
  assert.deepEqual([...new Set(served)].sort(), names);
  for (const [files] of pages) {
    let size = 0;
    for (const [path, { body, type }] of files) {
      size += body.length;
      const wanted = type.startsWith("text/javascript")
        ? [...body.matchAll(/^(?:import|\} from) .*?"\.(\/[\w.]+)";$/gm)].map(([, name]) => name)
        : [...body.matchAll(/(?:src|href)="(\/[^"]*)"/g)].map(([, name]) => name);
      for (const name of wanted) assert.ok(files.has(name ?? ""), `${path} asks for ${name}`);
      if (path === "/") assert.doesNotMatch(body, /<style|style=|<script>|\son\w+=/);
      else if (path.endsWith(".js")) {
        assert.doesNotMatch(body, /innerHTML|insertAdjacentHTML|eval\(/);
      }
    }
    assert.ok(size < 240_000, `${size} characters`);
  }
});

Deno.test("EventParser gives the same events however the text is cut", () => {
  const text =
    ': hello\n\nevent: a\ndata: {"x":1}\n\ndata:two\r\ndata: lines\r\n\r\n:\n\ndata: 3\n\ndata: 4';
  fc.assert(fc.property(fc.array(fc.nat(text.length)), (cuts) => {
    const parser = new EventParser();
    const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
    const events = places.slice(1).flatMap((place, index) =>
      parser.push(text.slice(places[index], place))
    );
    assert.deepEqual(events, ['{"x":1}', "two\nlines", "3"]);
  }));
});

Deno.test("EventParser refuses an event without end", () => {
  const parser = new EventParser();
  const much = "x".repeat(1 << 20);
  assert.throws(() => {
    for (let index = 0; index < 20; index++) parser.push(much);
  }, RangeError);
});

Deno.test("risingIndexes() keeps as many in place as can stay", () => {
  const orders = fc.uniqueArray(fc.nat(8), { maxLength: 8 });
  fc.assert(fc.property(orders, (values) => {
    const kept = [...risingIndexes(values)].sort((a, b) => a - b).map((index) =>
      values[index] ?? 0
    );
    assert.deepEqual(kept, kept.toSorted((a, b) => a - b));
    let longest = 0;
    for (let mask = 0; mask < 1 << values.length; mask++) {
      const some = values.filter((_, index) => mask & (1 << index));
      if (some.every((value, index) => index === 0 || value > (some[index - 1] ?? 0))) {
        longest = Math.max(longest, some.length);
      }
    }
    assert.equal(kept.length, longest);
  }));
});

Deno.test("scaleTop() is a round figure at or above the longest", () => {
  const tops = [0, 10, 10.1, 20, 21, 50, 51, 100, 101, 4000].map(scaleTop);
  assert.deepEqual(tops, [10, 10, 20, 20, 50, 50, 100, 100, 200, 5000]);
});

Deno.test("charts break where nothing was answered, and end at the right edge", () => {
  const values = [10, 0, null, 5];
  assert.equal(linePath(values, 10), "M56 1.0L57 19.0M59 10.0L59.6 10.0");
  assert.equal(areaPath(values, 10), "M56 20L56 1.0L57 19.0V20ZM59 20L59 10.0V20Z");
  assert.equal(linePath([null], 10), "");
});

Deno.test("Fleet draws seconds without an event as a gap, and keeps a minute", () => {
  const fleet = new Fleet();
  const at = Date.now();
  const cars = [someCar("car_1"), someCar("car_2")];
  fleet.apply({ type: "fleet", ...someFleet(cars, { at }) });
  fleet.takeChanges();
  const second = (ms: number, of: Record<string, CarRates>) =>
    fleet.apply({
      type: "rates",
      at: at + ms,
      fleet: NO_RATES,
      cars: of,
      heardAt: {},
      positions: {},
    });
  second(1000, { car_1: rates(4) });
  second(4000, { car_1: rates(8) });
  assert.deepEqual(fleet.histories.get("car_1")?.means, [4, null, null, 8]);
  assert.deepEqual([...fleet.takeChanges().ratesOf], ["car_1"]);
  second(5000, {});
  assert.equal(fleet.cars.get("car_1")?.rates.statuses, 0);
  assert.deepEqual([...fleet.takeChanges().ratesOf], ["car_1"]);
  second(6000, {});
  assert.deepEqual([...fleet.takeChanges().ratesOf], []);
  second(9_000_000, { car_1: rates(1) });
  const history = fleet.histories.get("car_1") as History;
  assert.equal(history.means.length, SECONDS);
  assert.equal(history.longest, 2);
});

Deno.test("conditionOf() names what hinders a car most", () => {
  const cases = [
    [someCar("a"), "running"],
    [someCar("a", { state: "CONNECTED" }), "connecting"],
    [someCar("a", { state: "CONNECTED", sessionId: null }), "waiting"],
    [someCar("a", { state: "CONNECTED", sessionId: null, paused: true }), "paused"],
    [someCar("a", { state: "ERROR" }), "modules"],
    [someCar("a", { state: "ERROR", brokerConnected: false, paused: true }), "broker"],
    [someCar("a", { state: "STOPPED", brokerConnected: false }), "stopped"],
    [someCar("a", { health: { state: "degraded", since: 0, causes: [] } }), "degraded"],
  ] as const;
  for (const [car, condition] of cases) assert.equal(conditionOf(car), condition);
});

Deno.test("sorted() lists cars that need attention first, then by name as people count", () => {
  const waiting = { state: "CONNECTED", sessionId: null } as const;
  const [silent, slow] = [someCause(), someCause({ code: "slow_responses" })];
  const cars = [
    someCar("car_10"),
    someCar("car_9"),
    someCar("calm", waiting),
    someCar("silent", { ...waiting, health: { state: "waiting", since: 0, causes: [silent] } }),
    someCar("slow", { health: { state: "degraded", since: 0, causes: [slow] } }),
    someCar("offline", { state: "UNINITIALIZED", brokerConnected: false }),
  ];
  const names = (sort: string, down = false) => sorted(cars, sort, down).map(({ car }) => car);
  const expected = ["offline", "slow", "silent", "calm", "car_9", "car_10"];
  assert.deepEqual(names("state"), expected);
  assert.deepEqual(names("no such column"), expected);
  assert.deepEqual(names("car", true).slice(-3), ["car_10", "car_9", "calm"]);
});

Deno.test("causeText() says what is wrong, how often it was tried, and when it is tried again", () => {
  const cause = someCause({ text: "Module 7 away: init returned NULL", attempts: 3 });
  const text = (nextAttemptAt: number | null) => causeText({ ...cause, nextAttemptAt }, 1000);
  assert.equal(
    text(9000),
    "Module 7 away: init returned NULL, 3 attempts failed, next in 8\u00a0s",
  );
  assert.match(text(null), /3 attempts failed, trying now$/);
  assert.equal(causeText(someCause(), 0), "Gateway silent: no message (30 s)");
});

Deno.test("incidentText() says what, how often, for how long, and who takes care", () => {
  const incident = someIncident({ text: "Gateway silent", beganAt: 1000 });
  assert.equal(incidentText(incident, 43_000), "Gateway silent, for 42\u00a0s");
  const acknowledged = { name: "Ann", note: "drives there", at: 0 };
  assert.equal(
    incidentText({ ...incident, times: 3, endedAt: 5000, acknowledged }, 43_000),
    "Gateway silent, 3 times, over after 4\u00a0s (Ann: drives there)",
  );
});

Deno.test("fieldsOf() names parts by their path, shortens what is long, and counts what is left out", () => {
  const value = {
    speed: 14.524412954423688,
    door: { open: false },
    list: [null, "a\u202e"],
    none: {},
  };
  assert.deepEqual(fieldsOf(value), {
    fields: [
      { name: "speed", text: "14.524413", number: 14.524412954423688 },
      { name: "door.open", text: "false", number: null },
      { name: "list.0", text: "null", number: null },
      { name: "list.1", text: "a<U+202E>", number: null },
      { name: "none", text: "{}", number: null },
    ],
    more: 0,
  });
  const { fields, more } = fieldsOf(Array.from({ length: 30 }, () => "x".repeat(500)));
  assert.equal(fields.length + more, 30);
  assert.equal(fields.length, 12);
  assert.equal(fields[0]?.text.length, 81);
  let deep: unknown = 1;
  for (let depth = 0; depth < 100; depth++) deep = { a: deep };
  assert.equal(fieldsOf(deep).fields[0]?.name, "a.a.a.a.a.a");
});

Deno.test("visible() shows what would vanish or turn the text around, and spaced() parts bytes", () => {
  assert.equal(
    visible("a\u0000b\u202ec\u200bd\u{e0041}\n\tz"),
    "a<U+0000>b<U+202E>c<U+200B>d<U+E0041>\n\tz",
  );
  assert.equal(spaced("deadbeef"), "de ad be ef");
});

Deno.test("formatMs() and formatAge() keep figures short", () => {
  const times = [null, 0.123, 4.56, 45.6, 2345].map(formatMs);
  assert.deepEqual(times, ["\u2013", "0.12\u00a0ms", "4.6\u00a0ms", "46\u00a0ms", "2.3\u00a0s"]);
  const ages = [0, 59_999, 60_000, 7_200_000, 172_800_000].map(formatAge);
  const under = "<\u00a01\u00a0min";
  assert.deepEqual(ages, [under, under, "1\u00a0min", "2\u00a0h", "2\u00a0d"]);
});

Deno.test("Fleet tells an incident once when it begins, and none from before", () => {
  const fleet = new Fleet();
  const told = () => fleet.takeChanges().incidents.map(({ id }) => id);
  const everything = (...openIncidents: IncidentView[]) =>
    fleet.apply({ type: "fleet", ...someFleet([someCar("car_1")], { openIncidents }) });
  const happens = (change: "began" | "changed" | "ended", incident: IncidentView) =>
    fleet.apply({ type: "incident", at: Date.now(), change, incident });
  const [one, two, three] = [1, 2, 3].map((id) => someIncident({ id })) as [
    IncidentView,
    IncidentView,
    IncidentView,
  ];
  everything(one);
  assert.deepEqual(told(), []);
  happens("began", two);
  assert.deepEqual(told(), [2]);
  happens("changed", two);
  assert.deepEqual(told(), []);
  // The connection was lost meanwhile.
  everything(three, two, one);
  assert.deepEqual(told(), [3]);
  happens("ended", { ...three, endedAt: Date.now() });
  assert.deepEqual(told(), []);
  assert.deepEqual(fleet.latest.map(({ id }) => id), [2, 1, 3]);
});

Deno.test("Fleet knows when gateways were heard", () => {
  const fleet = new Fleet();
  const at = Date.now();
  fleet.apply({ type: "fleet", ...someFleet([someCar("car_1"), someCar("car_2")]) });
  const before = fleet.cars.get("car_2")?.lastMessageAt;
  fleet.apply({
    type: "rates",
    at,
    fleet: NO_RATES,
    cars: {},
    heardAt: { car_1: at - 5 },
    positions: {},
  });
  assert.equal(fleet.cars.get("car_1")?.lastMessageAt, at - 5);
  assert.equal(fleet.cars.get("car_2")?.lastMessageAt, before);
});

Deno.test("Announcer says as one sentence what comes while it may not speak again", () => {
  const clock = FakeTimers.install({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const region = { textContent: "" };
    const announcer = new Announcer(region as HTMLElement);
    const text = "Gateway silent";
    for (const id of [1, 2, 3]) {
      announcer.add([someIncident({ id, text, cars: [`car_${id}`] })]);
      clock.tick(1000);
    }
    assert.equal(region.textContent, "car_1: Gateway silent");
    clock.tick(2000);
    assert.equal(region.textContent, "2 incidents: car_2: Gateway silent; car_3: Gateway silent");
    clock.tick(5000);
    assert.equal(clock.countTimers(), 0);
  } finally {
    clock.uninstall();
  }
});

Deno.test("sentence() names the car that caused it, and counts the others", () => {
  const cars = ["car_1", "car_2", "car_3"];
  const text = "Broker away: connection refused";
  assert.equal(sentence([someIncident({ text, cars, carCount: 3 })]), `3 cars: ${text}`);
  const crash = "Module 7 crashed with SIGSEGV";
  const culprit = { car: "car_2", module: 7 };
  assert.equal(
    sentence([someIncident({ text: crash, cars, carCount: 3, culprit })]),
    `car_2 and 2 cars with it: ${crash}`,
  );
  const many = Array.from({ length: 5 }, (_, id) => someIncident({ id, text }));
  assert.match(sentence(many), /^5 incidents: .* and 2 more$/);
});
