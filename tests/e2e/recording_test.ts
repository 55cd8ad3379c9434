// The flight recorder as its users know it: what one server wrote, another one replays.
import assert from "node:assert/strict";
import type { EventPage } from "../../src/http/api/schemas.ts";
import type { eventJson } from "../../src/record/mod.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { childrenOf } from "./processes.ts";
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

/** What the command `log` tells. */
async function eventsOf(directory: string): Promise<ReturnType<typeof eventJson>[]> {
  await using log = new ProgramProcess(["log", directory, "--json"]);
  assert.equal((await log.ended()).code, 0, log.text);
  return log.lines.map((line) => JSON.parse(line));
}

mosquittoTest(
  "one log tells of operators, reloads, lost hosts and a crash, and replays over all of them",
  async () => {
    await using stage = await Stage.set();
    await using folder = await TempFolder.make();
    const directory = folder.file("events");
    const setting = {
      cars: { car_1: {}, car_2: {} },
      more: { event_log: { directory }, http: { port: 0 }, state_dir: folder.file("state") },
      options: { record: false },
    };
    const gateways = Object.keys(setting.cars).map((car) =>
      stage.gateway(car, { rate: 20, clocks: { retryMs: 200 } })
    );
    const busy = () =>
      Promise.all(gateways.map(async (gateway) => {
        await gateway.running();
        const { answered } = gateway.stats;
        await waitFor(() => gateway.stats.answered > answered + 5, "answers");
      }));
    {
      const server = await stage.serve(setting);
      const url = await server.operatorsUrl();
      await busy();
      for (const method of ["car.pause", "car.resume"]) {
        const answer = await fetch(`${url}/rpc`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { car: "car_1" } }),
        });
        assert.equal((await answer.json()).error, undefined);
      }
      await waitFor(async () => {
        const query = "kinds=operator.action&cars=car_1";
        const answer = await fetch(`${url}/api/v1/history/events?${query}`);
        const page: EventPage = await answer.json();
        assert.equal(page.source, "log");
        return page.events.length === 2;
      }, "the actions in the API");
      await busy();
      const text = await Deno.readTextFile(server.configFile);
      const changed = { ...JSON.parse(text), timeout: 7 };
      await Deno.writeTextFile(server.configFile, JSON.stringify(changed));
      server.signal("SIGHUP");
      await server.line(/Configuration reloaded/);
      await Deno.writeTextFile(server.configFile, "{}");
      server.signal("SIGHUP");
      await server.line(/Configuration not reloaded/);
      await busy();
      for (const host of await childrenOf(server.pid)) Deno.kill(host, "SIGKILL");
      await server.line(/\(car_1\).*module_lost/);
      await busy();
      await waitFor(async () => {
        const kinds = new Set((await eventsOf(directory)).map(({ kind }) => kind));
        return kinds.has("host.lost") && kinds.has("module.back");
      }, "the batch with what happened");
      server.signal("SIGKILL");
      await server.ended();
    }
    const segment = `${directory}/00000001.rec`;
    await Deno.truncate(segment, (await Deno.stat(segment)).size - 3);
    const server = await stage.serve(setting);
    await server.line(/Cut \d+ bytes off/);
    await busy();
    assert.equal((await server.stop()).code, 0, server.text);

    const events = await eventsOf(directory);
    const of = (...kinds: string[]) => events.filter(({ kind }) => kinds.includes(kind));
    assert.deepEqual(
      of("operator.action").map(({ car, data }) => [car, data.who, data.action, data.result]),
      ["car.pause", "car.resume"].map((action) => ["car_1", "anonymous", action, "done"]),
    );
    assert.deepEqual(
      of("operator.paused", "operator.resumed").map(({ car, kind }) => [car, kind]),
      [["car_1", "operator.paused"], ["car_1", "operator.resumed"]],
    );
    assert.deepEqual(
      of("config.reloaded", "config.refused", "server.started", "server.stopped").map((
        { kind, car },
      ) => [kind, car]),
      [
        ["server.started", null],
        ["config.reloaded", null],
        ["config.refused", null],
        ["server.started", null],
        ["server.stopped", null],
      ],
    );
    assert.match(String(of("config.reloaded")[0]?.data.text), /timeout/);
    const lost = of("host.lost");
    assert.deepEqual([...new Set(lost.map(({ car }) => car))].sort(), ["car_1", "car_2"]);
    assert.equal(lost[0]?.data.signal, "SIGKILL");
    assert.ok(of("module.lost").length >= 2 && of("module.back").length >= 4);
    assert.equal(new Set(events.map(({ id }) => id)).size, events.length);

    await using replayed = new ProgramProcess(["replay", directory]);
    assert.equal((await replayed.ended()).code, 0, replayed.text);
    assert.match(replayed.text, /^2 cars, \d+ turns, 0 cars differ$/);
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
