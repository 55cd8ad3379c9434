// The map of the page: where the cars are.
/// <reference lib="dom" />
import assert from "node:assert/strict";
import type { CarSummary } from "../../src/http/api/schemas.ts";
import { addedTo, chromiumTest, type Tab, watchAdded } from "./browser.ts";
import { NO_RATES, PageServer, someCar, someCause, someFleet } from "./page_server.ts";

const PHONE = { width: 360, height: 740 };

function at(latitude: number, longitude: number) {
  return { latitude, longitude, at: Date.now(), device: "7/0/gps" };
}

function degraded(): Pick<CarSummary, "health"> {
  return { health: { state: "degraded", since: Date.now(), causes: [someCause()] } };
}

function fleet(): CarSummary[] {
  return [
    someCar("car_1", { position: at(50, 14) }),
    someCar("car_2", { position: at(50.002, 14.004), ...degraded() }),
    someCar("car_3"),
  ];
}

/** Where the middle of a car's mark is. */
async function middleOf({ page }: Tab, car: string): Promise<{ x: number; y: number }> {
  const box = await page.locator(`.mark[data-car="${car}"] .icon`).boundingBox();
  assert.ok(box !== null);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

chromiumTest("map shows where cars are and were, in their color, and as a list", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start(fleet());
  server.tracks = [{ car: "car_1", points: [[49.999, 13.999], [50, 14]] }];
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(server.url);
  await page.getByRole("link", { name: "Map" }).click();
  const list = page.getByRole("list", { name: "Cars, the worst first" });
  await list.getByText("50.00000, 14.00000").waitFor();
  assert.deepEqual(await list.locator("li > a").allTextContents(), ["car_2", "car_1"]);
  await page.getByText("1 car without a position").waitFor();
  await page.locator(".tracks path[d^=M]").waitFor({ state: "attached" });
  const marks = page.locator(".mark");
  assert.deepEqual(
    await marks.evaluateAll((all) => all.map((it) => it.getAttribute("data-condition"))),
    ["degraded", "running"],
  );
  const [first, second] = [await middleOf(tab, "car_1"), await middleOf(tab, "car_2")];
  assert.ok(second.x > first.x && second.y < first.y, "car_2 is northeast of car_1");
  assert.ok(asked.every((url) => url.startsWith(server.url)), String(asked));
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await tab.violations(), [], colorScheme);
  }
  await page.locator('.mark[data-car="car_2"] .icon').click();
  await page.getByRole("heading", { name: "car_2", level: 1 }).waitFor();
  assert.deepEqual(tab.complaints.filter((it) => !it.includes("404")), []);
});

chromiumTest(
  "map follows a car as it drives, and a car that tells its first position",
  async (tab) => {
    const { page } = tab;
    await page.setViewportSize(PHONE);
    await using server = PageServer.start(fleet());
    await page.goto(`${server.url}#/map`);
    const list = page.getByRole("list", { name: "Cars, the worst first" });
    await list.getByText("50.00000, 14.00000").waitFor();
    const positions = { car_1: at(50.001, 14.0005), car_3: at(50.01, 14.02) };
    const nothing = { fleet: NO_RATES, cars: {}, heardAt: {} };
    server.send({ type: "rates", at: Date.now(), ...nothing, positions });
    await list.getByText("50.00100, 14.00050").waitFor();
    await list.getByText("50.01000, 14.02000").waitFor();
    await page.locator('.mark[data-car="car_3"]').waitFor();
    const box = await page.locator(".map-area").boundingBox();
    assert.ok(box !== null);
    const isInside = async () => {
      const { x, y } = await middleOf(tab, "car_3");
      return x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height;
    };
    while (!await isInside()) {
      await page.evaluate(() => new Promise(requestAnimationFrame));
    }
    server.sendCar({ ...fleet()[0], ...degraded() } as CarSummary);
    await page.locator('.mark[data-car="car_1"][data-condition="degraded"]').waitFor();
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= PHONE.width, `${width} px`);
    assert.deepEqual(await tab.violations(), []);
    assert.deepEqual(tab.complaints, []);
  },
);

chromiumTest("map is moved and zoomed by keyboard, buttons and mouse", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start(fleet());
  await page.goto(`${server.url}#/map`);
  const mark = page.locator('.mark[data-car="car_1"]');
  await mark.waitFor();
  const changed = async (act: () => Promise<void>) => {
    const before = await mark.getAttribute("style");
    await act();
    await page.waitForFunction(
      (before) =>
        document.querySelector('.mark[data-car="car_1"]')?.getAttribute("style") !== before,
      before,
    );
  };
  await page.waitForFunction(() => {
    const style = document.querySelector('.mark[data-car="car_1"]')?.getAttribute("style") ?? "";
    return style.includes("left");
  });
  const scale = page.locator(".map-scale");
  const before = await scale.textContent();
  const start = await middleOf(tab, "car_1");
  await page.locator(".map-area").focus();
  await changed(() => page.keyboard.press("ArrowRight"));
  assert.ok(Math.abs((await middleOf(tab, "car_1")).x - start.x + 80) < 2);
  for (let press = 0; press < 4; press++) await changed(() => page.keyboard.press("+"));
  assert.notEqual(await scale.textContent(), before);
  await changed(() => page.getByRole("button", { name: "Show all cars" }).click());
  assert.equal(await scale.textContent(), before);
  await changed(() => page.getByRole("button", { name: "Zoom in" }).click());
  await changed(() => page.getByRole("button", { name: "Zoom out" }).click());
  await changed(() => page.getByRole("button", { name: "Center the map on car_2" }).click());
  await page.keyboard.press("Escape");
  await page.getByRole("row", { name: "car_1" }).waitFor();
});

