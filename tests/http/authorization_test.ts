// Who gets an answer: keys, hosts, limits and headers.
import assert from "node:assert/strict";
import { Authorization } from "../../src/http/access/authorization.ts";
import { KeyRing } from "../../src/http/access/key_ring.ts";
import { LogIns } from "../../src/http/access/log_ins.ts";
import { Problem } from "../../src/http/api/schemas.ts";
import { createHono } from "../../src/http/middleware.ts";
import { ClientRateLimit, limitRate } from "../../src/http/client_rate_limit.ts";
import { silentLog } from "../../src/log/log.ts";
import { HttpListenError } from "../../src/net/errors.ts";
import { Operators } from "../../src/http/operators.ts";
import { Certificates } from "../support/certificates.ts";
import { ListLog } from "../support/list_log.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { Fixture, KEY } from "./fixture.ts";

const LOCKED = [
  "/metrics",
  "/api/v1/cars",
  "/api/v1/cars/car_a",
  "/api/v1/events",
  "/openrpc.json",
  "/openapi.json",
];

async function statusOf(answer: Promise<Response>): Promise<number> {
  const { status, body } = await answer;
  await body?.cancel();
  return status;
}

Deno.test("Authorization asks for the key wherever something can be learned or done", async () => {
  await using fixture = await Fixture.start();
  for (const path of LOCKED) assert.equal(await statusOf(fixture.bare(path)), 401, path);
  assert.equal(await statusOf(fixture.bare("/rpc", { method: "POST", body: "{}" })), 401);
  for (const headers of [{ authorization: `Bearer ${KEY}` }, { "x-api-key": KEY }]) {
    assert.equal(await statusOf(fixture.bare("/api/v1/cars", { headers })), 200);
  }
  for (const wrong of [`${KEY}0`, KEY.slice(1), KEY.toUpperCase(), "x".repeat(5000)]) {
    const answer = fixture.bare("/api/v1/cars", { headers: { "x-api-key": wrong } });
    assert.equal(await statusOf(answer), 401, wrong.slice(0, 20));
  }
  const texts = fixture.log.lines.map(({ text }) => text).join("\n");
  assert.ok(!texts.includes(KEY));
});

/** What lets only requests with a key pass. */
function lockedWith(apiKey: string) {
  return authorizationWith(apiKey, new VirtualClock()).require("read");
}

function authorizationWith(apiKey: string, clock: VirtualClock): Authorization {
  const ring = new KeyRing({ apiKey });
  const logIns = new LogIns(ring, clock, undefined);
  const options = { ring, logIns, clock, cookie: "session", secure: false, local: true };
  return new Authorization(options);
}

Deno.test("Authorization compares whole keys: nothing may follow the longest one", async () => {
  const key = "k".repeat(1024);
  const app = createHono(new VirtualClock(), silentLog);
  app.get("/", lockedWith(key), (ask) => ask.text("in"));
  const ask = async (headers: Record<string, string>) =>
    await app.request("/", { headers }, { client: "client", dismiss() {} });
  assert.equal((await ask({ "x-api-key": key })).status, 200);
  assert.equal((await ask({ authorization: `Bearer ${key}` })).status, 200);
  // More often than a wrong key is compared: these are refused before.
  for (let attempt = 0; attempt < 20; attempt++) {
    const answer = await ask({ authorization: `Bearer ${key}garbage` });
    assert.equal(answer.status, 401);
    assert.equal(answer.headers.get("www-authenticate"), "Bearer");
    assert.match(await answer.text(), /at most 1024 characters: found a longer one/);
  }
  assert.equal((await ask({ "x-api-key": key })).status, 200);
});

Deno.test("Authorization takes keys of any characters that a header can have", async () => {
  const app = createHono(new VirtualClock(), silentLog);
  app.get("/", lockedWith("sesame:{open!}"), (ask) => ask.text("in"));
  const headers = { authorization: "bearer  sesame:{open!} " };
  const answer = await app.request("/", { headers }, { client: "client", dismiss() {} });
  assert.equal(answer.status, 200);
});

