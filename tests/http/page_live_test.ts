// The page in a real browser with the real operators' side behind it.
import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { FRONT } from "../car/support.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { StateDirectory } from "../../src/state/state_directory.ts";
import { ListLog } from "../support/list_log.ts";
import { TempFolder } from "../support/temp.ts";
import { chromiumTest, Tab } from "./browser.ts";
import { keyHash } from "../../src/config/resolve/http.ts";
import { Fixture, type FixtureOptions, KEY, TestGateway } from "./fixture.ts";

async function unlock(page: Page, key: string): Promise<void> {
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Open" }).click();
}

chromiumTest("page follows a car through its life, as the server tells it", async (tab) => {
  const { page } = tab;
  await using fixture = (await Fixture.start()).up();
  const answer = await page.goto(fixture.operators.url);
  assert.match(answer?.headers()["content-security-policy"] ?? "", /^default-src 'none'; /);
  await unlock(page, "wrong-wrong-wrong");
  await page.getByRole("alert").filter({ hasText: "The server refused this key" }).waitFor();
  await unlock(page, KEY);
  const row = page.getByRole("row", { name: "car_a" });
  await row.getByText("Waiting", { exact: true }).waitFor();
  const gateway = await new TestGateway(fixture, "car_a").run([FRONT]);
  await row.getByText("Running", { exact: true }).waitFor();
  assert.equal(await row.locator(".devices").textContent(), "1");
  gateway.status(FRONT, '{"speed":7}');
  await settled();
  // The second in which it was answered is told when it is over.
  await waitFor(
    async () => await row.locator(".chart .line").getAttribute("d"),
    "a response in the chart",
  );

  await page.getByRole("link", { name: "car_a" }).click();
  await page.getByRole("heading", { name: "car_a", level: 1 }).waitFor();
  await page.getByRole("region", { name: "Devices" }).getByText("speed").waitFor();
  await page.getByRole("heading", { name: "Last statuses" }).click();
  const statuses = page.getByRole("region", { name: "Last statuses" });
  await statuses.getByText('{"speed":7}', { exact: true }).waitFor();
  await page.getByRole("link", { name: "All cars" }).click();

  await page.getByLabel("Select car_a").check();
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.getByLabel("Reason (optional)").fill("brakes");
  await page.keyboard.press("Enter");
  await page.getByText("Paused: car_a. The server forgets this when it restarts.").waitFor();
  assert.equal(fixture.pauses.get("car_a")?.reason, "brakes");
  await row.getByText(/Paused by api_key \S+: brakes/).waitFor();
  // The log-in outlives the page.
  await page.reload();
  await page.getByLabel("Select car_a").check();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Resume" }).click();
  await row.getByText("Waiting", { exact: true }).waitFor();
  assert.equal(fixture.pauses.get("car_a"), undefined);
  await page.getByRole("link", { name: "Actions" }).click();
  await page.getByRole("row", { name: "fleet.resume" }).waitFor();
  await page.getByRole("link", { name: "All cars" }).click();
  await gateway.run([FRONT], "s2");
  await row.getByText("Running", { exact: true }).waitFor();

  for (const transport of fixture.transports.values()) transport.down();
  await page.getByRole("alert").filter({ hasText: "The broker is away" }).waitFor();
  await row.getByText("No broker", { exact: true }).waitFor();
  await page.locator("[aria-live=polite]").getByText(/^2 cars: /)
    .waitFor({ state: "attached" });
  fixture.up();
  await row.getByText("Waiting", { exact: true }).waitFor();

  await fixture.operators.stop();
  await page.getByRole("alert").filter({ hasText: "No connection to the server" }).waitFor();
  const complaints = tab.complaints.filter((text) => !text.startsWith("Failed to load resource"));
  assert.deepEqual(complaints, []);
});

chromiumTest("page comes back by itself when its screen and the server have been off", async () => {
  await using folder = await TempFolder.make();
  const hash = keyHash(KEY);
  const keys = [{ name: "wall", scope: "read", hash }] as const;
  const http = { apiKey: undefined, keys } as unknown as NonNullable<FixtureOptions["http"]>;
  const serve = async (): Promise<AsyncDisposableStack & { readonly fixture: Fixture }> => {
    const state = new StateDirectory({ path: folder.file("state"), log: new ListLog() });
    await state.open();
    const stack = new AsyncDisposableStack();
    stack.defer(() => state.stop());
    return Object.assign(stack, { fixture: stack.use(await Fixture.start({ http, state })) });
  };
  {
    await using server = await serve();
    await using tab = await Tab.withProfile(folder.file("profile"));
    await tab.page.goto(server.fixture.operators.url);
    await unlock(tab.page, KEY);
    await tab.page.getByRole("row", { name: "car_a" }).waitFor();
  }
  await using server = await serve();
  await using tab = await Tab.withProfile(folder.file("profile"));
  await tab.page.goto(server.fixture.operators.url);
  await tab.page.getByRole("row", { name: "car_a" }).waitFor();
  await tab.page.getByRole("button", { name: "Log out" }).click();
  await tab.page.getByLabel("API key").waitFor();
});
