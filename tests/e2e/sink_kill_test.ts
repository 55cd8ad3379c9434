// Every sink at once, under load, while receivers, broker and server are killed: each event arrives at least
// once, those of a car in order, and an id is an event's own.
//
// SINK_KILLS=20 kills each of them so often, under SINK_RATE statuses a second and car (of ten), and prints
// how long each took to recover; SINK_KINDS=mqtt,file leaves the other sinks out.
import assert from "node:assert/strict";
import { LogReader } from "../../src/record/log_reader.ts";
import { randomNumbers } from "../record/random.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { hasMosquitto } from "../support/mosquitto.ts";
import { natsTest } from "../support/nats.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { ProgramProcess, ServerProcess } from "./server_process.ts";
import {
  type Arrived,
  BridgeReceiver,
  FileReceiver,
  HttpReceiver,
  NatsReceiver,
  type Receiver,
  type Victim,
} from "./sink_receivers.ts";

const KILLS = Number(Deno.env.get("SINK_KILLS") ?? 1);
const RATE = Number(Deno.env.get("SINK_RATE") ?? 10);
const KINDS = (Deno.env.get("SINK_KINDS") ?? "mqtt,nats,webhook,file").split(",");
const CARS = 10;
const SEED = 20_261_122;
/** Only bounds what hangs, in milliseconds. */
const HANG_MS = 600_000;

function byCar(ids: readonly string[]): Map<string, string[]> {
  return Map.groupBy(ids, (id) => id.split("/")[1] ?? "");
}

/** The ids of all events that a log has so far, in order, and when the last one happened. */
async function eventsIn(
  directory: string,
): Promise<{ readonly ids: string[]; readonly last: number }> {
  using reader = new LogReader({ directory });
  const ids: string[] = [];
  let last = 0;
  for (let isEnd = false; !isEnd;) {
    const batch = await reader.read(1_000_000);
    for (const { id } of batch.events) ids.push(id);
    // Texts have whole milliseconds.
    last = Math.floor(batch.events.at(-1)?.at ?? last);
    isEnd = batch.isEnd;
  }
  return { ids, last };
}

/** What arrived is what there was: whole, in order for each car, and the same whenever it came again. */
function assertDelivered(
  name: string,
  arrived: Arrived,
  expected: readonly string[],
  isOrdered: boolean,
): void {
  const bodies = new Map<string, number>();
  for (const [id, hash] of arrived) {
    assert.equal(bodies.get(id) ?? hash, hash, `${name}: two events with the id ${id}`);
    bodies.set(id, hash);
  }
  for (const id of expected) assert.ok(bodies.has(id), `${name}: ${id} is missing`);
  if (!isOrdered) return;
  const found = byCar([...bodies.keys()]);
  for (const [car, ids] of byCar(expected)) {
    const own = found.get(car) ?? [];
    const wrong = ids.findIndex((id, index) => own[index] !== id);
    assert.equal(wrong, -1, `${name}: expected ${ids[wrong]}, found ${own[wrong]}`);
  }
}

/** Prints what only a long run is asked for. */
function say(line: string): void {
  // deno-lint-ignore no-console -- figures are the result of a long run
  if (KILLS > 1) console.log(line);
}

