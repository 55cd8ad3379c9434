// Writes docs/page.png, the picture in the README of the page that the demo serves:
// `deno task screenshot`. Needs Chromium.
import { fileURLToPath } from "node:url";
import { ProgramProcess } from "../e2e/server_process.ts";
import { Tab } from "./browser.ts";

const PICTURE = fileURLToPath(new URL("../../docs/page.png", import.meta.url));
/** For how long statuses come before the picture is taken, in milliseconds: long enough for the charts to forget the start. */
const RUN_MS = 100_000;

await using demo = new ProgramProcess(["demo", "--cars", "12"]);
const [url = ""] = /http\S+/.exec(await demo.line(/^Watch it at http/)) ?? [];
await demo.line(/car_12 +connected/);

await using tab = await Tab.open();
await tab.page.setViewportSize({ width: 1280, height: 690 });
await tab.page.goto(url);
await tab.page.waitForTimeout(RUN_MS);
await tab.page.screenshot({ path: PICTURE });
