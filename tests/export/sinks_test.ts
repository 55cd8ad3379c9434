// The kinds of sinks against what they deliver to: an HTTP server, files.
import assert from "node:assert/strict";
import { parquetReadObjects } from "hyparquet";
import { FileSink } from "../../src/export/file_sink.ts";
import { ParquetSink } from "../../src/export/parquet_sink.ts";
import { type SinkBatch, SinkError } from "../../src/export/sink.ts";
import { WebhookSink } from "../../src/export/webhook_sink.ts";
import type { LogEvent } from "../../src/record/log_event.ts";
import { retryAfter, signedHeaders } from "../../src/net/signed_post.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { SECRET } from "./support.ts";

const UNUSED = new AbortController().signal;

function batch(first: number, count: number, padding = ""): SinkBatch {
  const messages = Array.from({ length: count }, (_, index) => {
    const id = `acme/car_1/1/${first + index}`;
    const event: LogEvent = {
      id,
      at: 0,
      car: "car_1",
      session: null,
      device: null,
      counter: null,
      kind: "module.back",
      payload: null,
      data: {},
    };
    return { event, body: JSON.stringify({ id, padding }) };
  });
  return { id: `${first}:${count}`, messages };
}

/** A server that answers as it is told, else 204, and keeps what it got. */
class Server implements AsyncDisposable {
  readonly got: { readonly headers: Headers; readonly text: string }[] = [];
  readonly answers: Response[] = [];
  readonly #server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      this.got.push({ headers: request.headers, text: await request.text() });
      return this.answers.shift() ?? new Response(null, { status: 204 });
    },
  );

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/token`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await waitFor(this.#server.shutdown(), "the end of the server");
  }
}

Deno.test("WebhookSink posts a batch as NDJSON or JSON, signed", async () => {
  await using server = new Server();
  const { url } = server;
  for (const format of ["ndjson", "json"] as const) {
    await new WebhookSink({ url, secret: SECRET, format }).deliver(batch(1, 3), UNUSED);
  }
  const [lines, array] = server.got;
  assert.ok(lines && array);
  assert.equal(lines.headers.get("content-type"), "application/x-ndjson");
  assert.match(lines.text, /^\{.*\}\n\{.*\}\n\{.*\}\n$/);
  assert.equal(array.headers.get("content-type"), "application/json");
  assert.deepEqual(
    JSON.parse(array.text),
    lines.text.trim().split("\n").map((line) => JSON.parse(line)),
  );
  for (const { headers, text } of server.got) {
    const timestamp = Number(headers.get("webhook-timestamp"));
    const expected = await signedHeaders({ id: "1:3", timestamp, body: text }, SECRET);
    assert.equal(headers.get("webhook-signature"), expected["webhook-signature"]);
    assert.equal(headers.get("webhook-id"), "1:3");
  }
});

Deno.test("WebhookSink fails with what the receiver says, and never names the URL's path", async () => {
  await using server = new Server();
  const sink = new WebhookSink({ url: server.url, secret: SECRET, format: "ndjson" });
  const failing = async (answer: Response) => {
    server.answers.push(answer);
    const error = await sink.deliver(batch(1, 2), UNUSED).then(() => null, (error) => error);
    assert.ok(error instanceof SinkError);
    assert.doesNotMatch(error.message, /token/);
    return [error.message, error.retryAfterMs, error.isTooLarge];
  };
  const headers = { "retry-after": "7" };
  assert.deepEqual(await failing(new Response("busy", { status: 429, headers })), [
    "it answered with 429",
    7000,
    false,
  ]);
  assert.deepEqual(await failing(new Response(null, { status: 413 })), [
    "it answered with 413",
    null,
    true,
  ]);
  assert.deepEqual(await failing(Response.redirect("http://127.0.0.1:1/")), [
    "it answered with 302",
    null,
    false,
  ]);
  const { url } = server;
  await server[Symbol.asyncDispose]();
  const away = new WebhookSink({ url, secret: SECRET, format: "ndjson" });
  await assert.rejects(away.deliver(batch(1, 1), UNUSED), (error) => {
    return error instanceof SinkError && !error.message.includes("token");
  });
  assert.equal(away.target, new URL(url).origin);
});

Deno.test("retryAfter() reads seconds and dates, within an hour", () => {
  const now = Date.UTC(2026, 10, 20);
  assert.equal(retryAfter("0", now), 0);
  assert.equal(retryAfter(" 120 ", now), 120_000);
  assert.equal(retryAfter("99999", now), 3_600_000);
  assert.equal(retryAfter(new Date(now + 5000).toUTCString(), now), 5000);
  assert.equal(retryAfter(new Date(now - 5000).toUTCString(), now), 0);
  assert.equal(retryAfter("soon", now), null);
});

async function filesIn(folder: TempFolder): Promise<Record<string, string>> {
  const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  const texts = await Promise.all(names.map((name) => Deno.readTextFile(folder.file(name))));
  return Object.fromEntries(names.map((name, index) => [name, texts[index] ?? ""]));
}

const textOf = (...batches: SinkBatch[]) =>
  batches.flatMap(({ messages }) => messages).map(({ body }) => `${body}\n`).join("");

Deno.test("FileSink appends, begins a new file when one is full, and keeps so many", async () => {
  await using folder = await TempFolder.make();
  const options = { directory: folder.path, maxBytes: 300, keep: 2 };
  const sink = new FileSink(options);
  const batches = [1, 2, 3, 4, 5].map((first) => batch(first, 1, "x".repeat(200)));
  for (const each of batches) await sink.deliver(each);
  await sink.close();
  assert.deepEqual(await filesIn(folder), {
    "events-000003.ndjson": textOf(...batches.slice(2, 3)),
    "events-000004.ndjson": textOf(...batches.slice(3, 4)),
    "events-000005.ndjson": textOf(...batches.slice(4)),
  });
  const next = new FileSink({ ...options, keep: 0 });
  await next.deliver(batch(6, 1));
  await next.close();
  const { "events-000005.ndjson": last } = await filesIn(folder);
  assert.equal(last, textOf(...batches.slice(4), batch(6, 1)));
});

async function rowsOf(path: string): Promise<Record<string, unknown>[]> {
  const bytes = await Deno.readFile(path);
  return await parquetReadObjects({ file: bytes.buffer, utf8: false });
}

Deno.test("ParquetSink writes a file for each batch, with the bytes as they came", async () => {
  await using folder = await TempFolder.make();
  const sink = new ParquetSink({ directory: folder.path, keep: 2 });
  const event: LogEvent = {
    id: "acme/car_1/1/1",
    at: Date.UTC(2026, 10, 22, 1, 2, 3, 456),
    car: "car_1",
    session: "s1",
    device: { module: 7, deviceType: 3, deviceRole: "front", deviceName: "Däv", priority: 0 },
    counter: 4_294_967_295,
    kind: "status.accepted",
    payload: Uint8Array.of(255, 0, 123),
    data: { state: 1, why: "é" },
  };
  const [plain] = batch(2, 1).messages;
  assert.ok(plain);
  const messages = [{ event, body: '{"kmh":3}', isMade: true }, plain];
  await sink.deliver({ id: "1:2", messages });
  assert.deepEqual(await rowsOf(folder.file("events-000001.parquet")), [
    {
      id: "acme/car_1/1/1",
      at: new Date(event.at),
      car: "car_1",
      session: "s1",
      module: 7,
      device_type: 3,
      device_role: "front",
      device_name: "Däv",
      counter: 4_294_967_295n,
      kind: "status.accepted",
      data: '{"state":1,"why":"é"}',
      payload: event.payload,
      body: '{"kmh":3}',
    },
    {
      id: "acme/car_1/1/2",
      at: new Date(0),
      car: "car_1",
      session: null,
      module: null,
      device_type: null,
      device_role: null,
      device_name: null,
      counter: null,
      kind: "module.back",
      data: "{}",
      payload: null,
      body: null,
    },
  ]);
  // Several groups of rows, and what a crash has left of the next file.
  await folder.write("events-000002.parquet.part", "half");
  const large = batch(1, 4500);
  await sink.deliver(large);
  const rows = await rowsOf(folder.file("events-000002.parquet"));
  assert.deepEqual(rows.map(({ id }) => id), large.messages.map(({ event }) => event.id));
  await sink.deliver(batch(1, 1));
  await new ParquetSink({ directory: folder.path, keep: 2 }).deliver(batch(2, 1));
  assert.deepEqual(Object.keys(await filesIn(folder)), [
    "events-000003.parquet",
    "events-000004.parquet",
  ]);
});

Deno.test("ParquetSink fails where it cannot write, and writes once it can", async () => {
  await using folder = await TempFolder.make();
  const path = await folder.write("blocked", "");
  const sink = new ParquetSink({ directory: path, keep: 0 });
  await assert.rejects(sink.deliver(batch(1, 1)));
  await Deno.remove(path);
  await sink.deliver(batch(1, 1));
  assert.equal((await rowsOf(`${path}/events-000001.parquet`)).length, 1);
});

Deno.test("FileSink cuts off half a line that a crash has left", async () => {
  await using folder = await TempFolder.make();
  const name = "events-000001.ndjson";
  for (const left of ["", '{"half":', "x".repeat(150_000)]) {
    await folder.write(name, textOf(batch(1, 2)) + left);
    const sink = new FileSink({ directory: folder.path, maxBytes: 1_000_000, keep: 0 });
    await sink.deliver(batch(3, 1));
    await sink.close();
    assert.equal((await filesIn(folder))[name], textOf(batch(1, 2), batch(3, 1)));
  }
  await folder.write(name, "no line at all");
  const sink = new FileSink({ directory: folder.path, maxBytes: 1_000_000, keep: 0 });
  await sink.deliver(batch(1, 1));
  await sink.close();
  assert.equal((await filesIn(folder))[name], textOf(batch(1, 1)));
});

Deno.test("FileSink fails where it cannot write, and writes once it can", async () => {
  await using folder = await TempFolder.make();
  const path = await folder.write("blocked", "");
  const sink = new FileSink({ directory: path, maxBytes: 1000, keep: 0 });
  await assert.rejects(sink.deliver(batch(1, 1)));
  await Deno.remove(path);
  await sink.deliver(batch(1, 1));
  await sink.close();
  assert.equal(await Deno.readTextFile(`${path}/events-000001.ndjson`), textOf(batch(1, 1)));
});