Deno.test("Authorization slows down whoever guesses keys, and lets the right key in again later", async () => {
  await using fixture = await Fixture.start();
  const headers = { "x-api-key": "wrong" };
  const found: number[] = [];
  for (let attempt = 0; attempt < 20; attempt++) {
    found.push(await statusOf(fixture.bare("/api/v1/cars", { headers })));
  }
  assert.deepEqual(found.slice(0, 10), new Array(10).fill(401));
  assert.ok(found.slice(10).includes(429), `${found}`);
  assert.equal(await statusOf(fixture.bare("/healthz")), 200);
  assert.equal(await statusOf(fixture.get("/api/v1/cars")), 200, "the right key is let in");
});

Deno.test("Requests without a right key do not use up the rate of others at the same address", async () => {
  const clock = new VirtualClock();
  const app = createHono(clock, silentLog);
  const authorization = authorizationWith(KEY, clock);
  app.use(limitRate(clock, (ask) => authorization.nameOf(ask)));
  app.get("/", (ask) => ask.text("in"));
  const ask = async (key: string) => {
    const headers = { "x-api-key": key };
    return (await app.request("/", { headers }, { client: "client", dismiss() {} })).status;
  };
  const wrong = new Set<number>();
  for (let attempt = 0; attempt < 300; attempt++) wrong.add(await ask(`wrong ${attempt}`));
  assert.deepEqual([...wrong], [200, 429]);
  assert.equal(await ask("x".repeat(5000)), 429);
  const right = new Set<number>();
  for (let attempt = 0; attempt < 300; attempt++) right.add(await ask(KEY));
  assert.deepEqual([...right], [200, 429], "who has a key is limited, too");
});

Deno.test("ClientRateLimit gives back with time, and forgets the quietest of too many clients", async () => {
  const clock = new VirtualClock();
  const limit = new ClientRateLimit(clock, { perSecond: 2, burst: 3 });
  const take = () => limit.allows("one");
  assert.deepEqual([take(), take(), take(), take()], [true, true, true, false]);
  await clock.advance(500);
  assert.deepEqual([take(), take()], [true, false]);
  await clock.advance(60_000);
  assert.deepEqual([take(), take(), take(), take()], [true, true, true, false]);
  for (let other = 0; other < 1000; other++) limit.allows(`other ${other}`);
  assert.equal(take(), true);
});

Deno.test("Authorization refuses a foreign host name where no key protects it", async () => {
  await using fixture = await Fixture.start({ http: { address: "127.0.0.1" } });
  await using open = await Fixture.start({ http: withoutKey() });
  const { port } = new URL(open.operators.url);
  assert.equal(await statusOf(open.bare("/api/v1/cars")), 200);
  const refused = await rawAnswer(Number(port), "evil.example.org");
  assert.equal(statusIn(refused), 403);
  assert.match(refused, /as no key is configured: found \\"evil\.example\.org\\"/);
  assert.equal(await rawStatus(Number(port), `localhost:${port}`), 200);
  assert.equal(await rawStatus(Number(port), "[::no-host"), 400);
  assert.deepEqual(open.log.lines.filter(({ text }) => text.includes("Defect")), []);
  const keyed = Number(new URL(fixture.operators.url).port);
  assert.equal(await rawStatus(keyed, "proxy.example.org", `X-Api-Key: ${KEY}\r\n`), 200);
});

/** `apiKey` absent, over the fixture's own. */
function withoutKey() {
  return { apiKey: undefined } as unknown as { readonly apiKey?: string };
}

function statusIn(answer: string): number {
  return Number(answer.split(" ")[1]);
}

async function rawStatus(...request: Parameters<typeof rawAnswer>): Promise<number> {
  return statusIn(await rawAnswer(...request));
}

/** The answer to a request, with its head and the beginning of its body. */
async function rawAnswer(
  port: number,
  host: string,
  more = "",
  path = "/api/v1/cars",
): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const text = `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`;
  await connection.write(new TextEncoder().encode(text));
  return await waitFor(new Response(connection.readable).text(), "an answer");
}

Deno.test("Whoever asks finds no way around the key, and leaves no defect behind", async () => {
  await using fixture = await Fixture.start();
  const port = Number(new URL(fixture.operators.url).port);
  const status = (path: string, more = "") => rawStatus(port, "localhost", more, path);
  for (
    const path of ["/%6detrics", "/metrics?x-api-key=" + KEY, "/api/v1/cars/..%2f..%2fmetrics"]
  ) {
    assert.equal(await status(path), 401, path);
  }
  for (const path of ["//metrics", "/METRICS", "/api%2fcars", "/../../etc/passwd"]) {
    assert.equal(await status(path), 404, path);
  }
  const key = `X-Api-Key: ${KEY}\r\n`;
  assert.equal(await status("/api/v1/cars/%ff%zz", key), 404);
  assert.equal(await status("/metrics", `X-Api-Key: wrong\r\n${key}`), 401);
  const twoLengths = "Content-Length: 2\r\nContent-Length: 9\r\n";
  assert.equal(await status("/api/v1/cars", key + twoLengths), 400);
  assert.deepEqual(fixture.log.lines.filter(({ text }) => text.includes("Defect")), []);
});

