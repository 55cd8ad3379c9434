// Exports over kills of the exporting process, and receivers that fail: every event arrives, in order.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parquetReadObjects } from "hyparquet";
import { FRONT } from "../car/support.ts";
import { randomNumbers } from "../record/random.ts";
import { Recording } from "../record/support.ts";
import { TempFolder } from "../support/temp.ts";
import { settled } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { idsOf } from "./support.ts";

const DELIVERER = fileURLToPath(new URL("deliverer.ts", import.meta.url));
const KILLS = 20;
const STATUSES = 4000;

/** A folder with the log of two cars, where its end is, and the ids of its events by car. */
async function logIn(folder: TempFolder): Promise<ReadonlyMap<string, readonly string[]>> {
  const directory = folder.file("events");
  await using recording = await Recording.make({ directory, segmentBytes: 100_000 });
  const fixtures = [
    await recording.car({ settings: { car: "car_1" } }),
    await recording.car({ settings: { car: "car_2" } }),
  ];
  for (let index = 0; index < STATUSES; index++) {
    fixtures[index % 2]?.status(FRONT, { data: `{"n":${index}}` });
    if (index % 10 === 0) await settled();
  }
  await settled();
  await recording.recorder.stop();
  assert.equal(recording.recorder.counts.lost, 0);
  await folder.write("end.json", JSON.stringify(recording.recorder.counts.end));
  return byCar(await idsOf(directory));
}

function byCar(ids: readonly string[]): Map<string, string[]> {
  return Map.groupBy(ids, (id) => id.split("/")[1] ?? "");
}

/**
 * Delivers, and kills the process when so much has arrived; resolves with whether it came to the end.
 */
async function deliver(
  { path }: TempFolder,
  args: readonly string[],
  arrived: () => number,
  killAt: number,
): Promise<boolean> {
  const run = ["run", "--quiet", "--no-check", "--no-prompt", "--allow-all", DELIVERER];
  await using child = new Deno.Command(Deno.execPath(), {
    args: [...run, path, ...args],
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  let isOver = false;
  const ended = child.status.then((status) => {
    isOver = true;
    return status.success;
  });
  await waitFor(() => isOver || arrived() >= killAt, "progress");
  if (!isOver) child.kill("SIGKILL");
  return await waitFor(ended, "the end of the process");
}

/** Each event is there, those of a car in order; what comes again comes after what it was. */
function assertComplete(
  found: readonly string[],
  expected: ReadonlyMap<string, readonly string[]>,
): void {
  for (const [car, ids] of byCar(found)) {
    assert.deepEqual([...new Set(ids)], expected.get(car), car);
  }
  assert.equal(byCar(found).size, expected.size);
}

/** Kills the process 20 times, then lets it come to the end. */
async function deliverAll(
  folder: TempFolder,
  argsOf: (run: number) => readonly string[],
  arrived: () => number,
  total: number,
): Promise<void> {
  const random = randomNumbers(20_261_122);
  let kills = 0;
  for (; kills < KILLS; kills++) {
    const step = Math.floor(random.next().value * total / KILLS);
    if (await deliver(folder, argsOf(kills), arrived, arrived() + step)) break;
  }
  assert.ok(kills > 10, `only ${kills} kills`);
  assert.ok(await deliver(folder, argsOf(kills), arrived, Infinity));
}

function idsIn(ndjson: string): string[] {
  return ndjson.split("\n").slice(0, -1).map((line) => JSON.parse(line).id);
}

Deno.test("a file sink has every event in order after 20 kills of the server", async () => {
  await using folder = await TempFolder.make();
  const expected = await logIn(folder);
  const target = folder.file("files");
  const arrived = () => {
    try {
      return [...Deno.readDirSync(target)]
        .reduce((sum, { name }) => sum + Deno.statSync(`${target}/${name}`).size, 0);
    } catch {
      return 0;
    }
  };
  const total = [...expected.values()].reduce((sum, ids) => sum + ids.length, 0);
  await deliverAll(folder, () => ["file", target], arrived, total * 200);
  const names = [...Deno.readDirSync(target)].map(({ name }) => name).sort();
  assert.ok(names.length > 3);
  const texts = names.map((name) => Deno.readTextFileSync(`${target}/${name}`));
  assertComplete(idsIn(texts.join("")), expected);
});

Deno.test("files of Parquet are whole and have every event in order after 20 kills of the server", async () => {
  await using folder = await TempFolder.make();
  const expected = await logIn(folder);
  const target = folder.file("files");
  const names = () => {
    try {
      return [...Deno.readDirSync(target)].map(({ name }) => name).sort();
    } catch {
      return [];
    }
  };
  const whole = () => names().filter((name) => name.endsWith(".parquet"));
  const total = [...expected.values()].reduce((sum, ids) => sum + ids.length, 0);
  // A kill stops it between two files, or within one.
  const arrived = () => whole().length * 50 + (names().length > whole().length ? 25 : 0);
  await deliverAll(folder, () => ["parquet", target], arrived, total);
  const ids: string[] = [];
  for (const name of whole()) {
    const { buffer } = await Deno.readFile(`${target}/${name}`);
    const rows = await parquetReadObjects({ file: buffer, columns: ["id"] });
    ids.push(...rows.map(({ id }) => id));
  }
  assertComplete(ids, expected);
});

Deno.test("a webhook has every event in order after 20 kills of the server, and failures of its own", async () => {
  await using folder = await TempFolder.make();
  const expected = await logIn(folder);
  const random = randomNumbers(7);
  const found: string[] = [];
  let current = 0;
  await using receiver = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const text = await request.text().catch(() => "");
      // What a process sent that is gone might come after what the next one sends.
      if (!request.url.endsWith(`/${current}`)) return new Response(null, { status: 503 });
      const dice = random.next().value;
      if (dice < 0.01) return new Response(null, { status: 503 });
      if (dice < 0.02) return new Response(null, { status: 429, headers: { "retry-after": "0" } });
      if (text.endsWith("\n")) found.push(...idsIn(text));
      // Taken, but the server does not get to know it.
      return new Response(null, { status: dice < 0.03 ? 500 : 204 });
    },
  );
  const total = [...expected.values()].reduce((sum, ids) => sum + ids.length, 0);
  const argsOf = (run: number) => {
    current = run;
    return ["webhook", `http://127.0.0.1:${receiver.addr.port}/${run}`];
  };
  await deliverAll(folder, argsOf, () => found.length, total);
  assertComplete(found, expected);
});
