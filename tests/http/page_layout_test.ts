// How still the page stands while it loads, how long it keeps the browser busy, how much room it takes.
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import assert from "node:assert/strict";
import type { CarDetail, CarSummary, DeviceView } from "../../src/http/api/schemas.ts";
import { addedTo, chromiumTest, type Tab, watchAdded } from "./browser.ts";
import {
  PageServer,
  payload,
  someCar,
  someCause,
  someDetail,
  someDevice,
  someEvent,
  someIncident,
  somePage,
} from "./page_server.ts";

const SCREENS = { desktop: { width: 1280, height: 800 }, phone: { width: 360, height: 740 } };

interface Shift {
  readonly value: number;
  readonly what: readonly string[];
}

/** Remembers what moves without being asked to, from the first line of the page on. */
async function watchLayout(tab: Tab): Promise<void> {
  await tab.page.addInitScript(() => {
    const shifts: Shift[] = [];
    Object.assign(globalThis, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { value, hadRecentInput, sources } = entry as unknown as {
          value: number;
          hadRecentInput: boolean;
          sources: { node: Node | null }[];
        };
        if (hadRecentInput) continue;
        const what = sources.map(({ node }) =>
          node instanceof Element ? `${node.tagName}.${node.getAttribute("class")}` : "a text"
        );
        shifts.push({ value, what });
      }
    }).observe({ type: "layout-shift", buffered: true });
  });
}

/** What has moved since the page was opened. */
async function shiftsOf(tab: Tab): Promise<Shift[]> {
  // Entries come after the frame they are about.
  return await tab.page.evaluate(async () => {
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
    return (globalThis as unknown as { shifts: Shift[] }).shifts;
  });
}

function fleet(): CarSummary[] {
  const causes = [someCause()];
  const degraded = { state: "degraded", since: Date.now() - 60_000, causes } as const;
  return Array.from({ length: 30 }, (_, index) =>
    someCar(`shuttle_${index + 1}`, {
      position: { latitude: 50 + index / 1000, longitude: 14, at: Date.now(), device: "7/0/gps" },
      ...(index === 2 ? { health: degraded, lastIncident: someIncident() } : {}),
    }));
}

/** A car with two devices and everything that a car can have. */
function busyDetail(car: CarSummary) {
  const at = Date.now();
  const devices = ["front", "rear"].map((role) =>
    someDevice({ id: `7/0/${role}`, role, name: `The ${role}`, lastStatusAt: at })
  );
  const data = payload("json", '{"speed":14.524412954423688,"door":{"open":false},"battery":81}');
  return someDetail(car, {
    devices,
    statuses: Array.from({ length: 20 }, (_, index) => ({
      at: at - index * 1000,
      device: devices[index % 2]?.id ?? "",
      state: "RUNNING" as const,
      counter: 40 - index,
      responseMs: 2,
      data,
      errorMessage: null,
    })),
    commands: Array.from({ length: 20 }, (_, index) => ({
      at: at - index * 1000,
      device: "7/0/front",
      counter: 40 - index,
      data,
      response: "OK" as const,
      responseMs: 12,
    })),
    events: Array.from({ length: 20 }, (_, index) => ({
      at: at - index * 60_000,
      level: "INFO" as const,
      text: "Session started",
      device: null,
    })),
    history: Array.from(
      { length: 60 },
      () => ({ statuses: 3, commands: 1, responseMeanMs: 2, responseMaxMs: 5 }),
    ),
  });
}

/** What the first seconds bring: rates, a gateway that connects, one that is lost. */
async function happens(server: PageServer, first: CarSummary): Promise<void> {
  await server.listened();
  const rates = { statuses: 41, commands: 1, responseMeanMs: 2.25, responseMaxMs: 1700 };
  const busy = Object.fromEntries(server.cars.map(({ car }) => [car, rates]));
  const [, second, third] = server.cars as [CarSummary, CarSummary, CarSummary];
  server.send(
    { type: "car", at: Date.now(), car: { ...first, connectedDevices: 3 } },
    { type: "car", at: Date.now(), car: { ...second, state: "CONNECTED", sessionId: null } },
    { type: "car", at: Date.now(), car: { ...third, connectedDevices: 7 } },
    {
      type: "incident",
      at: Date.now(),
      change: "began",
      incident: someIncident({ id: 2, cars: [second.car] }),
    },
    {
      type: "rates",
      at: Date.now(),
      fleet: { ...rates, statuses: 123 },
      cars: busy,
      heardAt: {},
      positions: {},
    },
  );
}

