// A process that writes an event log until it is killed: `writer.ts DIRECTORY SEED`. A line of its output
// is the number of a record that is safe.
import fc from "../support/properties.ts";
import { createSession } from "../../src/session/session.ts";
import { systemClock } from "../../src/time/clock.ts";
import { createSegment } from "../../src/record/segment_file.ts";
import { SegmentLog } from "../../src/record/segment_log.ts";
import { ListLog } from "../support/list_log.ts";
import { SETTINGS } from "../car/support.ts";

const [directory = "", seed = "0"] = Deno.args;
const log = new SegmentLog({
  directory,
  company: "acme",
  log: new ListLog(),
  clock: systemClock,
  segmentBytes: 400_000,
  // As a disk may: so that a kill finds a record that is half written.
  create: async (path) => {
    const file = await createSegment(path);
    return { ...file, write: (bytes) => file.write(bytes.subarray(0, 3000)) };
  },
});
await log.start();
const [sizes = []] = fc.sample(fc.array(fc.nat(60_000), { minLength: 100, maxLength: 200 }), {
  seed: Number(seed),
  numRuns: 1,
});
for (let sequence = 1;; sequence++) {
  const statusData = new Uint8Array(sizes[sequence % sizes.length] ?? 0).fill(sequence);
  log.append({
    car: "car_1",
    at: sequence,
    sequence,
    session: "s1",
    input: {
      type: "rejected",
      why: "malformed",
      detail: `${statusData}`.slice(0, statusData.length),
    },
    effects: [],
    settings: sequence === 1 ? SETTINGS : undefined,
    begins: sequence === 1 ? createSession() : undefined,
  });
  if (sequence % 7 !== 0) continue;
  await new Promise<void>((resolve) => log.whenSafe(resolve));
  Deno.stdout.writeSync(new TextEncoder().encode(`${sequence}\n`));
}
