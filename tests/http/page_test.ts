// The page in a real browser, against a server that says what each test wants said.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { ServerEvent } from "../../src/http/api/event_schemas.ts";
import type { CarRates, CarSummary, IncidentView } from "../../src/http/api/schemas.ts";
import type { Page } from "playwright-core";
import { chromiumTest, type Tab } from "./browser.ts";
import { waitFor } from "../support/wait.ts";
import { someSource } from "./some_source.ts";
import {
  NO_RATES,
  PageServer,
  payload,
  someCar,
  someCause,
  someDetail,
  someEvent,
  someFleet,
  someIncident,
  somePage,
} from "./page_server.ts";

const KEY = "a-key-nobody-guesses";
/** What a browser says of every answer that is not 2xx, and of a server that is away. */
const NETWORK = /^Failed to load resource/;

/** A second in which these cars were busy. */
function second(fleet: CarRates, cars: Record<string, CarRates>): ServerEvent {
  return { type: "rates", at: Date.now(), fleet, cars, heardAt: {}, positions: {} };
}

/** Nothing was refused by the policy, and no script failed. */
function assertQuiet(tab: Tab): void {
  assert.deepEqual(tab.complaints.filter((text) => !NETWORK.test(text)), []);
}

/** Opens lists of a car's page. */
async function unfold(page: Page, ...titles: readonly string[]): Promise<void> {
  for (const name of titles) await page.getByRole("heading", { name }).click();
}

function fleet(count: number): CarSummary[] {
  return Array.from({ length: count }, (_, index) => someCar(`car_${index + 1}`));
}

function rates(statuses: number): CarRates {
  return { statuses, commands: 1, responseMeanMs: 2.5, responseMaxMs: 7 };
}

/** Collects the cars whose rows are touched from now on. */
async function watchRows(tab: Tab): Promise<void> {
  await tab.page.evaluate(() => {
    const touched = new Set<string>();
    Object.assign(globalThis, { touched });
    new MutationObserver((records) => {
      for (const { target, addedNodes, removedNodes } of records) {
        const nodes = target.nodeName === "TBODY" ? [...addedNodes, ...removedNodes] : [target];
        for (const node of nodes) {
          const element = node instanceof Element ? node : node.parentElement;
          touched.add(element?.closest("tr")?.dataset["car"] ?? "another element");
        }
      }
    }).observe(document.querySelector("tbody") as Node, {
      subtree: true,
      childList: true,
      characterData: true,
      attributes: true,
    });
  });
}

async function touchedRows(tab: Tab): Promise<string[]> {
  return await tab.page.evaluate(
    () => [...(globalThis as unknown as { touched: string[] }).touched],
  );
}

chromiumTest("page shows that a car connects, and what it does then", async (tab) => {
  const { page } = tab;
  const waiting = someCar("car_1", { state: "CONNECTED", sessionId: null, connectedDevices: 0 });
  await using server = PageServer.start([waiting]);
  await page.goto(server.url);
  const row = page.getByRole("row", { name: "car_1" });
  await row.getByText("Waiting", { exact: true }).waitFor();
  server.sendCar(someCar("car_1", { connectedDevices: 3 }));
  await row.getByText("Running", { exact: true }).waitFor();
  assert.equal(await row.locator(".devices").textContent(), "3");
  server.send(second(rates(17), { car_1: rates(17) }));
  await row.getByText("2.5 ms").waitFor();
  assert.equal(await row.locator(".rate").textContent(), "17");
  assert.match(await row.locator(".chart .line").getAttribute("d") ?? "", /^M59 /);
  server.send(second(NO_RATES, {}));
  await row.locator(".rate").getByText("0", { exact: true }).waitFor();
  assertQuiet(tab);
});