for (const [screen, viewport] of Object.entries(SCREENS)) {
  chromiumTest(`page stands still while it loads, on a ${screen}`, async (tab) => {
    const { page } = tab;
    await page.setViewportSize(viewport);
    await watchLayout(tab);
    const cars = fleet();
    await using server = PageServer.start(cars);
    server.openIncidents = [someIncident({ cars: ["shuttle_3"] })];
    const [first] = cars as [CarSummary];
    server.details.set(first.car, busyDetail(first));
    const history = { span: "hour", stepMs: 15_000, at: Date.now(), points: [] };
    server.answers.set("history.get", { result: history });
    const event = { car: "shuttle_1", level: "ERROR", text: "Lost" } as const;
    const events = Array.from(
      { length: 30 },
      (_, index) => someEvent({ id: String(30 - index), ...event }),
    );
    server.answers.set("event.list", { result: somePage(events, { source: "log" }) });
    server.answers.set("audit.list", { result: [] });
    // Each answer comes a frame or more after what was asked before it has been shown.
    await page.route(/\/(login|rpc|api\/.*)$/, async (route) => {
      try {
        await page.evaluate(async () => {
          for (let frame = 0; frame < 5; frame++) await new Promise(requestAnimationFrame);
        });
        await route.continue();
      } catch {
        // The page has been left meanwhile.
      }
    });
    const views = {
      "#/": () => page.locator(".latest").getByText("Gateway silent").waitFor(),
      "#/cars/shuttle_1": () => page.getByRole("heading", { name: "Devices" }).waitFor(),
      "#/history": () => page.getByRole("row", { name: "Lost" }).first().waitFor(),
      "#/map": () => page.locator(".mark").first().waitFor(),
      "#/actions": () => page.getByText("Nobody has done anything yet").waitFor(),
    };
    for (const [hash, shown] of Object.entries(views)) {
      await page.goto("about:blank");
      await page.goto(server.url + hash);
      await shown();
      await happens(server, first);
      await page.getByText("123 statuses/s").waitFor();
      const shifts = await shiftsOf(tab);
      const sum = shifts.reduce((total, { value }) => total + value, 0);
      assert.ok(sum < 0.1, `${hash}: ${sum.toFixed(3)}: ${JSON.stringify(shifts)}`);
    }
  });
}

chromiumTest(
  "page of a car shows what each device said last as fields, and raw messages folded",
  async (tab) => {
    const { page } = tab;
    const car = someCar("car_1");
    await using server = PageServer.start([car]);
    const detail = busyDetail(car);
    const [front, rear] = detail.devices as [DeviceView, DeviceView];
    const status = detail.statuses[0] as CarDetail["statuses"][number];
    const say = (counter: number, speed: number) => ({
      ...status,
      counter,
      data: payload("json", `{"speed":${speed},"door":{"open":false}}`),
    });
    const hex = { ...status, device: rear.id, data: payload("hex", "deadbeef") };
    server.details.set("car_1", { ...detail, statuses: [say(2, 9), say(1, 5), hex] });
    await page.goto(`${server.url}#/cars/car_1`);
    const card = (device: DeviceView) =>
      page.getByRole("region", { name: "Devices" }).getByRole("article").filter({
        hasText: device.id,
      });
    await card(front).getByText("door.open").waitFor();
    const fields = () => card(front).locator("dl div").allTextContents();
    assert.deepEqual(await fields(), ["speed9", "door.openfalse"]);
    await card(rear).getByText("de ad be ef").waitFor();
    const line = card(front).locator(".line").first();
    assert.equal(await line.getAttribute("d"), "M0 19.0L1 1.0");
    // What was seen stays in the chart when the server has forgotten it; a field that goes is gone.
    const data = payload("json", '{"speed":7}');
    server.details.set("car_1", { ...detail, statuses: [{ ...say(3, 7), data }] });
    await card(front).getByText("7", { exact: true }).waitFor();
    assert.deepEqual(await fields(), ["speed7"]);
    assert.equal(await line.getAttribute("d"), "M0 19.0L1 1.0L2 10.0");
    await card(rear).getByText("de ad be ef").waitFor();
    const raw = page.getByRole("region", { name: "Last statuses" });
    assert.equal(await raw.count(), 0);
    await page.getByRole("heading", { name: "Last statuses" }).click();
    await raw.getByText('{"speed":7}').waitFor();
    assert.deepEqual(await tab.violations(), []);
    assert.deepEqual(tab.complaints, []);
  },
);