/** Each name so often, in an order that is the same for the same seed. */
function shuffled(names: readonly string[], random: Iterator<number>): string[] {
  return names.flatMap((name) => Array.from({ length: KILLS }, () => name))
    .map((name) => ({ name, at: random.next().value as number }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name);
}

natsTest("sinks deliver all while receivers, broker and server are killed", async (t) => {
  if (!hasMosquitto && Deno.env.get("REQUIRE_MOSQUITTO") !== "1") return;
  await using folder = await TempFolder.make();
  await using bridged = await BridgeReceiver.start();
  await using nats = await NatsReceiver.start();
  await using http = await HttpReceiver.start(folder);
  const file = new FileReceiver(folder.file("archive"));
  const all = { mqtt: bridged, nats, webhook: http, file };
  const receivers: Readonly<Record<string, Receiver>> = Object.fromEntries(
    Object.entries(all).filter(([name]) => KINDS.includes(name)),
  );
  const { module } = await buildFixtures();
  const cars = Array.from({ length: CARS }, (_, index) => `car_${index + 1}`);
  const config = {
    port: bridged.bridge.local.port,
    cars: Object.fromEntries(cars.map((name) => [name, { 1000: { lib_path: module } }])),
    more: {
      logging: { console: { level: "INFO", use: true } },
      event_log: { directory: folder.file("events") },
      state_dir: folder.file("state"),
      sinks: Object.fromEntries(
        Object.entries(receivers).map(([name, { sink }]) => [name, { ...sink, batch_ms: 100 }]),
      ),
    },
  };
  const away = [bridged.bridge.cloud, nats, http];
  for (const receiver of away) await receiver.kill();
  let server = await ServerProcess.start(config, { record: false });
  await using scope = new AsyncDisposableStack();
  scope.defer(() => server[Symbol.asyncDispose]());
  const victims: Readonly<Record<string, Victim>> = {
    "the broker": bridged.bridge.local,
    "the second broker": bridged.bridge.cloud,
    "nats-server": nats,
    "the HTTP server": http,
    "the server": {
      async kill() {
        server.signal("SIGKILL");
        await server[Symbol.asyncDispose]();
      },
      async restart() {
        server = await ServerProcess.start(config, { record: false });
      },
    },
  };
  const { port } = config;
  const load = [
    "--cars",
    `${CARS}`,
    "--rate",
    `${RATE}`,
    "--port",
    `${port}`,
    "--company",
    "acme",
  ];
  await using simulator = new ProgramProcess(["simulate", ...load]);
  const random = randomNumbers(SEED);
  /** Waits until every sink has delivered something that happened from now on. */
  const allDeliver = async (what: string) => {
    const since = Date.now();
    for (const [name, receiver] of Object.entries(receivers)) {
      const isBack = async () => await receiver.newest() >= since;
      await waitFor(isBack, `an event at the sink ${name} after ${what}`, HANG_MS);
    }
    return Date.now() - since;
  };
  // Sinks that are away when the server starts hold up neither cars nor another sink.
  await server.line(/Connect sequence done/);
  for (const receiver of away) await receiver.restart();
  await allDeliver("the start");
  const names = Object.keys(victims).filter((name) => {
    if (name === "the second broker") return KINDS.includes("mqtt");
    if (name === "nats-server") return KINDS.includes("nats");
    return name !== "the HTTP server" || KINDS.includes("webhook");
  });
  for (const name of shuffled(names, random)) {
    const victim = victims[name] as Victim;
    // At a moment of the load's own: it says each second how it is. What was acknowledged before its receivers
    // were back has been passed on by then; a broker that is killed loses what only it has.
    const { length } = simulator.lines;
    const more = Math.floor(random.next().value * 2);
    await waitFor(
      () => simulator.lines.length > length + more,
      `${more} lines of the simulator before ${name} is killed`,
      HANG_MS,
    );
    await victim.kill();
    await victim.restart();
    const ms = await allDeliver(`a kill of ${name}`);
    say(`${name}: all sinks deliver again after ${ms} ms`);
  }
  // What was on its way when something was killed stays unanswered, which it tells by its status.
  await simulator.stop();
  const { ids: expected, last } = await eventsIn(folder.file("events"));
  for (const [name, receiver] of Object.entries(receivers)) {
    await t.step(`${name} has every event`, async () => {
      const wanted = new Set(expected);
      let left = wanted.size;
      await waitFor(
        async () => {
          if (await receiver.newest() < last) return false;
          const arrived = await receiver.arrived();
          left = wanted.difference(new Set(arrived.map(([id]) => id))).size;
          return left === 0;
        },
        `the last events at ${name}`,
        HANG_MS,
      ).catch((error) => {
        throw new Error(
          `${error.message}: ${left} of ${wanted.size} are missing\n${server.text}`,
        );
      });
      const arrived = await receiver.arrived();
      // The order behind two brokers that are killed is theirs, too: it is looked at in long runs.
      assertDelivered(name, arrived, expected, name !== "mqtt" || KILLS > 1);
      if (name === "nats") assert.equal(new Set(arrived.map(([id]) => id)).size, arrived.length);
      say(`${name}: ${expected.length} events, ${arrived.length} arrived`);
    });
  }
  assert.equal((await server.stop()).code, 0, server.text);
});
