// The webhook over real HTTP: signed, in order, tried again, bounded.
import assert from "node:assert/strict";
import type { Incident } from "../../src/observe/health/incident.ts";
import { DeliveryQueue } from "../../src/webhook/delivery_queue.ts";
import { signedHeaders } from "../../src/net/signed_post.ts";
import { Webhook } from "../../src/webhook/webhook.ts";
import { ListLog } from "../support/list_log.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";
import { waitFor } from "../support/wait.ts";
import { Receiver } from "./receiver.ts";

const SECRET = "a-secret-that-is-long-enough";

function incident(id: number, different: Partial<Incident> = {}): Incident {
  return {
    id,
    code: "broker_away",
    severity: "down",
    text: "The broker is away",
    advice: "Check that it runs",
    beganAt: Date.UTC(2026, 10, 20, 8),
    endedAt: null,
    switchedOff: false,
    quietSince: null,
    culprit: null,
    cars: ["car_a"],
    carCount: 1,
    times: 1,
    acknowledged: null,
    ...different,
  };
}

/** Knows what was waited for last, in milliseconds. */
class WatchedClock extends VirtualClock {
  lastDelay = 0;

  override set(callback: () => void, delayMs: number) {
    this.lastDelay = delayMs;
    return super.set(callback, delayMs);
  }
}

function webhookTo(url: string) {
  const clock = new WatchedClock();
  const log = new ListLog();
  const config = { url, secret: SECRET };
  const webhook = new Webhook({ config, company: "acme", log, clock, random: () => 0 });
  return { clock, log, webhook };
}

Deno.test("Webhook posts the begin and the end of an incident, signed, and nothing else", async () => {
  await using receiver = new Receiver(SECRET);
  const { webhook, clock } = webhookTo(receiver.url);
  const endedAt = Date.UTC(2026, 10, 20, 8, 0, 4);
  webhook.onIncident({ kind: "began", incident: incident(1) });
  webhook.onIncident({ kind: "changed", incident: incident(1) });
  webhook.onIncident({ kind: "acknowledged", incident: incident(1) });
  webhook.onIncident({ kind: "ended", incident: incident(1, { endedAt, times: 2 }) });
  const began = await receiver.inbox.next("the begin");
  assert.deepEqual(began.body, {
    type: "incident.began",
    timestamp: "2026-11-20T08:00:00.000Z",
    data: {
      company: "acme",
      id: 1,
      code: "broker_away",
      severity: "down",
      text: "The broker is away",
      advice: "Check that it runs",
      beganAt: "2026-11-20T08:00:00.000Z",
      endedAt: null,
      seconds: null,
      switchedOff: false,
      culprit: null,
      cars: ["car_a"],
      carCount: 1,
      times: 1,
    },
  });
  const ended = await receiver.inbox.next("the end");
  assert.equal(ended.body.type, "incident.ended");
  assert.equal(ended.body.timestamp, "2026-11-20T08:00:04.000Z");
  assert.deepEqual([ended.body.data.seconds, ended.body.data.times], [4, 2]);
  assert.notEqual(ended.id, began.id);
  await webhook.stop();
  assert.deepEqual([receiver.requests, webhook.counts.waiting, clock.timers], [2, 0, 0]);
});

Deno.test("Webhook tries again with growing pauses, in order, under the same id", async () => {
  await using receiver = new Receiver(SECRET);
  receiver.answers.push(500, 429, 503);
  const { webhook, clock, log } = webhookTo(receiver.url);
  webhook.onIncident({ kind: "began", incident: incident(1) });
  webhook.onIncident({ kind: "began", incident: incident(2) });
  const ids = new Set<string>();
  for (const pause of [1000, 2000, 4000]) {
    const { id, body } = await receiver.inbox.next("an attempt");
    assert.equal(body.data.id, 1);
    ids.add(id);
    await waitFor(() => clock.lastDelay === pause, `a pause of ${pause} ms`);
    await clock.advance(pause);
  }
  const taken = await receiver.inbox.next("the attempt that is taken");
  ids.add(taken.id);
  assert.equal(ids.size, 1);
  assert.equal((await receiver.inbox.next("the next incident")).body.data.id, 2);
  await webhook.stop();
  assert.deepEqual(webhook.counts, {
    taken: 2,
    givenUp: 0,
    dropped: 0,
    failedAttempts: 3,
    waiting: 0,
  });
  assert.equal(clock.timers, 0);
  const origin = new URL(receiver.url).origin;
  assert.deepEqual(log.texts("WARNING"), [
    `Cannot post an incident to "${origin}", trying again: it answered with 500`,
  ]);
});