chromiumTest("page says that the broker is away, and that it is back", async (tab) => {
  const { page } = tab;
  const cars = fleet(3);
  await using server = PageServer.start(cars);
  await page.goto(server.url);
  await page.getByRole("row", { name: "car_3" }).waitFor();
  const alert = page.getByRole("alert").filter({ hasText: "The broker is away" });
  assert.equal(await alert.count(), 0);
  const offline = { state: "UNINITIALIZED", sessionId: null, brokerConnected: false } as const;
  for (const { car } of cars) server.sendCar(someCar(car, offline));
  await alert.waitFor();
  assert.match(await page.title(), /^\(3\) depot/);
  assert.equal(await page.getByText("No broker", { exact: true }).count(), 4);
  for (const car of cars) server.sendCar(car);
  await alert.waitFor({ state: "detached" });
  // The first car that is back ends the alert: the others may come later.
  await waitFor(async () => /^depot/.test(await page.title()), "a title without a count");
  assertQuiet(tab);
});

chromiumTest(
  "page refuses a wrong key visibly, and stays logged in with the right one, which it does not keep",
  async (tab) => {
    const { page } = tab;
    await using server = PageServer.start([someCar("car_1")], KEY);
    await page.goto(server.url);
    const field = page.getByLabel("API key");
    const problem = page.getByRole("alert").filter({ hasText: "refused" });
    await field.waitFor();
    assert.equal(await problem.count(), 0);
    assert.equal(await page.getByText("car_1").count(), 0);
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await problem.waitFor();
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
    await field.fill(KEY);
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByRole("row", { name: "car_1" }).waitFor();
    await page.reload();
    await page.getByRole("row", { name: "car_1" }).waitFor();
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
    assert.equal(await page.evaluate(() => document.cookie), "");
    await page.getByRole("button", { name: "Log out" }).click();
    await field.waitFor();
    assert.equal(await page.getByText("car_1").count(), 0);
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
    assertQuiet(tab);
  },
);

chromiumTest("page says that the server is gone, and comes back by itself", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start([someCar("car_1")]);
  await page.goto(server.url);
  await page.getByRole("row", { name: "car_1" }).waitFor();
  await page.getByText("Live").waitFor();
  await server.stop();
  const alert = page.getByRole("alert").filter({ hasText: "No connection to the server" });
  await alert.waitFor();
  await page.getByText("Connection lost").waitFor();
  server.cars = [someCar("car_2")];
  server.listen();
  await page.getByRole("row", { name: "car_2" }).waitFor();
  await alert.waitFor({ state: "detached" });
  assert.equal(await page.getByText("car_1").count(), 0);
  assertQuiet(tab);
});

chromiumTest("page touches only the rows that change, with 500 cars", async (tab) => {
  const { page } = tab;
  // Silence is told from ten seconds on, of all cars then: these have not been heard.
  const cars = fleet(500).map((car) => ({ ...car, lastMessageAt: null }));
  await using server = PageServer.start(cars);
  await page.goto(server.url);
  await page.getByRole("row", { name: "car_500" }).waitFor({ state: "attached" });
  await page.getByText("500 cars", { exact: true }).waitFor();
  await watchRows(tab);
  for (const index of [0, 250, 499]) {
    server.sendCar({ ...(cars[index] as CarSummary), connectedDevices: 9 });
  }
  await page.locator('[data-car="car_500"] .devices', { hasText: "9" })
    .waitFor({ state: "attached" });
  assert.deepEqual((await touchedRows(tab)).sort(), ["car_1", "car_251", "car_500"]);

  await watchRows(tab);
  const busy = { car_2: rates(4), car_400: rates(5) };
  server.send(second(rates(9), busy));
  await page.locator('[data-car="car_400"] .rate', { hasText: "5" }).waitFor({ state: "attached" });
  assert.deepEqual((await touchedRows(tab)).sort(), ["car_2", "car_400"]);
  // What nobody sees is not drawn until somebody does.
  const chart = page.locator('[data-car="car_400"] .chart .line');
  assert.equal(await chart.getAttribute("d") ?? "", "");
  await page.locator('[data-car="car_400"]').scrollIntoViewIfNeeded();
  await page.waitForFunction(() =>
    document.querySelector('[data-car="car_400"] .chart .line')?.getAttribute("d")
  );

  // Sending everything again without a change touches nothing.
  await watchRows(tab);
  server.send({ type: "fleet", ...someFleet(server.cars, { company: "again" }) });
  await page.getByText("again", { exact: true }).waitFor();
  assert.deepEqual((await touchedRows(tab)).sort(), ["car_2", "car_400"]);

  // A car that fails comes first, and nothing but its row moves.
  await watchRows(tab);
  const failed = someCar("car_300", { state: "ERROR" });
  server.sendCar(failed);
  await page.locator('tbody tr:first-child[data-car="car_300"]').waitFor({ state: "attached" });
  assert.deepEqual((await touchedRows(tab)).sort(), ["car_300"]);
  assertQuiet(tab);
});

