// Statuses that could not be sent, kept on the disk and offered afterwards [GATEWAY-HISTORY].
import assert from "node:assert/strict";
import { historyTopic } from "../../src/module_gateway/mod.ts";
import { HistoryFiles } from "../../src/module_gateway/history_files.ts";
import { openStream } from "../../src/net/link_stream.ts";
import { createClient } from "../../src/transport/mqtt/client.ts";
import { COMPANY } from "../e2e/server_process.ts";
import { BUTTON, bytes } from "../internal_server/support.ts";
import { FakeMqttServer } from "../simulator/fake_server.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { endpoint, modulesOf, say, ScriptedModule, Stage } from "./support.ts";

interface Event {
  readonly id: string;
  readonly at: string;
  readonly device: Readonly<Record<string, unknown>>;
  readonly status: string;
}

/** Hears the history of a car. */
class Listener implements AsyncDisposable {
  readonly events: Event[] = [];
  readonly #client: ReturnType<typeof createClient>;

  private constructor(client: ReturnType<typeof createClient>) {
    this.#client = client;
    client.on("message", (_, payload) => {
      this.events.push(JSON.parse(new TextDecoder().decode(payload)));
    });
  }

  static async start(port: number): Promise<Listener> {
    const broker = localBroker(port);
    const client = createClient(() => openStream(broker), { broker });
    const listener = new Listener(client);
    const ready = Promise.withResolvers<void>();
    client.on("error", ready.reject);
    client.on("connect", () => {
      client.subscribe(historyTopic(COMPANY, "car_1"), { qos: 1 }, (error) => {
        if (error) ready.reject(error);
        else ready.resolve();
      });
    });
    client.connect();
    await waitFor(ready.promise, "the listener to subscribe");
    return listener;
  }