Deno.test("createApp() answers errors as JSON, and every answer with strict headers", async () => {
  await using fixture = await Fixture.start();
  const plain = { method: "POST", body: "{}", headers: { "content-type": "text/plain" } };
  const cases = [
    ["/nothing", {}, 404, "not_found", '"/nothing"'],
    [`/${"x".repeat(5000)}`, {}, 404, "not_found", `"/${"x".repeat(79)}..."`],
    ["/api/v1/cars/", {}, 404, "not_found", '"/api/v1/cars/"'],
    ["/api/v1/cars", { method: "POST" }, 405, "method_not_allowed", '"POST"'],
    ["/rpc", {}, 405, "method_not_allowed", '"GET"'],
    ["/rpc", plain, 415, "unsupported_media_type", '"text/plain"'],
    ["/api/v1/cars", { headers: { "x-api-key": "" } }, 401, "unauthorized", "none"],
    ["/api/v1/cars", { headers: { "x-api-key": "sesame" } }, 401, "unauthorized", "another one"],
  ] as const;
  for (const [path, init, status, code, found] of cases) {
    const answer = await fixture.get(path, init);
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    const problem = Problem.parse(await answer.json());
    assert.deepEqual([problem.status, problem.code], [status, code]);
    assert.equal(problem.detail.split(": found ").at(-1), found);
    assert.match(answer.headers.get("content-security-policy") ?? "", /^default-src 'none'/);
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
  }
});

Deno.test("readBody() refuses bodies that are too large, announced or not", async () => {
  await using fixture = await Fixture.start();
  const large = "x".repeat(300_000);
  assert.equal(await statusOf(fixture.rpcText(large)), 413);
  const body = new Blob([large]).stream();
  const headers = { "content-type": "application/json" };
  assert.equal(await statusOf(fixture.get("/rpc", { method: "POST", body, headers })), 413);
});

Deno.test("listenHttp() speaks TLS with the configured certificate", async () => {
  await using certificates = await Certificates.make();
  await using fixture = await Fixture.start({ http: { tls: certificates.server } });
  assert.match(fixture.operators.url, /^https:/);
  const caCerts = [await Deno.readTextFile(certificates.caFile)];
  using client = Deno.createHttpClient({ caCerts });
  const answer = await waitFor(
    fetch(`${fixture.operators.url}/api/v1/cars`, { client, headers: { "x-api-key": KEY } }),
    "an answer over TLS",
  );
  assert.equal(answer.status, 200);
  await answer.body?.cancel();
  await assert.rejects(fixture.bare("/healthz"), TypeError);
});

Deno.test("Operators.start() says where it cannot listen", async () => {
  await using fixture = await Fixture.start();
  const port = Number(new URL(fixture.operators.url).port);
  const taken = new Operators({ config: { address: "127.0.0.1", port }, log: new ListLog() });
  await assert.rejects(
    taken.start({ fleet: fixture.server, setLogLevel: () => {} }),
    (error: Error) => {
      assert.ok(error instanceof HttpListenError);
      const where = `"127.0.0.1:${port}"`;
      assert.equal(
        error.message,
        `Cannot listen for HTTP on ${where}: the port is in use; ` +
          "end what listens there, or give http.port another",
      );
      return true;
    },
  );
});

Deno.test("Operators.stop() ends event streams and leaves no timer", async () => {
  const fixture = await Fixture.start();
  const answer = await fixture.get("/api/v1/events");
  const reader = answer.body?.getReader();
  await fixture[Symbol.asyncDispose]();
  await waitFor(async () => {
    try {
      return (await reader?.read())?.done ?? true;
    } catch {
      return true;
    }
  }, "the end of the stream");
  await assert.rejects(fetch(`${fixture.operators.url || "http://127.0.0.1:1"}/healthz`));
});