chromiumTest("page keeps its rows when the whole fleet is sent again", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start(fleet(3));
  await page.goto(server.url);
  await page.getByRole("link", { name: "car_2" }).focus();
  const cars = [someCar("car_4"), someCar("car_2", { connectedDevices: 7 })];
  server.send({ type: "fleet", ...someFleet(cars) });
  await page.getByText("Select cars to act on them").waitFor();
  const focused = await page.evaluate(() => document.activeElement?.textContent);
  assert.equal(focused, "car_2");
  assert.deepEqual(await page.locator("tbody th").allTextContents(), ["car_2", "car_4"]);
  assertQuiet(tab);
});

chromiumTest("page sorts and filters, and the address remembers it", async (tab) => {
  const { page } = tab;
  const lastIncident = someIncident({ text: "First status missing: status of 7/1/front" });
  const cars = [
    someCar("car_10", { connectedDevices: 1 }),
    someCar("car_9", { state: "ERROR", connectedDevices: 5, modules: [7] }),
    someCar("car_1", { connectedDevices: 3, lastIncident }),
  ];
  await using server = PageServer.start(cars);
  await page.goto(server.url);
  const names = () => page.locator("tbody tr:not([hidden]) th").allTextContents();
  await page.getByRole("row", { name: "car_9" }).waitFor();
  assert.deepEqual(await names(), ["car_9", "car_1", "car_10"]);
  const head = page.getByRole("columnheader", { name: "Devices" });
  await head.getByRole("button").click();
  assert.equal(await head.getAttribute("aria-sort"), "ascending");
  assert.deepEqual(await names(), ["car_10", "car_1", "car_9"]);
  await head.getByRole("button").click();
  assert.equal(await head.getAttribute("aria-sort"), "descending");
  assert.deepEqual(await names(), ["car_9", "car_1", "car_10"]);
  assert.equal(await page.locator("[aria-sort]").count(), 1);
  await page.getByRole("button", { name: "2 Running" }).click();
  assert.deepEqual(await names(), ["car_1", "car_10"]);
  await page.getByLabel("Find").fill("7/1/FRONT");
  assert.deepEqual(await names(), ["car_1"]);
  await page.reload();
  await page.getByText("1 of 3 cars").waitFor();
  assert.deepEqual(await names(), ["car_1"]);
  await page.getByLabel("Find").fill("nothing like it");
  await page.getByText("No cars match the filter").waitFor();
  assertQuiet(tab);
});

chromiumTest(
  "page pauses the selected cars when asked to, and says what came of it",
  async (tab) => {
    const { page } = tab;
    const cars = fleet(3);
    await using server = PageServer.start(cars);
    const pause = { by: "desk", at: Date.now(), reason: "brakes", kept: false };
    server.answers.set("fleet.pause", {
      result: {
        cars: [{ car: "car_1", result: "done" }, { car: "car_3", result: "unchanged" }],
        kept: false,
      },
    });
    await page.goto(server.url);
    const button = page.getByRole("button", { name: "Pause", exact: true });
    await page.getByText("Select cars to act on them").waitFor();
    assert.equal(await button.isDisabled(), true);
    await page.getByLabel("Select car_1").check();
    await page.getByLabel("Select car_3").check();
    await page.getByText("2 selected").waitFor();
    // A car that is filtered out is not acted on.
    await page.getByLabel("Find").fill("car_1");
    await page.getByText("1 selected").waitFor();
    await page.getByLabel("Find").fill("");
    await page.getByText("2 selected").waitFor();
    await button.click();
    const dialog = page.getByRole("dialog", { name: "Pause 2 cars?" });
    await dialog.getByText("car_1, car_3").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    assert.deepEqual(server.calls, []);
    await button.click();
    await dialog.getByLabel("Reason (optional)").fill("brakes");
    await page.keyboard.press("Enter");
    await page.getByText("Paused: car_1. Paused already: car_3. The server forgets this").waitFor();
    assert.deepEqual(server.calls, [
      { method: "fleet.pause", params: { cars: ["car_1", "car_3"], reason: "brakes" } },
    ]);
    server.sendCar(someCar("car_1", { state: "CONNECTED", paused: true, pause }));
    const row = page.getByRole("row", { name: "car_1" });
    await row.getByText("Paused", { exact: true }).waitFor();
    await row.getByText(/Paused by desk \S+: brakes \(until the server restarts\)/).waitFor();
    assertQuiet(tab);
  },
);

