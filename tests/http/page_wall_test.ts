// The wall: all cars on a large screen that nobody touches.
/// <reference lib="dom" />
import assert from "node:assert/strict";
import { addedTo, chromiumTest, watchAdded } from "./browser.ts";
import { PageServer, someCar, someCause, someFleet } from "./page_server.ts";

const LARGE = { width: 1920, height: 1080 };

/** A car without a module. */
function downCar(car: string) {
  const causes = [someCause({ text: `Module 7 of ${car} away`, severity: "down" })];
  return someCar(car, { state: "ERROR", health: { state: "down", since: Date.now(), causes } });
}

chromiumTest(
  "wall shows all cars, the worst first, with a clock and without controls",
  async (tab) => {
    const { page } = tab;
    await page.setViewportSize({ width: 1920, height: 1080 });
    const cars = ["car_1", "car_2", "car_3"].map((car) => someCar(car));
    await using server = PageServer.start(cars);
    await page.goto(server.url);
    await page.getByRole("link", { name: "Wall" }).click();
    const list = page.getByRole("list", { name: "Cars, the worst first" });
    const names = () => list.locator("b").allTextContents();
    await list.getByText("car_3").waitFor();
    assert.deepEqual(await names(), ["car_1", "car_2", "car_3"]);
    const causes = [someCause({ text: "Module 7 away", severity: "down" })];
    const health = { state: "down", since: Date.now(), causes } as const;
    server.sendCar(someCar("car_2", { state: "ERROR", health }));
    await list.getByText("Module 7 away; heard now").waitFor();
    assert.deepEqual(await names(), ["car_2", "car_1", "car_3"]);
    const sums = page.getByRole("list", { name: "Cars by state" });
    assert.deepEqual(await sums.locator("li").allTextContents(), [" 1 No modules", " 2 Running"]);
    assert.match(await page.locator(".time").textContent() ?? "", /^\d\d:\d\d:\d\d/);
    assert.equal(await page.locator("button:visible, input:visible, header:visible").count(), 0);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      assert.deepEqual(await tab.violations(), [], colorScheme);
    }
    // A car that leaves the configuration leaves the wall.
    server.send({ type: "fleet", ...someFleet([someCar("car_4"), someCar("car_1")]) });
    await list.getByText("car_4").waitFor();
    assert.deepEqual(await names(), ["car_1", "car_4"]);
    await server.stop();
    await page.getByRole("alert").filter({ hasText: "No connection to the server" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("row", { name: "car_4" }).waitFor();
  },
);

chromiumTest("wall has room for two dozen cars that are down, in smaller type", async (tab) => {
  const { page } = tab;
  await page.setViewportSize(LARGE);
  const names = Array.from({ length: 24 }, (_, index) => `car_${index + 1}`);
  await using server = PageServer.start(names.map(downCar));
  await page.goto(`${server.url}#/wall`);
  const list = page.getByRole("list", { name: "Cars, the worst first" });
  await list.getByText("Module 7 of car_24 away").waitFor();
  assert.deepEqual(await list.locator("li:visible b").allTextContents(), names);
  assert.equal(await page.locator(".more:visible").count(), 0);
  assert.ok(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight));
});

chromiumTest("wall counts the cars that it has no room for, and never scrolls", async (tab) => {
  const { page } = tab;
  await page.setViewportSize({ width: 1280, height: 720 });
  await watchAdded(tab);
  const names = Array.from({ length: 500 }, (_, index) => `car_${index + 1}`);
  await using server = PageServer.start(
    names.map((car, index) => index < 300 ? someCar(car) : downCar(car)),
  );
  await page.goto(`${server.url}#/wall`);
  const list = page.getByRole("list", { name: "Cars, the worst first" });
  const more = page.locator(".more");
  await more.waitFor();
  const added = await addedTo(tab);
  assert.ok(Math.max(...added) <= 40, String(added));
  const shown = () => list.locator("li:visible b").allTextContents();
  const few = await shown();
  assert.ok(few.length > 12);
  assert.deepEqual(few, names.slice(300, 300 + few.length));
  const words = (count: number) =>
    `and ${500 - count} more: ${200 - count} No modules, 300 Running`;
  assert.equal(await more.textContent(), words(few.length));
  assert.ok(await page.evaluate(() => document.documentElement.scrollHeight <= innerHeight));
  // No car is cut off at the lower edge.
  assert.ok(
    await list.evaluate((element) => {
      const { bottom } = element.getBoundingClientRect();
      return [...element.children].every((tile) => tile.getBoundingClientRect().bottom <= bottom);
    }),
  );
  await page.setViewportSize(LARGE);
  await list.getByText(`Module 7 of car_${301 + few.length} away`).waitFor();
  const many = await shown();
  assert.deepEqual(many, names.slice(300, 300 + many.length));
  assert.equal(await more.textContent(), words(many.length));
  assert.deepEqual(await tab.violations(), []);
  assert.deepEqual(tab.complaints, []);
});
