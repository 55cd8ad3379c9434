// The demo as a newcomer runs it.
import assert from "node:assert/strict";
import { buildExampleModule } from "../../examples/module/build.ts";
import { TempFolder } from "../support/temp.ts";
import { freePort } from "../support/mosquitto.ts";
import { ProgramProcess, ServerProcess } from "./server_process.ts";

Deno.test("demo shows each hop from a button to its LED and back", async () => {
  await using demo = new ProgramProcess(["demo", "--cars", "2"]);
  const lit = '\\{"lit":true\\}';
  const hops = [
    '"button" tells its gateway: \\{"pressed":true\\}',
    'gateway reports "button" to the cloud: \\{"pressed":true\\}',
    'status of "button" forwarded to the module in [\\d.]+ ms: \\{"pressed":true\\}',
    `command for "led" sent: ${lit}`,
    'gateway keeps the command until "led" asks',
    '"led" is lit',
    `gateway reports "led" to the cloud: ${lit}`,
    `status of "led" forwarded to the module in [\\d.]+ ms: ${lit}`,
  ];
  for (const car of ["car_1", "car_2"]) {
    for (const hop of hops) await demo.line(new RegExp(`${car} +${hop}`));
    const places = hops.map((hop) => demo.text.search(new RegExp(`${car} +${hop}`)));
    assert.deepEqual(places, places.toSorted((a, b) => a - b), demo.text);
  }
  const [, gateway = ""] = /car_2 +its gateway: (\S+)$/m.exec(demo.text) ?? [];
  const view = await (await fetch(`${gateway}api/v1/gateway`)).json();
  const ids = view.devices.map(({ id }: { id: string }) => id);
  assert.deepEqual(ids.sort(), ["1000/0/front", "1000/1/front"]);
  const { code } = await demo.stop();
  assert.equal(code, 0, demo.text);
  assert.match(demo.text, /2 cars, [1-9]\d* statuses forwarded, [1-9]\d* commands sent, [1-9]/);
});

Deno.test("demo --native tells what simulated cars do, and ends by itself with a summary", async () => {
  await using folder = await TempFolder.make();
  const recording = folder.file("recording");
  const args = ["--native", "--seconds", "5", "--cars", "2", "--event-log", recording];
  await using demo = new ProgramProcess(["demo", ...args]);
  const { code } = await demo.ended();
  assert.equal(code, 0, demo.text);
  for (const car of ["car_1", "car_2"]) {
    assert.match(demo.text, new RegExp(`${car} +connected: 2 devices`));
    assert.match(
      demo.text,
      new RegExp(`${car} +command for "led" sent: \\{"lit": (true|false)\\}`),
    );
    assert.match(demo.text, new RegExp(`${car} +"led" has the command; acknowledged`));
    assert.match(demo.text, new RegExp(`${car} +status of "(button|led)" forwarded`));
  }
  assert.match(
    demo.text,
    /2 cars, [1-9]\d* statuses forwarded, [1-9]\d* commands sent, [1-9]\d* acknowledged, slowest/,
  );
  await using replayed = new ProgramProcess(["replay", recording, "--print", "--car", "car_1"]);
  assert.equal((await replayed.ended()).code, 0, replayed.text);
  assert.match(replayed.text, /car_1 {2}INFO +Connect sequence done, 2 of 2 devices connected/);
  assert.match(replayed.text, /Session ended: stopped[^]*1 cars, [1-9]\d+ turns, 0 cars differ$/);
});

Deno.test("demo prints the address of its page first, and the page has its cars", async () => {
  await using demo = new ProgramProcess(["demo", "--cars", "2"]);
  await demo.line(/car_2 +status of "button" forwarded/);
  const [, url = ""] = /^Watch it at (http:\/\/127\.0\.0\.1:\d+\/)$/.exec(demo.lines[0] ?? "") ??
    [];
  const page = await fetch(url);
  assert.equal(page.status, 200, demo.text);
  assert.match(await page.text(), /<!doctype html>/i);
  const cars = await (await fetch(`${url}api/cars`)).text();
  assert.match(cars, /"car_1"[^]*"car_2"/);
  assert.equal((await demo.stop()).code, 0, demo.text);
});

Deno.test("simulate sends statuses that the example module accepts", async () => {
  await using module = await buildExampleModule();
  const port = freePort();
  const cars = { car_a: { "1000": { lib_path: module.path } } };
  await using server = await ServerProcess.start({ port, cars }, { args: ["--broker"] });
  await server.line(/\(car_a\)\tState \w+ is now CONNECTED/);
  const args = ["-c", server.configFile, "--devices", "2", "--device-types", "0,1"];
  await using simulator = new ProgramProcess(["simulate", ...args, "--rate", "20", "--json"]);
  await simulator.line(/1 of 1 cars .* commands [1-9]/);
  const { code } = await simulator.stop();
  assert.equal(code, 0, simulator.text);
  assert.doesNotMatch(server.text, /forward_status|not forwarded|refused/i);
  assert.equal((await server.stop()).code, 0);
});

Deno.test("demo runs until it is interrupted", async () => {
  await using demo = new ProgramProcess(["demo", "--cars", "1"]);
  await demo.line(/car_1 +connected/);
  demo.signal("SIGINT");
  assert.equal((await demo.ended()).code, 0, demo.text);
  assert.match(demo.text, /1 cars?, /);
});

Deno.test("demo says what to install without a C compiler", async () => {
  await using folder = await TempFolder.make();
  const options = { compiler: `${folder.path}/cc`, folder: folder.path };
  await assert.rejects(buildExampleModule(options), /there is no C compiler, install one/);
});

Deno.test("buildExampleModule() leaves nothing where its folder cannot be written", async () => {
  await using folder = await TempFolder.make();
  const occupied = await folder.write("build", "");
  const module = await buildExampleModule({ folder: occupied });
  assert.ok((await Deno.stat(module.path)).size > 0);
  await module[Symbol.asyncDispose]();
  await assert.rejects(Deno.stat(module.path), Deno.errors.NotFound);
});