chromiumTest(
  "page lets an operator acknowledge an incident with a name and a note",
  async (tab) => {
    const { page } = tab;
    await using server = PageServer.start([someCar("car_1")]);
    server.answers.set("incident.acknowledge", { result: {} });
    await page.goto(server.url);
    await page.getByRole("row", { name: "car_1" }).waitFor();
    const incident = someIncident({ id: 7, text: "Gateway silent" });
    const tell = (different: Partial<IncidentView>) =>
      server.send({
        type: "incident",
        at: Date.now(),
        change: "changed",
        incident: { ...incident, ...different },
      });
    tell({});
    const list = page.getByRole("list", { name: "Latest incidents" });
    await list.getByRole("button", { name: "Acknowledge" }).click();
    const dialog = page.getByRole("dialog", { name: "Acknowledge the incident?" });
    await dialog.getByLabel("Your name").fill("Ann");
    await dialog.getByLabel("Note (optional)").fill("drives there");
    await page.keyboard.press("Enter");
    await dialog.waitFor({ state: "hidden" });
    await waitFor(() => server.calls.length > 0, "a call");
    assert.deepEqual(server.calls, [{
      method: "incident.acknowledge",
      params: { id: 7, name: "Ann", note: "drives there" },
    }]);
    tell({ acknowledged: { name: "Ann", note: "drives there", at: Date.now() } });
    await list.getByText(/\(Ann: drives there\)/).waitFor();
    assert.equal(await list.getByRole("button").count(), 0);
    assertQuiet(tab);
  },
);

