// The demo as a newcomer runs it.
import assert from "node:assert/strict";
import { buildExampleModule } from "../../examples/module/build.ts";
import { TempFolder } from "../support/temp.ts";
import { ProgramProcess } from "./server_process.ts";

Deno.test("demo tells what cars do, and ends by itself with a summary", async () => {
  await using folder = await TempFolder.make();
  const recording = folder.file("recording");
  const args = ["--seconds", "5", "--cars", "2", "--record", recording];
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
