// Commands as their users follow them: what became of each, over refusals, silence, reconnects and kills.
import assert from "node:assert/strict";
import type { LedgerCommandView } from "../../src/http/api/commands.ts";
import { CommandLedger } from "../../src/ledger/mod.ts";
import { replay } from "../../src/record/replay.ts";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import type { ServerProcess } from "./server_process.ts";
import { Stage } from "./stage.ts";

const decoder = new TextDecoder();

/** Waits until the log says that the command with this data has come to a state; asks the API then. */
async function became(
  server: ServerProcess,
  directory: string,
  wanted: { readonly car: string; readonly text: string; readonly state: string },
): Promise<LedgerCommandView> {
  const { car, text, state } = wanted;
  // The API limits how often it can be asked.
  const ledger = new CommandLedger(directory);
  let id: string | undefined;
  await waitFor(async () => {
    const page = await ledger.list({ car, limit: 500 });
    const command = page?.commands.find(({ data }) => decoder.decode(data) === text);
    id = command?.id;
    return command?.changes.at(-1)?.state === state;
  }, `"${text}" to be ${state}`);
  const path = `/api/v1/commands/${encodeURIComponent(id ?? "")}`;
  const command = await (await fetch(`${await server.operatorsUrl()}${path}`)).json();
  assert.deepEqual([command.car, command.data.text, command.state], [car, text, state]);
  return command;
}

const states = ({ changes }: LedgerCommandView) => changes.map(({ state }) => state);

mosquittoTest(
  "what became of each command is told over refusals, silent gateways, reconnects and a kill",
  async () => {
    await using stage = await Stage.set();
    await using folder = await TempFolder.make();
    const directory = folder.file("events");
    const setting = {
      cars: { car_1: { echo: 1 }, car_2: { echo: 1 } },
      module: { command_policy: { ttl_s: 600, redeliver: 1000 } },
      more: { event_log: { directory }, http: { port: 0 }, timeout: 5 },
      options: { record: false },
    };
    const refusing = stage.gateway("car_1", {
      answerType: ({ commandData }) => decoder.decode(commandData) === "bad" ? 3 : 0,
    });
    // It answers the commands of its connect sequence, and none after it.
    const silent = stage.gateway("car_2", { answers: "connecting" });
    const told: LedgerCommandView[] = [];
    {
      const server = await stage.serve(setting);
      await refusing.running();
      const [device] = refusing.devices;
      assert.ok(device);
      await refusing.send(device, "good");
      await refusing.send(device, "bad");
      const good = await became(server, directory, {
        car: "car_1",
        text: "good",
        state: "accepted",
      });
      assert.deepEqual(states(good), ["popped", "sent", "accepted"]);
      const bad = await became(server, directory, { car: "car_1", text: "bad", state: "refused" });
      assert.deepEqual(states(bad), ["popped", "sent", "refused"]);
      assert.equal(bad.changes[2]?.why, "INVALID_COMMAND");
      assert.match(bad.id, /^acme\/car_1\/\d+\/\d+$/);

      await silent.running();
      const [other] = silent.devices;
      assert.ok(other);
      await silent.send(other, "again");
      const again = await became(server, directory, {
        car: "car_2",
        text: "again",
        state: "accepted",
      });
      assert.deepEqual(states(again).slice(0, 3), ["popped", "sent", "queued"]);
      assert.equal(again.changes[2]?.why, "session_ended");
      const sessions = again.changes.flatMap(({ state, sessionId }) =>
        state === "sent" ? [sessionId] : []
      );
      assert.ok(sessions.length > 1 && new Set(sessions).size === sessions.length);
      told.push(good, bad, again);
      server.signal("SIGKILL");
      await server.ended();
    }
    const server = await stage.serve(setting);
    for (const before of told) {
      const { car, data: { text }, state } = before;
      assert.deepEqual(await became(server, directory, { car, text, state }), before);
    }
    assert.equal((await server.stop()).code, 0, server.text);
    const cars = await replay(directory);
    assert.equal(cars.size, 2);
    for (const [car, { first }] of cars) assert.equal(first, null, car);
  },
);