chromiumTest("page acts on one car from its own page, and shows what was refused", async (tab) => {
  const { page } = tab;
  const car = someCar("car_1");
  await using server = PageServer.start([car]);
  server.details.set("car_1", someDetail(car));
  server.answers.set("fleet.restart", { error: { code: -32003, message: "Expected a key" } });
  await page.goto(`${server.url}#/cars/car_1`);
  await page.getByRole("button", { name: "Restart" }).click();
  await page.keyboard.press("Escape");
  // Escape has closed the question, not the page.
  await page.getByRole("heading", { name: "car_1", level: 1 }).waitFor();
  await page.getByRole("button", { name: "Restart" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Restart" }).click();
  await page.getByText("Cannot restart car_1: Expected a key").waitFor();
  assertQuiet(tab);
});

chromiumTest("page offers no action to a key that only reads", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start([someCar("car_1")], KEY);
  server.scope = "read";
  await page.goto(server.url);
  await page.getByLabel("API key").fill(KEY);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Log out" }).waitFor();
  await page.getByRole("row", { name: "car_1" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Pause" }).count(), 0);
  assert.equal(await page.getByLabel("Select car_1").count(), 1);
  assert.equal(await page.getByLabel("Select car_1").isVisible(), false);
  assertQuiet(tab);
});

chromiumTest("page lists what operators have done", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start([someCar("car_1")]);
  const action = {
    id: 1,
    at: Date.now(),
    who: "desk",
    from: "10.0.0.7",
    kind: "action",
    action: "car.pause",
    cars: ["car_1"],
    carCount: 1,
    detail: "brakes",
    result: "done",
  };
  server.answers.set("audit.list", { result: [action] });
  await page.goto(server.url);
  await page.getByRole("link", { name: "Actions" }).click();
  const row = page.getByRole("row", { name: "desk" });
  await row.getByText("10.0.0.7").waitFor();
  assert.match(await row.textContent() ?? "", /car\.pause.*car_1.*brakes.*done/);
  await page.goto(`${server.url}#/actions?car=car_1`);
  await page.getByRole("heading", { name: "Actions on car_1" }).waitFor();
  await waitFor(
    () => server.calls.some(({ params }) => (params as { car?: string }).car === "car_1"),
    "the list of one car",
  );
  assertQuiet(tab);
});

chromiumTest(
  "page keeps nobody out: axe finds no violation in any view, light or dark",
  async (tab) => {
    const { page } = tab;
    const cars = [
      someCar("car_1"),
      someCar("car_2", { state: "CONNECTED", sessionId: null }),
      someCar("car_3", { health: { state: "degraded", since: Date.now(), causes: [someCause()] } }),
    ];
    await using server = PageServer.start(cars, KEY);
    server.details.set("car_1", someDetail(someCar("car_1")));
    const history = { span: "hour", stepMs: 15_000, at: Date.now(), points: [] };
    server.answers.set("history.get", { result: history });
    server.answers.set("event.list", { result: somePage([]) });
    server.answers.set("audit.list", { result: [] });
    server.answers.set("sink.list", { result: [] });
    server.answers.set("config.source", { result: someSource() });
    const look = async (what: string) => assert.deepEqual(await tab.violations(), [], what);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      await page.context().clearCookies();
      await page.goto("about:blank");
      await page.goto(server.url);
      await page.getByLabel("API key").waitFor();
      await look(`key, ${colorScheme}`);
      await page.getByLabel("API key").fill(KEY);
      await page.keyboard.press("Enter");
      await page.getByRole("row", { name: "car_3" }).waitFor();
      await look(`fleet, ${colorScheme}`);
      await page.goto(`${server.url}#/cars/car_1`);
      await page.getByRole("heading", { name: "Devices" }).waitFor();
      await look(`car, ${colorScheme}`);
      await page.goto(`${server.url}#/history`);
      await page.getByText("No such event is remembered").waitFor();
      await look(`history, ${colorScheme}`);
      await page.goto(`${server.url}#/actions`);
      await page.getByText("Nobody has done anything yet").waitFor();
      await look(`actions, ${colorScheme}`);
      await page.goto(`${server.url}#/sinks`);
      await page.getByText("No sinks are configured").waitFor();
      await look(`sinks, ${colorScheme}`);
      await page.goto(`${server.url}#/config`);
      await page.getByText("it answered with 500").first().waitFor();
      await look(`configuration, ${colorScheme}`);
    }
  },
);

chromiumTest("page shows the history of the fleet, and what happened", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start([someCar("car_1")]);
  const at = Math.floor(Date.now() / 15_000) * 15_000;
  const point = (age: number, troubled: number) => ({
    at: at - age * 15_000,
    statuses: 20,
    commands: 0,
    responseMeanMs: 10,
    responseMaxMs: 40,
    health: null,
    troubled,
  });
  const points = [point(3, 0), point(2, 1), point(0, 0)];
  const history = { span: "hour", stepMs: 15_000, at: Date.now(), points };
  server.answers.set("history.get", { result: history });
  const text = "Lost its host";
  const event = someEvent({ id: "2", at, level: "ERROR", text, device: "7/0/Front" });
  server.answers.set("event.list", { result: somePage([event]) });
  await page.goto(server.url);
  await page.getByRole("link", { name: "History" }).click();
  const row = page.getByRole("row", { name: "Lost its host" });
  await row.waitFor();
  assert.match(await row.textContent() ?? "", /car_1.*ERROR.*7\/0\/Front/);
  await page.getByText("60 statuses; longest response 40 ms; degraded for about 15 s").waitFor();
  assert.equal(await page.locator(".band.degraded").count(), 1);
  assert.equal(await page.locator(".band.healthy").count(), 2);
  await page.getByLabel("Find").fill("host");
  await page.getByLabel("Level").selectOption("WARNING");
  await page.getByRole("button", { name: "Last day" }).click();
  const asked = (method: string) => server.calls.findLast((call) => call.method === method)?.params;
  await waitFor(
    () => (asked("history.get") as { span?: string }).span === "day",
    "the history of a day",
  );
  const events = { level: "WARNING", text: "host", limit: 100 };
  await waitFor(() => isDeepStrictEqual(asked("event.list"), events), "the events that match");
  const link = page.getByRole("link", { name: "Download as CSV" });
  assert.equal(
    await link.getAttribute("href"),
    "/api/v1/history/events.csv?level=WARNING&text=host",
  );
  // The address says it all, so that it can be sent to somebody.
  await page.reload();
  assert.equal(await page.getByLabel("Level").inputValue(), "WARNING");
  assert.deepEqual(await tab.violations(), []);
  await page.goto(`${server.url}#/history?car=car_1`);
  await page.getByRole("heading", { name: "History of car_1" }).waitFor();
  assertQuiet(tab);
});