Deno.test("Webhook gives up what is refused for good, and follows no redirection", async () => {
  await using receiver = new Receiver(SECRET);
  await using other = new Receiver(SECRET);
  const moved = new Response(null, { status: 307, headers: { location: other.url } });
  receiver.answers.push(404, moved);
  const { webhook, log } = webhookTo(receiver.url);
  for (const id of [1, 2, 3]) webhook.onIncident({ kind: "began", incident: incident(id) });
  for (const id of [1, 2, 3]) {
    assert.equal((await receiver.inbox.next("an incident")).body.data.id, id);
  }
  await webhook.stop();
  assert.deepEqual([receiver.requests, other.requests, webhook.counts.waiting], [3, 0, 0]);
  const { taken, givenUp, failedAttempts } = webhook.counts;
  assert.deepEqual([taken, givenUp, failedAttempts], [1, 2, 2]);
  assert.match(log.texts("WARNING").join("\n"), /given up: it answered with 404/);
});

Deno.test("Webhook tries once more when it stops, and says what was not taken", async () => {
  const gone = new Receiver(SECRET);
  const { url } = gone;
  await gone[Symbol.asyncDispose]();
  const { webhook, clock, log } = webhookTo(url);
  webhook.onIncident({ kind: "began", incident: incident(1) });
  webhook.onIncident({ kind: "ended", incident: incident(1) });
  await waitFor(() => clock.lastDelay === 1000, "the first pause");
  await webhook.stop();
  webhook.onIncident({ kind: "began", incident: incident(2) });
  await settled();
  assert.deepEqual([webhook.counts.waiting, clock.timers], [2, 0]);
  const said = log.texts("WARNING");
  assert.match(said.at(-1) ?? "", /^2 messages were not taken by "http:\/\/127\.0\.0\.1:\d+"$/);
  // The path may hold a token.
  assert.doesNotMatch(said.join("\n"), /token/);
});

Deno.test("Webhook shows no path of a URL that errors write in another way", async () => {
  const gone = new Receiver(SECRET);
  const { port } = new URL(gone.url);
  await gone[Symbol.asyncDispose]();
  const { log, webhook } = webhookTo(`http://LOCALHOST:${port}/a/../token`);
  webhook.onIncident({ kind: "began", incident: incident(1) });
  await webhook.stop();
  assert.match(log.texts("WARNING").join("\n"), /localhost/);
  assert.doesNotMatch(log.texts("WARNING").join("\n"), /token/);
});

Deno.test("DeliveryQueue keeps the one that is posted, and drops the oldest of the others", () => {
  const queue = new DeliveryQueue({ messages: 3, characters: 10 });
  const push = (id: string, length = 1) => queue.push({ id, body: "x".repeat(length) });
  assert.deepEqual([push("a"), push("b"), push("c"), push("d")], [0, 0, 0, 1]);
  assert.deepEqual([queue.first?.id, queue.size], ["a", 3]);
  assert.equal(push("e", 9), 2);
  assert.deepEqual([queue.first?.id, queue.size], ["a", 2]);
  assert.equal(push("f", 50), 2);
  assert.equal(queue.size, 1);
  for (let first = queue.first; first; first = queue.first) queue.remove(first);
  assert.equal(push("g", 10), 0);
});

Deno.test("signedHeaders() signs as Standard Webhooks does", async () => {
  // The example of its documentation.
  const signed = {
    id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
    timestamp: 1614265330,
    body: '{"test": 2432232314}',
  };
  assert.deepEqual(await signedHeaders(signed, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), {
    "webhook-id": signed.id,
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
});
