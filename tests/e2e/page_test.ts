// What operators get over HTTP from the program itself: the page with all its files, and its health.
import assert from "node:assert/strict";
import { buildFixtures } from "../fixtures/build.ts";
import { freePort } from "../support/mosquitto.ts";
import { ProgramProcess, ServerProcess } from "./server_process.ts";

Deno.test("start serves the page with all its files, and tells its health", async () => {
  const { module } = await buildFixtures();
  const port = freePort();
  const cars = { car_a: { "1000": { lib_path: module } } };
  const config = { port: freePort(), cars, more: { http: { port } } };
  await using server = await ServerProcess.start(config, { args: ["--broker"] });
  await server.line(/\(car_a\)\tState \w+ is now CONNECTED/);
  const url = `http://127.0.0.1:${port}`;
  const page = await fetch(`${url}/`);
  const html = await page.text();
  assert.equal(page.status, 200, html);
  const files = [...html.matchAll(/(?:src|href)="\.?\/?([\w.-]+\.(?:js|css|svg))"/g)];
  assert.ok(files.length >= 2, html);
  for (const [, name = ""] of files) {
    const file = await fetch(`${url}/${name}`);
    assert.equal(file.status, 200, name);
    assert.ok((await file.text()).length > 0, name);
  }
  await using health = new ProgramProcess(["health", "--url", `${url}/healthz`]);
  assert.equal((await health.ended()).code, 0, health.text);
  assert.equal((await server.stop()).code, 0);
});