chromiumTest("page of a car shows at once what a device said that is quiet now", async (tab) => {
  const { page } = tab;
  const car = someCar("car_1");
  await using server = PageServer.start([car]);
  const { devices, statuses, ...detail } = busyDetail(car);
  const [front, rear] = devices as [DeviceView, DeviceView];
  const [status] = statuses as [CarDetail["statuses"][number]];
  const at = Date.now() - 3_600_000;
  const data = payload("json", '{"battery":81}');
  const lastStatus = { ...status, at, device: rear.id, counter: 3, data };
  const quiet = { ...rear, lastStatusAt: at, lastStatusCounter: 3, lastStatus };
  server.details.set("car_1", {
    ...detail,
    devices: [{ ...front, lastStatus: status }, quiet],
    statuses: [status],
  });
  await page.goto(`${server.url}#/cars/car_1`);
  const card = page.getByRole("region", { name: "Devices" }).getByRole("article")
    .filter({ hasText: rear.id });
  await card.getByText("status 3 at").waitFor();
  assert.deepEqual(await card.locator("dl div").allTextContents(), ["battery81"]);
});

chromiumTest("page of a car with two devices is three screens of a phone at most", async (tab) => {
  const { page } = tab;
  await page.setViewportSize(SCREENS.phone);
  const causes = [someCause()];
  const car = someCar("car_1", { health: { state: "degraded", since: Date.now(), causes } });
  await using server = PageServer.start([car]);
  server.details.set("car_1", busyDetail(car));
  await page.goto(`${server.url}#/cars/car_1`);
  await page.getByText("door.open").first().waitFor();
  const { height, width } = await page.evaluate(() => ({
    height: document.documentElement.scrollHeight,
    width: document.documentElement.scrollWidth,
  }));
  assert.ok(height <= 3 * SCREENS.phone.height, `${height} px`);
  assert.ok(width <= SCREENS.phone.width, `${width} px`);
  const broken = await page.locator(".fields dd span").evaluateAll((values) =>
    values.filter((value) => {
      const range = document.createRange();
      range.selectNodeContents(value);
      return new Set([...range.getClientRects()].map(({ top }) => top)).size > 1;
    }).map((value) => value.textContent)
  );
  assert.deepEqual(broken, []);
});

chromiumTest("page makes the rows of 500 cars a few at a time, the worst first", async (tab) => {
  const { page } = tab;
  await page.setViewportSize(SCREENS.phone);
  await watchAdded(tab);
  const cars = Array.from({ length: 500 }, (_, index) => someCar(`car_${index + 1}`));
  await using server = PageServer.start(
    cars.map((car, index) => index === 400 ? someCar(car.car, { state: "ERROR" }) : car),
  );
  server.details.set("car_480", someDetail(someCar("car_480")));
  await page.goto(server.url);
  await page.locator('[data-car="car_500"]').waitFor({ state: "attached" });
  const added = await addedTo(tab);
  assert.ok(Math.max(...added) <= 40, String(added));
  assert.equal(added.reduce((sum, count) => sum + count, 0), 500);
  const names = await page.locator("tbody th").allTextContents();
  assert.deepEqual([names[0], names[1], names.at(-1)], ["car_401", "car_1", "car_500"]);
  // Who comes back from a car far below finds it again, though its row was not made yet.
  await page.goto(`${server.url}#/cars/car_480`);
  await page.getByRole("heading", { name: "car_480", level: 1 }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator('[data-car="car_480"]').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), "car_480");
  assert.deepEqual(tab.complaints, []);
});
