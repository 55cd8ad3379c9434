// What becomes of events: channels in order, failures that cost one event, and batches that come again.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { Channels, type Follows } from "../../src/channel/channels.ts";
import type { ChannelsSettings } from "../../src/channel/settings.ts";
import type { EventView } from "../../src/channel/view.ts";
import { channel, linesOf, status } from "./support.ts";

async function evaluate(
  channels: ChannelsSettings["channels"],
  events: readonly EventView[],
  decoders: ChannelsSettings["decoders"] = {},
) {
  const made = await Channels.make({ channels, decoders });
  return await made.evaluate(linesOf(events), "delivered");
}

Deno.test("an event goes through the first channel that takes it, and as it is without a map", async () => {
  const channels = [
    channel("commands", { events: ["command"], map: "kind" }),
    channel("fast", { where: "decoded.speed > 10", map: '{"fast": decoded.speed}' }),
    channel("statuses", { events: ["status.accepted"] }),
  ];
  const events = [
    status(1, { speed: 20 }),
    status(2, { speed: 3 }),
    status(3, {}, { kind: "command.sent" }),
    status(4, { speed: 1 }, { kind: "status.error" }),
  ];
  const { bodies, counts, failures } = await evaluate(channels, events, { 1: { kind: "json" } });
  const decoded = JSON.stringify({ ...events[1], decoded: { speed: 3 } });
  assert.deepEqual(bodies, ['{"fast":20}', decoded, '"command.sent"', null]);
  assert.deepEqual(failures, []);
  assert.deepEqual(counts, {
    channels: [
      { sent: 1, dropped: 0, failed: 0 },
      { sent: 1, dropped: 0, failed: 0 },
      { sent: 1, dropped: 0, failed: 0 },
    ],
    undecoded: 0,
  });
  const [plain] = (await evaluate([channel("all")], events.slice(0, 1))).bodies;
  assert.equal(plain, true, "the event's own JSON");
});

Deno.test("an expression that fails costs its event, is named, and stops nothing", async () => {
  const channels = [
    channel("fast", { where: "decoded.speed > 10", map: '$error("too fast")' }),
    channel("rest"),
  ];
  const speeds = [{ speed: 1 }, {}, { speed: 20 }, {}, { speed: 2 }];
  const events = speeds.map((data, index) => status(index, data));
  const { bodies, counts, failures } = await evaluate(channels, events, { 1: { kind: "json" } });
  assert.deepEqual(bodies.map((body) => typeof body === "string"), [
    true,
    false,
    false,
    false,
    true,
  ]);
  assert.deepEqual(counts.channels, [
    { sent: 0, dropped: 0, failed: 3 },
    { sent: 2, dropped: 0, failed: 0 },
  ]);
  assert.deepEqual(failures.map(({ channel, key, event, count }) => [channel, key, event, count]), [
    ["fast", "where", "acme/car_1/1/1", 2],
    ["fast", "map", "acme/car_1/1/2", 1],
  ]);
  assert.match(failures[0]?.message ?? "", /^at character 9: No such key: speed$/);
});

Deno.test("a payload that cannot be decoded travels as it is", async () => {
  const events = [
    status(1, {}, { payload: { base64: "/w==" } }),
    status(2, {}, { payload: { text: "{" } }),
    status(3, {}, { payload: null }),
  ];
  const { bodies, counts, failures } = await evaluate([channel("all")], events, {
    1: { kind: "json" },
  });
  const sent = bodies.map((body) => body === true ? "plain" : JSON.parse(body as string));
  assert.deepEqual(sent[0], { ...events[0], decoded: null });
  assert.deepEqual(sent[1], { ...events[1], decoded: null });
  assert.equal(sent[2], "plain");
  assert.equal(counts.undecoded, 2);
  assert.deepEqual(failures.map(({ channel, key, count }) => [channel, key, count]), [
    [null, "decoders.1", 2],
  ]);
});

Deno.test("reports and samples are kept for each device, and by its events' times", async () => {
  const device = (role: string) => ({ module: 1, type: 1, role, name: "" });
  const at = (seconds: number) => ({ at: new Date(seconds * 1000).toISOString() });
  const events = [
    status(1, 1, { device: device("a"), ...at(0) }),
    status(2, 1, { device: device("b"), ...at(0) }),
    status(3, 1, { device: device("a"), ...at(1) }),
    status(4, 2, { device: device("a"), ...at(2) }),
    status(5, 1, { device: device("b"), ...at(60) }),
    status(6, 1, { car: "car_2", device: device("a"), ...at(60) }),
  ];
  const numbers = async (settings: ReturnType<typeof channel>) => {
    const { bodies } = await evaluate([settings], events);
    return bodies.flatMap((body, index) => body === null ? [] : [index + 1]);
  };
  assert.deepEqual(await numbers(channel("c", { when: "change" })), [1, 2, 4, 6]);
  const both = channel("c", { when: "change-or-period", periodMs: 60_000 });
  assert.deepEqual(await numbers(both), [1, 2, 4, 5, 6]);
  assert.deepEqual(await numbers(channel("c", { sample: { oneIn: 2 } })), [1, 2, 4, 6]);
});

Deno.test("a change that could not be mapped is a change of the next event", async () => {
  const channels = [channel("c", { when: "change", map: 'counter = 1 ? $error("no") : counter' })];
  const events = [status(1, 1, { counter: 1 }), status(2, 1, { counter: 2 }), status(3, 1)];
  assert.deepEqual((await evaluate(channels, events)).bodies, [null, "2", null]);
});

Deno.test("however batches are cut and come again, the same events are sent", async () => {
  const channels = [channel("c", { when: "change", sample: { oneIn: 2 } })];
  const values = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 30 });
  const sizes = fc.infiniteStream(
    fc.record({ size: fc.integer({ min: 1, max: 8 }), fails: fc.boolean() }),
  );
  await fc.assert(fc.asyncProperty(values, sizes, async (all, cuts) => {
    const lines = linesOf(all.map((value, index) => status(index, value)));
    const expected = await (await Channels.make({ channels, decoders: {} })).evaluate(
      lines,
      "delivered",
    );
    const made = await Channels.make({ channels, decoders: {} });
    const found = [];
    let follows: Follows = "delivered";
    let failures = 0;
    for (let from = 0; from < lines.length;) {
      const { size, fails } = cuts.next().value;
      const middle = from + (size >> 1);
      const { bodies: first } = await made.evaluate(lines.slice(from, middle), follows);
      const rest = await made.evaluate(lines.slice(middle, from + size), "same_batch");
      const hasFailed = fails && failures++ < 20;
      follows = hasFailed ? "failed" : "delivered";
      if (hasFailed) continue;
      found.push(...first, ...rest.bodies);
      from += size;
    }
    assert.deepEqual(found, expected.bodies);
  }));
});
