// Recovery after kills in the middle of writes: what was safe is there, whole, and nothing else is.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { readSegment } from "../../src/record/segment.ts";
import { recover, segmentName, segmentNumbers } from "../../src/record/segment_files.ts";
import { randomNumbers } from "./random.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const WRITER = fileURLToPath(new URL("writer.ts", import.meta.url));
const KILLS = 200;

/** Starts a writer, kills it after it has said so many lines; the last number that it called safe. */
async function killedAfter(lines: number, directory: string, seed: number): Promise<number> {
  const args = ["run", "--quiet", "--no-check", "--no-prompt", "--allow-all", WRITER];
  await using child = new Deno.Command(Deno.execPath(), {
    args: [...args, directory, `${seed}`],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let text = "";
  let isKilled = false;
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (isKilled || text.split("\n").length <= lines) continue;
    isKilled = true;
    child.kill("SIGKILL");
  }
  await waitFor(child.status, "the end of the writer");
  // The last line may be cut off.
  return Number(text.split("\n").slice(0, -1).at(-1));
}

/** Begins a record that has no end. */
async function tear(directory: string): Promise<void> {
  const last = (await segmentNumbers(directory)).at(-1) ?? 0;
  const path = `${directory}/${segmentName(last)}`;
  await Deno.writeFile(path, Uint8Array.of(1, 2, 3), { append: true });
}

Deno.test("an event log is whole up to what was safe after each of 200 kills", async () => {
  await using folder = await TempFolder.make();
  const random = randomNumbers(20_261_121);
  let counted = { records: 0, bytes: 0 };
  for (let kill = 1; kill <= KILLS; kill++) {
    const before = new Set(await exists(folder.path) ? await segmentNumbers(folder.path) : []);
    const safe = await killedAfter(1 + Math.floor(random.next().value * 6), folder.path, kill);
    // A kill may leave a record half written; this makes sure that some do.
    const isTorn = kill % 10 === 0;
    if (isTorn) await tear(folder.path);
    const recovered = await recover(folder.path);
    assert.ok(!isTorn || recovered.cut !== null, `kill ${kill}`);
    const sequences: number[] = [];
    for (const number of await segmentNumbers(folder.path)) {
      if (before.has(number)) continue;
      const path = folder.file(segmentName(number));
      const records = readSegment(await Deno.readFile(path));
      for (let next = records.next();; next = records.next()) {
        if (next.done) {
          assert.equal(next.value, null, `kill ${kill}: ${path}`);
          break;
        }
        const { record } = next.value;
        if (record.kind === "turn") sequences.push(record.sequence);
        else if (record.kind === "head" && sequences.length === 0) {
          assert.deepEqual(record.records, counted.records, `kill ${kill}`);
        }
      }
    }
    assert.deepEqual(sequences, sequences.map((_, index) => index + 1), `kill ${kill}`);
    assert.ok(sequences.length >= safe, `kill ${kill}: ${sequences.length} of ${safe}`);
    assert.equal(recovered.records, counted.records + sequences.length, `kill ${kill}`);
    counted = recovered;
    // What has been judged makes room.
    for (const number of before) await Deno.remove(folder.file(segmentName(number)));
  }
});

function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