chromiumTest(
  "page reads the event log as far as it reaches back, and as it is written",
  async (tab) => {
    const { page } = tab;
    await using server = PageServer.start([someCar("car_1")]);
    const history = { span: "hour", stepMs: 15_000, at: Date.now(), points: [] };
    server.answers.set("history.get", { result: history });
    const payload = { kind: "json", text: '{"speed":7}', bytes: 11, truncated: false } as const;
    const status = someEvent({ id: "b", text: "Status 7", kind: "status.accepted", payload });
    const since = new Date(2026, 0, 2, 3, 4, 5).getTime();
    const log = { source: "log", reachesBackTo: since, searchedTo: since } as const;
    server.answers.set("event.list", { result: somePage([status], { ...log, next: "1-2-0" }) });
    await page.goto(`${server.url}#/history?car=car_1&level=DEBUG`);
    await page.getByRole("row", { name: "Status 7" }).getByText('{"speed":7}').waitFor();
    await page.getByText(/The event log reaches back to .*03:04:05/).waitFor();
    const older = someEvent({ id: "a", car: null, text: "Server started", kind: "server.started" });
    server.answers.set("event.list", { result: somePage([older], log) });
    await page.getByRole("button", { name: "Show older" }).click();
    await page.getByRole("row", { name: "Server started" }).waitFor();
    const asked = (wanted: object) =>
      server.calls.some(({ method, params }) =>
        method === "event.list" && isDeepStrictEqual(params, wanted)
      );
    assert.ok(asked({ cars: ["car_1"], level: "DEBUG", cursor: "1-2-0", limit: 100 }));
    assert.equal(await page.getByRole("button", { name: "Show older" }).isVisible(), false);
    await page.getByRole("button", { name: "Follow" }).click();
    await waitFor(() => server.followed.length === 1, "the stream");
    assert.equal(server.followed[0], "?cars=car_1&level=DEBUG");
    server.happens(someEvent({ id: "c", text: "Status 8", kind: "status.accepted" }));
    await page.getByRole("row", { name: "Status 8" }).waitFor();
    const texts = await page.getByRole("region", { name: "Events" }).locator("tbody tr")
      .allTextContents();
    assert.deepEqual(texts.map((text) => /Status \d|Server/.exec(text)?.[0]), [
      "Status 8",
      "Status 7",
      "Server",
    ]);
    const none = { ...log, next: "1-1-0" };
    server.answers.set("event.list", { result: somePage([], none) });
    await page.getByLabel("Kind").selectOption("command");
    await page.getByText(/Nothing so far, back to .*03:04:05/).waitFor();
    assert.ok(asked({ cars: ["car_1"], level: "DEBUG", kinds: ["command"], limit: 100 }));
    const link = page.getByRole("link", { name: "as NDJSON" });
    assert.equal(
      await link.getAttribute("href"),
      "/api/v1/history/events.ndjson?level=DEBUG&cars=car_1&kinds=command",
    );
    assert.deepEqual(await tab.violations(), []);
    assertQuiet(tab);
  },
);

