// Loops that always find data to read, and everything else that wants a turn meanwhile.
import assert from "node:assert/strict";
import { FrameWriter } from "../../src/module/wire/frame_writer.ts";
import { FrameKind } from "../../src/module/wire/frames.ts";
import { type Duplex, FrameChannel } from "../../src/module/wire/frame_channel.ts";
import { readLines } from "../../src/module/process/output_lines.ts";
import { ConnLink } from "../../src/net/link.ts";
import { systemClock } from "../../src/time/clock.ts";
import { ReadShare } from "../../src/time/read_share.ts";
import { waitFor } from "../support/wait.ts";

/** Reads after which a source ends that was not stopped: no timer was let in. */
const MOST_READS = 100_000;

/** Always has data, at once, until it is closed; `bytes` again and again. */
class Flood implements Duplex {
  reads = 0;
  readonly #bytes: Uint8Array;
  #closed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(p: Uint8Array): Promise<number | null> {
    if (this.#closed || ++this.reads > MOST_READS) return Promise.resolve(null);
    p.set(this.#bytes.subarray(0, p.length));
    return Promise.resolve(Math.min(p.length, this.#bytes.length));
  }

  write(p: Uint8Array): Promise<number> {
    return Promise.resolve(p.length);
  }

  close(): void {
    this.#closed = true;
  }
}

/** Expects that a timer fires while the flood is read. */
async function assertTimerFires(flood: Flood, stop: () => void, over: Promise<unknown>) {
  const fired = Promise.withResolvers<number>();
  systemClock.set(() => fired.resolve(flood.reads), 1);
  const reads = await waitFor(fired.promise, "the timer");
  stop();
  await waitFor(over, "the loop to end");
  // A turn that the loop had asked for: older runtimes take it for a timer that was forgotten.
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(reads < MOST_READS, "The timer fired only when there was nothing left to read");
  assert.ok(reads > 0);
}

for (const size of [1, 100, 4_096]) {
  Deno.test(`ConnLink lets timers in while reads of ${size} bytes are always ready`, async () => {
    const flood = new Flood(new Uint8Array(size));
    const link = new ConnLink(flood as unknown as Deno.Conn);
    const over = Promise.withResolvers<unknown>();
    link.start({ onData() {}, onClosed: over.resolve });
    await assertTimerFires(flood, () => link.destroy(), over.promise);
  });
}

Deno.test("FrameChannel of a module host lets timers in while frames are always there", async () => {
  const writer = new FrameWriter();
  writer.frame(FrameKind.PONG, 0, 1);
  const flood = new Flood(writer.take().slice());
  const over = Promise.withResolvers<unknown>();
  const channel = new FrameChannel(flood, { onFrame() {}, onClosed: over.resolve });
  channel.start();
  await assertTimerFires(flood, () => channel.close(), over.promise);
});

Deno.test("readLines() lets timers in while a library prints without end", async () => {
  const flood = new Flood(new TextEncoder().encode("z\n".repeat(50)));
  const stop = new AbortController();
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const chunk = new Uint8Array(100);
      if (await flood.read(chunk) === null) controller.close();
      else controller.enqueue(chunk);
    },
  });
  // Of a process that has ended, all is read without pauses.
  const ended = AbortSignal.abort();
  const over = readLines(stream, () => {}, { ended, abandoned: stop.signal, clock: systemClock });
  await assertTimerFires(flood, () => stop.abort(), over);
});

Deno.test("ReadShare.spend() asks for no turn below the share, and for one above", async () => {
  const share = new ReadShare();
  let bytes = 0;
  let turn: Promise<void> | undefined;
  for (; turn === undefined; bytes += 100) turn = share.spend(100);
  assert.ok(bytes > 5_000, `A turn after ${bytes} bytes`);
  await waitFor(turn, "the turn");
  assert.equal(share.spend(100), undefined);
  await waitFor(share.spend(10_000_000) ?? Promise.reject(new Error("no turn")), "the turn");
});

Deno.test("ReadShare gives each of many loops a turn of its own, in order", async () => {
  const log: string[] = [];
  const done = [1, 2, 3].map((loop) => new ReadShare().spend(1e6)?.then(() => log.push(`${loop}`)));
  // Set after them, it comes between them: each turn lets in one of them, and whatever else is due.
  setImmediate(() => log.push("other"));
  await waitFor(Promise.all(done), "all turns");
  assert.deepEqual(log, ["1", "other", "2", "3"]);
});