  /** The statuses of all events, repeated ones once. */
  get statuses(): string[] {
    const byId = new Map(this.events.map(({ id, status }) => [id, atob(status)]));
    return [...byId.values()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.endAsync(true);
  }
}

function start(port: number, directory: string): Promise<Stage> {
  return Stage.start({
    modules: modulesOf(new ScriptedModule(1000)),
    endpoints: [endpoint(port)],
    handler: { reportMs: 600_000 },
    history: { directory },
  });
}

function historyOf({ gateway }: Stage) {
  const history = gateway.snapshot().endpoints[0]?.history;
  assert.ok(history);
  return history;
}

mosquittoTest(
  "[GATEWAY-HISTORY] what could not be sent is offered in the next session, in order",
  async () => {
    await using broker = await Mosquitto.start();
    await using server = await FakeMqttServer.start(broker.port, COMPANY);
    await using listener = await Listener.start(broker.port);
    await using folder = await TempFolder.make();
    await using stage = await start(broker.port, folder.path);
    const cloud = server.car("car_1");
    const button = await stage.device(BUTTON);
    await say(button, "a");
    await stage.sessions(1);
    cloud.answering = false;
    await say(button, "b");
    await say(button, "c");
    await waitFor(
      () => cloud.received.filter(({ kind }) => kind === "status").length === 3,
      "the statuses",
    );
    cloud.answering = true;
    cloud.alreadyLogged();
    await waitFor(() => listener.statuses.includes("a+b+c"), "the history");
    assert.deepEqual(listener.statuses, ["a", "a+b", "a+b+c"]);
    const { at, device } = listener.events[0] ?? {};
    assert.deepEqual(device, { module: 1000, type: 7, role: "button", name: "front" });
    assert.match(at ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    await waitFor(() => historyOf(stage).bytes === 0, "the files to go");
    assert.equal(historyOf(stage).kept, 3);
  },
);

mosquittoTest(
  "[GATEWAY-HISTORY] what was not answered when a gateway stopped is offered by the next one",
  async () => {
    await using broker = await Mosquitto.start();
    await using server = await FakeMqttServer.start(broker.port, COMPANY);
    await using listener = await Listener.start(broker.port);
    await using folder = await TempFolder.make();
    {
      await using first = await start(broker.port, folder.path);
      const button = await first.device(BUTTON);
      await say(button, "a");
      await first.sessions(1);
      await waitFor(() => listener.statuses.length === 1, "the first status");
      server.car("car_1").answering = false;
      await say(button, "b");
    }
    server.car("car_1").answering = true;
    await using second = await start(broker.port, folder.path);
    await say(await second.device(BUTTON), "c");
    await waitFor(() => listener.statuses.length === 3, "the history");
    assert.deepEqual(listener.statuses, ["a", "a+b", "c"]);
  },
);

mosquittoTest(
  "[GATEWAY-HISTORY] a disk that fails costs the history, and nothing else",
  async () => {
    await using broker = await Mosquitto.start();
    await using server = await FakeMqttServer.start(broker.port, COMPANY);
    await using folder = await TempFolder.make();
    await using stage = await start(broker.port, await folder.write("file", "no directory"));
    await say(await stage.device(BUTTON), "a");
    await stage.sessions(1);
    await waitFor(() => historyOf(stage).lostBytes > 0, "the loss");
    assert.equal(historyOf(stage).kept, 0);
    assert.equal(
      stage.log.matching(/^Lost \d+ bytes of the history of endpoint "cloud"/).length,
      1,
    );
    assert.ok(server.cars.has("car_1"));
  },
);

Deno.test("without a directory nothing is kept", async () => {
  await using stage = await Stage.start({
    modules: modulesOf(new ScriptedModule(1000)),
    endpoints: [endpoint(1)],
  });
  assert.equal(stage.gateway.snapshot().endpoints[0]?.history, null);
});

async function filesIn(directory: string, maxBytes = 160): Promise<HistoryFiles> {
  const files = new HistoryFiles({ directory, maxBytes });
  await files.open();
  return files;
}

Deno.test("HistoryFiles keeps the newest lines within its limit, in order", async () => {
  await using folder = await TempFolder.make();
  const files = await filesIn(folder.path);
  let lost = 0;
  for (let line = 10; line < 60; line++) lost += await files.append(bytes(`line ${line}\n`));
  assert.equal(lost, 30 * 8);
  assert.equal(files.bytes, 160);
  const again = await filesIn(folder.path);
  assert.equal(again.bytes, 160);
  const found: string[] = [];
  for (let oldest = await again.oldest(); oldest !== null; oldest = await again.oldest()) {
    found.push(...oldest.lines);
    await again.remove(oldest.number);
  }
  assert.deepEqual(found, Array.from({ length: 20 }, (_, index) => `line ${index + 40}`));
  assert.equal(again.bytes, 0);
});

Deno.test("HistoryFiles leaves out a line that was cut off, and files that are not its own", async () => {
  await using folder = await TempFolder.make();
  await folder.write("0000000007.ndjson", "whole\ncut o");
  await folder.write("notes.txt", "mine");
  const files = await filesIn(folder.path, 10_000);
  await files.append(bytes("next\n"));
  assert.deepEqual(await files.oldest(), { number: 7, lines: ["whole"] });
  await files.remove(7);
  assert.deepEqual(await files.oldest(), { number: 8, lines: ["next"] });
  await files.append(bytes("later\n"));
  assert.deepEqual(await files.oldest(), { number: 8, lines: ["next"] }, "it is complete");
  assert.equal(await Deno.readTextFile(folder.file("notes.txt")), "mine");
});

Deno.test("HistoryFiles goes on where somebody has removed a file", async () => {
  await using folder = await TempFolder.make();
  await folder.write("0000000001.ndjson", "gone\n");
  await folder.write("0000000002.ndjson", "there\n");
  const files = await filesIn(folder.path, 10_000);
  await Deno.remove(folder.file("0000000001.ndjson"));
  assert.deepEqual(await files.oldest(), { number: 2, lines: ["there"] });
  await Deno.remove(folder.file("0000000002.ndjson"));
  await files.remove(2);
  assert.equal(await files.oldest(), null);
  assert.equal(files.bytes, 0);
});
