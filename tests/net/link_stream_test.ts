// Links as node streams: what waits, what is counted, and what happens at the end.
import assert from "node:assert/strict";
import type { Link, LinkListener } from "../../src/net/link.ts";
import { LinkStream } from "../../src/net/link_stream.ts";
import { waitFor } from "../support/wait.ts";

/** A link that a test scripts. */
class ScriptedLink implements Link {
  readonly calls: string[] = [];
  unsentBytes = 0;
  #listener: LinkListener | undefined;

  get listener(): LinkListener {
    assert.ok(this.#listener, "not started");
    return this.#listener;
  }

  start(listener: LinkListener): void {
    this.#listener = listener;
  }

  write(bytes: Uint8Array): void {
    this.calls.push(`write ${new TextDecoder().decode(bytes)}`);
    this.unsentBytes += bytes.length;
  }

  /** The runtime takes everything. */
  drain(): void {
    this.unsentBytes = 0;
    this.listener.onDrained?.();
  }

  pause(): void {
    this.calls.push("pause");
  }

  resume(): void {
    this.calls.push("resume");
  }

  end(): void {
    this.calls.push("end");
  }

  destroy(): void {
    this.calls.push("destroy");
  }
}

function closed(stream: LinkStream): Promise<void> {
  const closing = new Promise<void>((resolve) => stream.once("close", () => resolve()));
  return waitFor(closing, "the stream to be closed");
}

const encoder = new TextEncoder();

Deno.test("LinkStream lets everything that has arrived be read before it ends", async () => {
  const link = new ScriptedLink();
  const stream = new LinkStream(link);
  const bytes = encoder.encode("last");
  link.listener.onData(bytes);
  bytes.fill(0);
  link.listener.onClosed(undefined);
  const read: string[] = [];
  stream.on("data", (chunk) => read.push(String(chunk)));
  await closed(stream);
  assert.deepEqual(read, ["last"]);
  assert.equal(stream.bytesRead, 4);
});

Deno.test("LinkStream sends in one piece what was written while the link was being opened", async () => {
  const opening = Promise.withResolvers<Link>();
  const stream = new LinkStream(opening.promise);
  for (const text of ["a", "b", "c"]) stream.write(text);
  stream.end();
  const link = new ScriptedLink();
  opening.resolve(link);
  await waitFor(() => link.calls.includes("write a"), "the first write");
  link.drain();
  link.drain();
  await waitFor(() => link.calls.includes("end"), "the end");
  assert.deepEqual(link.calls.filter((call) => call !== "resume"), ["write a", "write bc", "end"]);
  stream.destroy();
  await closed(stream);
});

Deno.test("LinkStream is destroyed with the error of a link that cannot be opened", async () => {
  const failure = new Error("refused");
  const stream = new LinkStream(Promise.reject(failure));
  const errors: Error[] = [];
  stream.on("error", (error) => errors.push(error));
  await closed(stream);
  assert.deepEqual(errors, [failure]);
});

Deno.test("LinkStream closes a link that is opened after the stream was destroyed", async () => {
  const opening = Promise.withResolvers<Link>();
  const stream = new LinkStream(opening.promise);
  stream.destroy();
  await closed(stream);
  const link = new ScriptedLink();
  opening.resolve(link);
  await opening.promise;
  assert.deepEqual(link.calls, ["destroy"]);
});

Deno.test("LinkStream counts what the link has not sent", () => {
  const link = new ScriptedLink();
  const stream = new LinkStream(link);
  stream.write("abc");
  stream.write("de");
  assert.equal(stream.writableLength, 5);
  link.drain();
  assert.equal(stream.writableLength, 2);
  link.drain();
  assert.equal(stream.writableLength, 0);
  stream.destroy();
});

Deno.test("LinkStream stops reading when nothing takes what arrives", () => {
  const link = new ScriptedLink();
  const stream = new LinkStream(link);
  link.listener.onData(new Uint8Array(stream.readableHighWaterMark));
  assert.deepEqual(link.calls, ["pause"]);
  assert.equal(stream.read().length, stream.readableHighWaterMark);
  assert.equal(link.calls.at(-1), "resume");
  stream.destroy();
});

Deno.test("LinkStream passes the error of a lost link on", async () => {
  const link = new ScriptedLink();
  const stream = new LinkStream(link);
  const failure = new Error("reset");
  const errors: Error[] = [];
  stream.on("error", (error) => errors.push(error));
  link.listener.onClosed(failure);
  await closed(stream);
  assert.deepEqual(errors, [failure]);
});
