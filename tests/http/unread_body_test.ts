// What clients send that nobody reads: it must not be taken for as long as it comes.
import assert from "node:assert/strict";
import { Connections, readAll, send } from "../adversary/attack.ts";
import { endlessBody } from "../adversary/http_client.ts";
import { Certificates } from "../support/certificates.ts";
import { waitFor } from "../support/wait.ts";
import { Fixture, KEY } from "./fixture.ts";

function portOf({ operators }: Fixture): number {
  return Number(new URL(operators.url).port);
}

/** Sends a request and then the same bytes again and again; returns the answers once it is closed. */
async function insist(port: number, head: string, more: string): Promise<string> {
  using connections = new Connections();
  const conn = await connections.open(port);
  const encoder = new TextEncoder();
  let heard = "";
  const reading = readAll(conn, (bytes) => heard += new TextDecoder().decode(bytes));
  await send(conn, encoder.encode(head));
  const pieces = encoder.encode(more);
  const sending = (async () => {
    while (more !== "") await send(conn, pieces);
  })().catch(() => {});
  await waitFor(reading, "the end of the connection");
  connections.close(conn);
  await sending;
  return heard;
}

const CHUNK = `1000\r\n${" ".repeat(0x1000)}\r\n`;
const CHUNKED = "Host: localhost\r\nTransfer-Encoding: chunked";
const JSON_TYPE = `Content-Type: application/json\r\nX-Api-Key: ${KEY}`;

const REQUESTS: readonly [string, string, RegExp][] = [
  ["without a key", `POST /rpc HTTP/1.1\r\n${CHUNKED}`, /^HTTP\/1\.1 401 /],
  ["to no path", `POST /nothing HTTP/1.1\r\n${CHUNKED}`, /^HTTP\/1\.1 404 /],
  ["with GET", `GET /healthz HTTP/1.1\r\n${CHUNKED}`, /^HTTP\/1\.1 200 /],
  ["with the key", `POST /rpc HTTP/1.1\r\n${CHUNKED}\r\n${JSON_TYPE}`, /^HTTP\/1\.1 413 /],
  [
    "of a length told before",
    "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000000",
    /^HTTP\/1\.1 401 /,
  ],
];
for (const [what, head, status] of REQUESTS) {
  Deno.test(`An endless body ${what} is answered, and its connection closed`, async () => {
    await using fixture = await Fixture.start();
    const answer = await insist(portOf(fixture), `${head}\r\n\r\n`, CHUNK);
    assert.match(answer, status);
    assert.match(answer, /connection: close/i);
  });
}

Deno.test("A body that stops half-way is answered, and its connection closed", async () => {
  await using fixture = await Fixture.start();
  const head = `POST /rpc HTTP/1.1\r\n${CHUNKED}\r\n\r\n${CHUNK}`;
  assert.match(await insist(portOf(fixture), head, ""), /^HTTP\/1\.1 401 /);
});

Deno.test("Many endless bodies at once are all closed", async () => {
  await using fixture = await Fixture.start();
  await using attack = await endlessBody({ port: portOf(fixture), connections: 10, path: "/rpc" });
  await waitFor(() => attack.counts.closed === 10, "the end of all");
  const health = await fetch(`${fixture.operators.url}/healthz`);
  assert.equal((await health.json()).status, "ok");
});

Deno.test("A client that asks too often is told so once, and its connection closed", async () => {
  await using fixture = await Fixture.start();
  const request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const answers = await insist(portOf(fixture), request, request.repeat(100));
  const count = (status: number) => answers.split(`HTTP/1.1 ${status} `).length - 1;
  assert.ok(count(200) >= 200, `${count(200)}`);
  // Requests that were on their way already are answered by whoever is at the door.
  assert.equal(count(429), 1);
});

Deno.test("A connection lives on after a body that was read, or a small one that was not", async () => {
  await using fixture = await Fixture.start();
  using connections = new Connections();
  const conn = await connections.open(portOf(fixture));
  let heard = "";
  const reading = readAll(conn, (bytes) => heard += new TextDecoder().decode(bytes));
  const call = '{"jsonrpc":"2.0","id":1,"method":"server.health"}';
  const sized = `Host: localhost\r\nContent-Length: ${call.length}\r\n`;
  const requests = [
    `POST /rpc HTTP/1.1\r\n${sized}${JSON_TYPE}\r\n\r\n${call}`,
    `POST /rpc HTTP/1.1\r\n${sized}\r\n${call}`,
    `POST /rpc HTTP/1.1\r\n${CHUNKED}\r\n${JSON_TYPE}\r\n\r\n31\r\n${call}\r\n0\r\n\r\n`,
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
  ];
  for (const [i, request] of requests.entries()) {
    await send(conn, new TextEncoder().encode(request));
    await waitFor(() => heard.split("HTTP/1.1 ").length - 1 === i + 1, `answer ${i + 1}`);
  }
  assert.deepEqual(
    heard.match(/HTTP\/1\.1 \d+/g),
    [200, 401, 200, 200].map((s) => `HTTP/1.1 ${s}`),
  );
  assert.doesNotMatch(heard, /connection: close/i);
  connections.close(conn);
  await reading;
});

Deno.test("An endless body over TLS and HTTP/2 is answered, and taken no more", async () => {
  await using certificates = await Certificates.make();
  const { caFile, server: tls } = certificates;
  await using fixture = await Fixture.start({ http: { tls } });
  using client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(caFile)] });
  const given = Promise.withResolvers<void>();
  const body = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    cancel: () => given.resolve(),
  });
  const answer = await waitFor(
    fetch(`${fixture.operators.url}/rpc`, { method: "POST", body, client }),
    "the answer",
  );
  assert.equal(answer.status, 401);
  await answer.body?.cancel();
  await waitFor(given.promise, "the end of the body");
});
