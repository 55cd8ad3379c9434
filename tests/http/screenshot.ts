// Writes docs/page.png, the picture of the page in the README: `deno task screenshot`. Needs Chromium.
import { fileURLToPath } from "node:url";
import { buildExampleModule } from "../../examples/module/build.ts";
import { configDocument, ProgramProcess } from "../e2e/server_process.ts";
import { freePort } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { Tab } from "./browser.ts";

const PICTURE = fileURLToPath(new URL("../../docs/page.png", import.meta.url));
/** For how long statuses come before the picture is taken, in milliseconds: long enough for the charts to forget the start. */
const RUN_MS = 100_000;

await using folder = await TempFolder.make();
await using module = await buildExampleModule();
const [port, httpPort] = [freePort(), freePort()];
const names = Array.from({ length: 12 }, (_, index) => `shuttle_${index + 1}`);
const cars = Object.fromEntries(names.map((name) => [name, { 1000: { lib_path: module.path } }]));
const document = configDocument({ port, cars, more: { http: { port: httpPort } } });
const config = await folder.write("config.json", JSON.stringify(document));

await using server = new ProgramProcess(["start", config, "--broker"]);
await server.line(/Serving 12 cars/);
// One car stays away; once in a while, another one loses a status and has to begin again.
const faults = ["--rate", "4", "--drop", "0.0007", "--seed", "5"];
await using fleet = new ProgramProcess(["simulate", "-c", config, "--cars", "11", ...faults]);
await fleet.line(/11 of 11 cars/);

await using tab = await Tab.open();
await tab.page.setViewportSize({ width: 1280, height: 690 });
await tab.page.goto(`http://127.0.0.1:${httpPort}/`);
await tab.page.waitForTimeout(RUN_MS);
await tab.page.screenshot({ path: PICTURE });