chromiumTest("page can be used by keyboard alone", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start(fleet(4));
  server.details.set("car_3", someDetail(someCar("car_3")));
  await page.goto(server.url);
  await page.getByRole("row", { name: "car_4" }).waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.textContent);
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Skip to the content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "4 All");
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "find");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await page.getByText("4 selected").waitFor();
  await page.keyboard.press("Space");
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Car");
  await page.getByRole("link", { name: "car_1" }).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowUp");
  assert.equal(await focused(), "car_3");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "car_3", level: 1 }).waitFor();
  assert.equal(await focused(), "car_3");
  await page.keyboard.press("Escape");
  await page.getByRole("row", { name: "car_4" }).waitFor();
  assert.equal(await focused(), "car_3");
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "A");
  assertQuiet(tab);
});

chromiumTest("page shows what a car has said as text or hex, and never as markup", async (tab) => {
  const { page } = tab;
  const hostile = `<img src="x" onerror="document.title='owned'">`;
  const car = someCar("car_1", { lastIncident: someIncident({ text: hostile }) });
  await using server = PageServer.start([car]);
  const at = Date.now();
  const status = {
    at,
    device: "1000/0/button",
    state: "RUNNING",
    counter: 41,
    responseMs: 1.3,
  } as const;
  const json = '{"pressed":true}';
  server.details.set(
    "car_1",
    someDetail(car, {
      incidents: [someIncident({ text: hostile })],
      devices: [{
        id: `7/1/${hostile}`,
        module: 7,
        type: 1,
        role: hostile,
        name: hostile,
        connected: false,
        connectedSince: null,
        lastStatusAt: null,
        lastStatusCounter: null,
        lastStatus: null,
        problem: "This server has no module 7 for the car",
      }],
      statuses: [
        { ...status, data: payload("json", json), errorMessage: null },
        { ...status, counter: 40, data: payload("hex", "deadbeef"), errorMessage: null },
        {
          ...status,
          counter: 39,
          data: payload("empty", ""),
          errorMessage: payload("text", "a\u202eb"),
        },
      ],
      commands: [{
        at,
        device: "1000/1/led",
        counter: 5,
        data: payload("text", hostile),
        response: "INVALID_COMMAND",
        responseMs: 12,
      }],
      events: [{ at, level: "INFO", text: "Session started", device: null }],
    }),
  );
  await page.goto(server.url);
  await page.getByRole("row", { name: "car_1" }).getByText(hostile).waitFor();
  await page.getByRole("link", { name: "car_1" }).last().click();
  const list = (name: string) => page.getByRole("region", { name });
  await unfold(page, "Last statuses", "Last commands", "Last events", "Last incidents");
  await list("Last statuses").getByText(json, { exact: true }).waitFor();
  await list("Last statuses").getByText("de ad be ef", { exact: true }).waitFor();
  await list("Last statuses").getByText("a<U+202E>b", { exact: true }).waitFor();
  await list("Devices").getByText("This server has no module 7").waitFor();
  await list("Last commands").getByText(hostile, { exact: true }).waitFor();
  await list("Last commands").getByText("INVALID_COMMAND").waitFor();
  await list("Last events").getByText("Session started").waitFor();
  await list("Last incidents").getByText(someIncident().advice).waitFor();
  assert.equal(await page.locator("main img").count(), 0);
  assert.match(await page.title(), /^car_1/);
  assertQuiet(tab);
});

chromiumTest("page of a car says so when there is none of that name", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start([someCar("car_1")]);
  server.details.set("car_1", someDetail(someCar("car_1")));
  await page.goto(`${server.url}#/cars/car_2`);
  await page.getByText("The server has no car of this name in its configuration").waitFor();
  assert.deepEqual(await page.locator("main h2:visible, main .state:visible").count(), 0);
  await page.goto(`${server.url}#/cars/car_1`);
  await page.getByRole("heading", { name: "Last statuses" }).waitFor();
  assertQuiet(tab);
});

