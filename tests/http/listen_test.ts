// Bounds of the port itself: how many requests at once, for how long, and how it ends.
import assert from "node:assert/strict";
import { listenHttp, STOP_MS } from "../../src/http/listen.ts";
import { ANSWER_MS, createHono, MAX_OPEN } from "../../src/http/middleware.ts";
import { silentLog } from "../../src/log/log.ts";
import { VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";

const CONFIG = { address: "127.0.0.1", port: 0 };

/** A port whose answers come when the test says so. */
async function listenHeld() {
  const clock = new VirtualClock();
  const held: ((answer: Response) => void)[] = [];
  const app = createHono(clock, silentLog);
  app.all("*", () => new Promise<Response>((resolve) => held.push(resolve)));
  const listening = await listenHttp(CONFIG, app.fetch, { clock });
  const release = () => held.splice(0).forEach((resolve) => resolve(new Response("late")));
  return {
    clock,
    held,
    release,
    url: listening.url,
    [Symbol.asyncDispose]: async () => {
      release();
      await listening.stop();
    },
  };
}

async function statusOf(answer: Response): Promise<number> {
  await answer.body?.cancel();
  return answer.status;
}

Deno.test("createHono() answers 503 when an answer takes longer than a minute", async () => {
  await using port = await listenHeld();
  const asked = fetch(port.url);
  await waitFor(() => port.held.length === 1, "the request");
  await port.clock.advance(ANSWER_MS - 1);
  // The answer's, and that of the connection.
  assert.equal(port.clock.timers, 2);
  await port.clock.advance(1);
  const answer = await waitFor(asked, "the refusal");
  assert.equal(answer.status, 503);
  assert.equal((await answer.json()).code, "timeout");
  assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
  assert.equal(port.clock.timers, 1);
});

Deno.test("createHono() refuses more than 256 requests at once, and forgets those answered", async () => {
  await using port = await listenHeld();
  const asked = Array.from({ length: MAX_OPEN }, () => fetch(port.url));
  await waitFor(() => port.held.length === MAX_OPEN, "all requests");
  const refused = await waitFor(fetch(port.url), "the refusal");
  assert.equal(refused.status, 503);
  assert.equal((await refused.json()).code, "busy");
  assert.equal(port.held.length, MAX_OPEN);
  port.release();
  const answers = await waitFor(Promise.all(asked), "the answers");
  assert.deepEqual(new Set(await Promise.all(answers.map(statusOf))), new Set([200]));
  // Whoever was late counts no more, and no timer is left of anybody.
  assert.equal(port.clock.timers, 1);
  const again = fetch(port.url);
  await waitFor(() => port.held.length === 1, "one more request");
  port.release();
  assert.equal(await statusOf(await waitFor(again, "its answer")), 200);
});

Deno.test("listenHttp() waits a second for answers when it stops, and cuts off the others", async () => {
  const clock = new VirtualClock();
  let asked = 0;
  const never = () => {
    asked++;
    return new Promise<Response>(() => {});
  };
  const listening = await listenHttp(CONFIG, never, { clock });
  const answer = fetch(listening.url).then(statusOf, () => "cut off");
  await waitFor(() => asked === 1, "the request");
  let stopped = false;
  const stopping = listening.stop().then(() => stopped = true);
  await clock.advance(STOP_MS - 1);
  assert.equal(stopped, false);
  await clock.advance(1);
  await waitFor(stopping, "the end");
  assert.equal(await waitFor(answer, "the end of the request"), "cut off");
});

Deno.test("listenHttp() ends at once though a client has only begun to ask, and one waits", async () => {
  const clock = new VirtualClock();
  const listening = await listenHttp(CONFIG, () => new Response("here"), { clock });
  const { port } = new URL(listening.url);
  using silent = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  using begun = await Deno.connect({ hostname: "127.0.0.1", port: Number(port) });
  await begun.write(new TextEncoder().encode("GET / HTTP/1.1\r\nHost: loc"));
  // Whoever came later was served, so both have been heard.
  assert.equal(await statusOf(await waitFor(fetch(listening.url), "an answer")), 200);
  await waitFor(listening.stop(), "the end");
  for (const connection of [silent, begun]) {
    const rest = await waitFor(connection.read(new Uint8Array(1)).catch(() => null), "its end");
    assert.equal(rest, null);
  }
  assert.equal(clock.timers, 0);
});

/** Does something, and returns the ports that HTTP servers were started at meanwhile. */
async function portsServedAt(action: () => Promise<void>): Promise<number[]> {
  const { serve } = Deno;
  const ports: number[] = [];
  const watched = (...args: Parameters<typeof serve>) => {
    const server = serve(...args);
    ports.push((server.addr as Deno.NetAddr).port);
    return server;
  };
  Object.assign(Deno, { serve: watched });
  try {
    await action();
  } finally {
    Object.assign(Deno, { serve });
  }
  return ports;
}

Deno.test("listenHttp() refuses whoever goes around the port that counts connections", async () => {
  await using undo = new AsyncDisposableStack();
  let url = "";
  const [inner] = await portsServedAt(async () => {
    const listening = await listenHttp(CONFIG, () => new Response("secret"));
    undo.defer(() => listening.stop());
    url = listening.url;
  });
  assert.ok(inner);
  assert.notEqual(`${inner}`, new URL(url).port);
  const answer = await waitFor(fetch(`http://127.0.0.1:${inner}`), "the refusal");
  assert.equal(answer.status, 403);
  assert.doesNotMatch(await answer.text(), /secret/);
});