chromiumTest("map drags with a finger or a mouse, and a drag opens no car", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start(fleet());
  await page.goto(`${server.url}#/map`);
  await page.locator('.mark[data-car="car_1"][style*="left"]').waitFor();
  const { x, y } = await middleOf(tab, "car_1");
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + 100, y - 50, { steps: 4 });
  await page.mouse.up();
  await page.waitForFunction((x) => {
    const icon = document.querySelector('.mark[data-car="car_1"] .icon');
    const { left, width } = icon?.getBoundingClientRect() ?? { left: 0, width: 0 };
    return Math.abs(left + width / 2 - x - 100) < 2;
  }, x);
  assert.equal(new URL(page.url()).hash, "#/map");
});

chromiumTest(
  "map asks a tile server only when one is configured, and nothing else of it",
  async (tab) => {
    const { page } = tab;
    await using server = PageServer.start(fleet());
    const tiles: string[] = [];
    await page.route("https://tile.example.org/**", async (route) => {
      tiles.push(new URL(route.request().url()).pathname);
      const body = '<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256"/>';
      await route.fulfill({ contentType: "image/svg+xml", body });
    });
    await page.goto(`${server.url}#/map`);
    await page.locator('.mark[data-car="car_1"][style*="left"]').waitFor();
    assert.deepEqual(tiles, []);
    // A reload of the configuration reaches pages that are open.
    server.map = { tiles: "https://tile.example.org/{z}/{x}/{y}.png", attribution: "Maps Ltd" };
    server.send({ type: "fleet", ...someFleet(server.cars, { map: server.map }) });
    await page.getByText("Maps Ltd").waitFor();
    const image = page.locator(".map-tiles img").first();
    await image.waitFor({ state: "attached" });
    await page.waitForFunction(() =>
      [...document.querySelectorAll<HTMLImageElement>(".map-tiles img")].some((it) =>
        it.naturalWidth > 0
      )
    );
    assert.ok(tiles.length > 0);
    for (const path of tiles) assert.match(path, /^\/\d+\/\d+\/\d+\.png$/);
    // Other hosts stay out, and so does everything that is no image.
    const refused = await page.evaluate(async () => {
      const load = (src: string) =>
        new Promise((resolve) => {
          const image = new Image();
          image.onload = () => resolve("loaded");
          image.onerror = () => resolve("refused");
          image.src = src;
        });
      const fetched = fetch("https://tile.example.org/1/0/0.png").then(
        () => "loaded",
        () => "refused",
      );
      return await Promise.all([load("https://other.example.org/1/0/0.png"), fetched]);
    });
    assert.deepEqual(refused, ["refused", "refused"]);
  },
);

chromiumTest("map of 500 cars has dots for those that run, and comes in slices", async (tab) => {
  const { page } = tab;
  await page.setViewportSize(PHONE);
  await watchAdded(tab);
  const cars = Array.from({ length: 500 }, (_, index) =>
    someCar(`car_${index + 1}`, {
      position: at(50 + (index % 25) / 1000, 14 + Math.floor(index / 25) / 1000),
      ...(index % 100 === 50 ? degraded() : {}),
    }));
  await using server = PageServer.start(cars);
  await page.goto(`${server.url}#/map`);
  await page.locator('.map-cars [data-car="car_500"]').waitFor({ state: "attached" });
  const added = await addedTo(tab);
  assert.ok(Math.max(...added) <= 80, String(added));
  const marked = page.locator(".mark");
  assert.equal(await marked.count(), 5);
  const dots = page.locator('.dots [data-condition="running"]');
  await page.waitForFunction(() =>
    document.querySelector('.dots [data-condition="running"]')?.getAttribute("d")?.match(/M/g)
      ?.length === 495
  );
  // Whoever points at a dot learns its name, and can open the car.
  const [, left = "0", top = "0"] =
    /^M([\d.]+) ([\d.]+)/.exec(await dots.getAttribute("d") ?? "") ??
      [];
  const box = await page.locator(".map-area").boundingBox();
  assert.ok(box !== null);
  await page.mouse.move(box.x + Number(left), box.y + Number(top));
  const name = page.locator(".hover");
  await name.waitFor();
  const car = await name.textContent();
  await page.mouse.down();
  await page.mouse.up();
  await page.getByRole("heading", { name: car ?? "", level: 1 }).waitFor();
});

chromiumTest("map says what is missing where no car tells its position", async (tab) => {
  const { page } = tab;
  await using server = PageServer.start([someCar("car_1")]);
  await page.goto(`${server.url}#/map`);
  await page.getByText("No car has told its position yet").waitFor();
  assert.deepEqual(await tab.violations(), []);
  // The first one that comes is shown as near as one needs to see it.
  const nothing = { fleet: NO_RATES, cars: {}, heardAt: {} };
  const positions = { car_1: at(50, 14) };
  server.send({ type: "rates", at: Date.now(), ...nothing, positions });
  await page.locator(".map-scale").getByText(/^\d+\u00a0m$/).waitFor();
  await page.getByText("No car has told its position yet").waitFor({ state: "hidden" });
  await page.keyboard.press("Escape");
  await page.getByRole("row", { name: "car_1" }).waitFor();
});
