// The flight recorder as its users know it: what one server wrote, another one replays.
import assert from "node:assert/strict";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { ProgramProcess } from "./server_process.ts";
import { Stage } from "./stage.ts";

mosquittoTest(
  "a recording survives a kill, goes on with the next server, and replays",
  async () => {
    await using stage = await Stage.set();
    await using folder = await TempFolder.make();
    const directory = folder.file("recording");
    const setting = {
      cars: { car_1: {} },
      more: { event_log: { directory } },
      options: { record: false },
    };
    const gateway = stage.gateway("car_1");
    {
      const server = await stage.serve(setting);
      await gateway.running();
      const segment = `${directory}/00000001.rec`;
      await waitFor(async () => (await Deno.stat(segment)).size > 500, "the first batches");
      server.signal("SIGKILL");
      await server.ended();
    }
    const server = await stage.serve(setting);
    // Until it is told, the gateway stays in its old session.
    await server.line(/Connect sequence done/);
    const [device] = gateway.devices;
    assert.ok(device);
    for (let index = 0; index < 20; index++) await gateway.send(device, "{}");
    assert.equal((await server.stop()).code, 0, server.text);
    await using replayed = new ProgramProcess(["replay", directory, "--print"]);
    assert.equal((await replayed.ended()).code, 0, replayed.text);
    const connected = /Connect sequence done, \d+ of \d+ devices connected/g;
    assert.ok((replayed.text.match(connected) ?? []).length >= 1, replayed.text);
    assert.match(replayed.text, /Session ended: stopped/);
    const [, turns] = /1 cars, (\d+) turns, 0 cars differ$/.exec(replayed.text) ?? [];
    assert.ok(Number(turns) > 50, replayed.text);
  },
);

mosquittoTest("a recorder whose directory cannot be made keeps no car waiting", async () => {
  await using stage = await Stage.set();
  await using folder = await TempFolder.make();
  const file = await folder.write("file", "");
  const more = { event_log: { directory: `${file}/recording` } };
  const server = await stage.serve({ cars: { car_1: {} }, more, options: { record: false } });
  const gateway = stage.gateway("car_1");
  await gateway.running();
  assert.match(
    server.text,
    /\[ERROR\].*Cannot write the event log in ".*\/recording", cars go on, retrying/,
  );
  assert.equal((await server.stop()).code, 0, server.text);
});
