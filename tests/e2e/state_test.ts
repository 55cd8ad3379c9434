// What operators did, as they find it after a restart of the server.
import assert from "node:assert/strict";
import { keyHash } from "../../src/config/resolve/http.ts";
import type { CarDetail } from "../../src/http/api/schemas.ts";
import type { LogInView } from "../../src/http/access/log_in_routes.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import type { ServerProcess } from "./server_process.ts";
import { PATIENT, Stage } from "./stage.ts";

const CAR = "car_1";
const WALL = "the-key-of-the-wall-screen";
const DESK = "the-key-of-the-dispatcher";

const keys = (...names: ("wall" | "desk")[]) => {
  const all = {
    wall: { scope: "read", hash: keyHash(WALL) },
    desk: { scope: "operate", hash: keyHash(DESK) },
  };
  return Object.fromEntries(names.map((name) => [name, all[name]]));
};

function ask(url: string, path: string, init: RequestInit = {}): Promise<Response> {
  return waitFor(fetch(`${url}${path}`, init), `an answer to ${path}`);
}

async function act(url: string, verb: string, reason?: string): Promise<CarDetail> {
  const answer = await ask(url, `/api/v1/cars/${CAR}/${verb}`, {
    method: "POST",
    headers: { authorization: `Bearer ${DESK}`, "content-type": "application/json" },
    body: JSON.stringify({ reason }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return await answer.json() as CarDetail;
}

async function carOf(url: string, cookie: string): Promise<CarDetail> {
  const answer = await ask(url, `/api/v1/cars/${CAR}`, { headers: { cookie } });
  assert.equal(answer.status, 200, await answer.clone().text());
  return await answer.json() as CarDetail;
}

/** Changes a running server's configuration, and has it read again. */
async function reload(server: ServerProcess, change: (document: never) => unknown): Promise<void> {
  const document = JSON.parse(await Deno.readTextFile(server.configFile));
  change(document as never);
  await Deno.writeTextFile(server.configFile, JSON.stringify(document));
  server.signal("SIGHUP");
  await server.line(/Configuration reloaded: /);
}

mosquittoTest(
  "a car stays paused and a wall screen logged in over kills, restarts and a time without HTTP",
  async () => {
    await using stage = await Stage.set();
    await using folder = await TempFolder.make();
    const state = { state_dir: folder.file("state") };
    const more = { ...state, http: { port: 0, keys: keys("wall", "desk") } };
    const gateway = stage.gateway(CAR, { clocks: { ...PATIENT, retryMs: 200 } });
    let cookie = "";
    {
      const server = await stage.serve({ cars: { [CAR]: {} }, more });
      const url = await server.operatorsUrl();
      const headers = { authorization: `Bearer ${WALL}` };
      const login = await ask(url, "/login", { method: "POST", headers });
      assert.equal((await login.json() as LogInView).scope, "read");
      [cookie = ""] = (login.headers.get("set-cookie") ?? "").split(";");
      await gateway.running();
      const paused = await act(url, "pause", "brakes");
      assert.deepEqual([paused.pause?.by, paused.pause?.kept], ["desk", true]);
      await server.line(
        /\(car_1\)\tOperator "desk" from 127\.0\.0\.1: car\.pause of car_1 \(brakes\): done/,
      );
      // What was answered is on the disk.
      server.signal("SIGKILL");
      await server.ended();
    }
    {
      const off = await stage.serve({ cars: { [CAR]: {} }, more: state });
      await off.line(/\(car_1\)\tStill paused: by "desk" since .* UTC: brakes/);
      assert.equal((await off.stop()).code, 0, off.text);
    }
    const server = await stage.serve({ cars: { [CAR]: {} }, more });
    const url = await server.operatorsUrl();
    const found = await carOf(url, cookie);
    assert.deepEqual([found.paused, found.pause?.by, found.pause?.reason], [
      true,
      "desk",
      "brakes",
    ]);
    const list = await ask(url, "/api/v1/audit", { headers: { cookie } });
    const actions = await list.json() as readonly { readonly action: string }[];
    assert.deepEqual(actions.map(({ action }) => action), ["car.pause", "log_in"]);
    assert.equal(server.lines.some((line) => /Connect sequence done/.test(line)), false);
    await act(url, "resume");
    await server.line(/Connect sequence done/);

    const stream = await ask(url, "/api/v1/events", { headers: { cookie } });
    await reload(server, ({ http }: { http: { keys: unknown } }) => http.keys = keys("desk"));
    await server.line(/http\.keys wall \(read\), desk \(operate\) -> desk \(operate\)/);
    await waitFor(stream.text(), "the end of the stream");
    const refused = await ask(url, "/api/v1/cars", { headers: { cookie } });
    await refused.body?.cancel();
    assert.equal(refused.status, 401);
    assert.equal((await server.stop()).code, 0, server.text);
  },
);

mosquittoTest("a server leaves a state directory alone that another one uses", async () => {
  await using stage = await Stage.set();
  await using folder = await TempFolder.make();
  const more = { state_dir: folder.path };
  const first = await stage.serve({ cars: { [CAR]: {} }, more });
  await assert.rejects(
    stage.serve({ cars: { car_2: {} }, more }).then(() => {}),
    /Cannot keep state in ".*": another server uses it; make it a directory .* give state_dir/,
  );
  assert.equal((await first.stop()).code, 0, first.text);
  await stage.serve({ cars: { car_2: {} }, more });
});

mosquittoTest("a server whose pauses cannot be read does not start, and says why", async () => {
  await using stage = await Stage.set();
  await using folder = await TempFolder.make();
  const file = await folder.write("pauses.json", '{"format": 1, "pauses": {"car_1": 7}}');
  const serving = stage.serve({ cars: { [CAR]: {} }, more: { state_dir: folder.path } });
  await assert.rejects(serving.then(() => {}), ({ message }: Error) => {
    assert.match(
      message,
      /Cannot read ".*pauses\.json": pauses\.car_1: .*; repair it, or remove it/,
    );
    return !/\n\s+at /.test(message.slice(message.indexOf(file)).split("printed")[0] ?? "");
  });
});

mosquittoTest(
  "a server starts without documents that are damaged, and keeps them aside",
  async () => {
    await using stage = await Stage.set();
    await using folder = await TempFolder.make();
    for (const name of ["history.json", "actions.json", "log_ins.json"]) {
      await folder.write(name, '{"format": 1, "cut of');
    }
    const more = { state_dir: folder.path, http: { port: 0, keys: keys("desk") } };
    const server = await stage.serve({ cars: { [CAR]: {} }, more });
    for (const name of ["history", "actions", "log_ins"]) {
      const path = folder.file(`${name}.json`);
      await server.line(
        new RegExp(
          `Cannot read "${path}": not JSON\\. Renamed it to "${path}\\.set-aside", and goes on`,
        ),
      );
    }
    const paused = await act(await server.operatorsUrl(), "pause", "still works");
    assert.equal(paused.pause?.kept, true);
    assert.equal((await server.stop()).code, 0, server.text);
  },
);