chromiumTest(
  "page tells a screen reader of incidents, many at once as one sentence",
  async (tab) => {
    const { page } = tab;
    await using server = PageServer.start(fleet(9));
    await page.goto(server.url);
    await page.getByRole("row", { name: "car_9" }).waitFor();
    const region = page.locator("[aria-live=polite]");
    const begins = (id: number) => {
      const incident = someIncident({ id, cars: [`car_${id}`], text: "Gateway silent" });
      return { type: "incident", at: Date.now(), change: "began", incident } as const;
    };
    server.send(begins(1));
    await region.getByText("car_1: Gateway silent").waitFor({ state: "attached" });
    server.send(...[2, 3, 4, 5, 6].map(begins));
    await region.getByText(/^5 incidents: car_2: Gateway silent; .* and 2 more$/).waitFor({
      state: "attached",
    });
    assert.equal(
      await page.getByRole("list", { name: "Latest incidents" }).locator("li").count(),
      3,
    );
    assertQuiet(tab);
  },
);

chromiumTest(
  "page asks no other host and is legible in light, dark and on a phone",
  async (tab) => {
    const { page } = tab;
    const foreign: string[] = [];
    const car = someCar("car_1", { state: "ERROR", lastIncident: someIncident() });
    const paused = someCar("car_2", { paused: true, state: "CONNECTED" });
    const causes = [someCause({ code: "slow_responses", severity: "degraded" })];
    const degraded = someCar("car_4", { health: { state: "degraded", since: 0, causes } });
    await using server = PageServer.start([car, paused, degraded, someCar("car_3")]);
    const data = payload("json", JSON.stringify({ text: "a long one ".repeat(20) }));
    const status = { at: Date.now(), device: "1000/1/a_role_that_is_long", counter: 1 } as const;
    const seen = { ...status, data, responseMs: 1 };
    server.details.set(
      "car_1",
      someDetail(car, {
        statuses: [{ ...seen, state: "ERROR", errorMessage: data }],
        commands: [{ ...seen, response: "OK" }],
      }),
    );
    page.on("request", (request) => {
      if (!request.url().startsWith(server.url)) foreign.push(request.url());
    });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      for (const width of [1280, 360]) {
        await page.setViewportSize({ width, height: 800 });
        for (const hash of ["#/", "#/cars/car_1"]) {
          await page.goto(server.url + hash);
          await page.getByText("car_1").first().waitFor();
          if (hash !== "#/") {
            await unfold(page, "Last statuses", "Last commands");
            await page.getByText("a long one").first().waitFor();
          }
          const where = `${colorScheme}, ${width} px, ${hash}`;
          assert.deepEqual(await page.evaluate(faintTexts), [], where);
          assert.deepEqual(await page.evaluate(namelessControls), [], where);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= width, `${where}: ${wide} px wide`);
        }
      }
    }
    assert.deepEqual(foreign, []);
    assertQuiet(tab);
  },
);

/** Texts with less contrast than 4.5 to 1 (runs in the page). */
function faintTexts(): string[] {
  const channels = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const light = (color: string) => {
    const [red = 0, green = 0, blue = 0] = channels(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element: Element | null): string => {
    if (element === null) return "rgb(255, 255, 255)";
    const color = getComputedStyle(element).backgroundColor;
    return channels(color)[3] === 0 ? ground(element.parentElement) : color;
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = texts.nextNode(); node !== null; node = texts.nextNode()) {
    const element = node.parentElement;
    if (element === null || node.textContent?.trim() === "" || !element.checkVisibility()) continue;
    const pair = [light(getComputedStyle(element).color), light(ground(element))];
    const contrast = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (contrast < 4.5) faint.push(`${node.textContent}: ${contrast.toFixed(1)}`);
  }
  return faint;
}

/** What can be used but has no name, and tables without heads (runs in the page). */
function namelessControls(): string[] {
  const nameless = [];
  for (const control of document.querySelectorAll("a, button, input, [tabindex='0']")) {
    const labels = control instanceof HTMLInputElement ? [...control.labels ?? []] : [];
    const name = [
      control.textContent,
      control.getAttribute("aria-label"),
      ...labels.map((it) => it.textContent),
    ];
    if (!name.some((text) => text?.trim())) nameless.push(control.outerHTML);
  }
  for (const table of document.querySelectorAll("table")) {
    if (table.querySelector("th[scope=col]") === null) nameless.push(table.outerHTML);
  }
  if (document.querySelectorAll("h1").length !== 1) nameless.push("not one h1");
  return nameless;
}
