// What makes a gateway connect again, and what it says then [GATEWAY-RECONNECT].
import assert from "node:assert/strict";
import { type Device, DeviceState } from "../../src/protocol/messages.ts";
import { knownDevices } from "../../src/gateway/mod.ts";
import { bytes } from "../car/support.ts";
import { CoreGateway, endsOf, FRONT, left, REAR, said, sentOf, statusesOf } from "./support.ts";

const { CONNECTING, RUNNING, DISCONNECT } = DeviceState;

function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

Deno.test("a gateway begins with its first status, and lists every device it knows by then", () => {
  const gateway = new CoreGateway();
  assert.deepEqual(gateway.take({ type: "start" }), []);
  assert.deepEqual(gateway.take(said(FRONT, "a")), [{ type: "open_link" }]);
  assert.deepEqual(gateway.take(said(REAR, "b"), said(FRONT, "newer")), []);
  const [connect] = sentOf(gateway.take({ type: "link_up" }));
  assert.ok(connect?.kind === "connect");
  assert.deepEqual(connect.devices, [FRONT, REAR]);
  assert.match(connect.sessionId, /^[0-9A-Za-z]{8}$/);
  const first = statusesOf(gateway.connectResponse());
  assert.deepEqual(first, [["newer", CONNECTING], ["b", CONNECTING]]);
});

Deno.test("a busy gateway that is told to reconnect sends one more status, then connects at once", () => {
  const gateway = new CoreGateway().run(FRONT);
  const { sessionId } = gateway;
  gateway.pass(100);
  assert.deepEqual(gateway.alreadyLogged("of no matter which session"), []);
  const effects = gateway.take(said(FRONT, "last"));
  assert.deepEqual(statusesOf(effects), [["last", RUNNING]]);
  assert.ok(sentOf(effects).every((message) => message.sessionId === sessionId));
  assert.deepEqual(effects.map(({ type }) => type), ["send", "close_link", "ended", "open_link"]);
  assert.deepEqual(endsOf(effects), ["told_to_reconnect"]);
  gateway.sequence();
  assert.notEqual(gateway.sessionId, sessionId);
});

Deno.test("a quiet gateway that is told to reconnect does so when it looks, every 3 s", () => {
  const gateway = new CoreGateway().run(FRONT);
  gateway.pass(7_500);
  gateway.alreadyLogged();
  assert.deepEqual(gateway.pass(1_499), []);
  assert.deepEqual(gateway.pass(1).map(({ type }) => type), ["close_link", "ended", "open_link"]);
});

Deno.test("what comes while a reconnect is queued breaks no rule and changes nothing", () => {
  const gateway = new CoreGateway().run(FRONT);
  gateway.alreadyLogged();
  const queued = gateway.state;
  gateway.alreadyLogged("again");
  gateway.respond(99);
  gateway.respond(1, "another");
  gateway.take({ type: "malformed", detail: "junk" });
  assert.equal(gateway.state, queued);
});

Deno.test("what was left without an answer is a device's first status, others are empty", () => {
  const gateway = new CoreGateway().run(FRONT, REAR);
  gateway.take(said(FRONT, "answered"), said(FRONT, "lost"), said(FRONT, "", "it hurts"));
  gateway.respond(3);
  gateway.take(said(REAR, "answered"));
  gateway.respond(6);
  gateway.alreadyLogged();
  gateway.pass(3_000);
  gateway.take({ type: "link_up" });
  const first = sentOf(gateway.connectResponse());
  assert.deepEqual(
    first.map((one) => one.kind === "status" && [text(one.statusData), text(one.errorMessage)]),
    [["", "it hurts"], ["", ""]],
  );
});

Deno.test("[GATEWAY-PREPARE] before a Connect, statuses are asked for where none is known", () => {
  const gateway = new CoreGateway({ prepares: true }).run(FRONT, REAR);
  gateway.take(said(FRONT, "unanswered"));
  gateway.alreadyLogged();
  const ended = gateway.pass(3_000);
  assert.deepEqual(
    ended.filter(({ type }) => type === "fold"),
    [{ type: "fold", device: FRONT, data: bytes("unanswered") }],
  );
  assert.deepEqual(gateway.take({ type: "link_up" }), [{ type: "prepare" }]);
  const forced = (device: Device) => ({ type: "forced", device, data: bytes("current") }) as const;
  gateway.take(forced(FRONT), forced(REAR));
  gateway.take({ type: "error_message", device: FRONT, errorMessage: bytes("it hurt") });
  assert.deepEqual(gateway.alreadyLogged("earlier"), [], "the server has heard nothing");
  assert.deepEqual(sentOf(gateway.take({ type: "prepared" })).map(({ kind }) => kind), ["connect"]);
  const first = sentOf(gateway.connectResponse());
  assert.deepEqual(
    first.map((one) => one.kind === "status" && [text(one.statusData), text(one.errorMessage)]),
    [["unanswered", "it hurt"], ["current", ""]],
  );
});

Deno.test("[GATEWAY-PREPARE] what takes too long to prepare does not hold up the Connect", () => {
  const gateway = new CoreGateway({ prepares: true }).run(FRONT);
  gateway.alreadyLogged();
  gateway.pass(3_000);
  gateway.take({ type: "link_up" });
  assert.deepEqual(gateway.pass(4_999), []);
  assert.deepEqual(sentOf(gateway.pass(1)).map(({ kind }) => kind), ["connect"]);
  gateway.connectResponse();
  gateway.respond(1);
  gateway.command(0, FRONT);
  gateway.take({ type: "error_message", device: FRONT, errorMessage: bytes("late") });
  gateway.take(said(FRONT, "fine"));
  gateway.alreadyLogged();
  gateway.pass(3_000);
  gateway.take({ type: "link_up" }, { type: "prepared" });
  const [first] = sentOf(gateway.connectResponse());
  assert.equal(first?.kind === "status" && text(first.errorMessage), "late");
});

Deno.test("a gateway that prepares forgets devices that leave, and everything when it stops [GATEWAY-STOP]", () => {
  const gateway = new CoreGateway({ prepares: true }).run(FRONT, REAR);
  const forgotten = [{ type: "forgotten", device: REAR }];
  assert.deepEqual(gateway.take(left(REAR)).filter(({ type }) => type === "forgotten"), forgotten);
  gateway.take(said(FRONT, "lost"), { type: "stop" }, { type: "start" });
  assert.deepEqual(knownDevices(gateway.state), []);
});

Deno.test("version 1.4 drops its session upon the notification, and connects with the next status", () => {
  const gateway = new CoreGateway().run(FRONT);
  assert.deepEqual(endsOf(gateway.take({ type: "notified" })), ["notified"]);
  assert.equal(gateway.deadline, null);
  assert.deepEqual(gateway.take(said(FRONT)), [{ type: "open_link" }]);
});

Deno.test("version 1.3 ignores the notification, and finds out 30 s after a status", () => {
  const gateway = new CoreGateway({ version: "1.3" }).run(FRONT);
  gateway.take(said(FRONT, "unanswered"));
  assert.deepEqual(gateway.take({ type: "notified" }), []);
  assert.deepEqual(gateway.pass(29_999), []);
  assert.deepEqual(endsOf(gateway.pass(3_001)), ["status_unanswered"]);
  assert.equal(gateway.state.kind, "connecting");
});

Deno.test("a gateway that loses its broker looks for it with its next status, or within 3 s", () => {
  for (const isBusy of [true, false]) {
    const gateway = new CoreGateway().run(FRONT);
    gateway.pass(1_000);
    const lost = gateway.take({ type: "link_down", detail: "no broker" });
    assert.deepEqual(lost.map(({ type }) => type), ["link_failed", "ended"]);
    const effects = isBusy ? gateway.take(said(FRONT)) : gateway.pass(2_000);
    assert.deepEqual(effects, [{ type: "open_link" }]);
    gateway.take({ type: "link_down", detail: "no broker" });
    assert.deepEqual(gateway.take(said(FRONT)), [], "only the retry connects again");
    assert.deepEqual(gateway.pass(10_000), [{ type: "open_link" }]);
  }
});

Deno.test("the first broker connection of each process fails when it is told so", () => {
  const gateway = new CoreGateway({ firstLinkFails: true });
  const [failed] = gateway.take({ type: "start" }, said(FRONT));
  assert.equal(failed?.type, "link_failed");
  assert.deepEqual(gateway.pass(10_000), [{ type: "open_link" }]);
  gateway.sequence();
  gateway.alreadyLogged();
  assert.deepEqual(gateway.pass(3_000).at(-1), { type: "open_link" }, "not in later sessions");
  gateway.take({ type: "restart" });
  assert.equal(gateway.pass(1_000).at(-1)?.type, "link_failed");
});

Deno.test("statuses wait while the connect sequence runs, and are sent after it", () => {
  const gateway = new CoreGateway();
  gateway.take({ type: "start" }, said(FRONT), { type: "link_up" });
  const joined = gateway.take(said(FRONT, "a"), said(REAR, "b"), said(FRONT, "c"));
  assert.deepEqual(joined, []);
  gateway.connectResponse();
  gateway.respond(1);
  const effects = gateway.command(5, FRONT);
  assert.deepEqual(statusesOf(effects), [["a", RUNNING], ["b", CONNECTING], ["c", RUNNING]]);
});

Deno.test("a device that leaves while nothing may be sent is reported afterwards, in order", () => {
  const gateway = new CoreGateway().run(FRONT, REAR);
  assert.deepEqual(statusesOf(gateway.take(left(FRONT))), [["", DISCONNECT]]);
  gateway.take(said(FRONT, "back"), left(REAR), said(REAR, "back, too"));
  assert.deepEqual(statusesOf(gateway.pass(10_000)), [["back", CONNECTING], ["", DISCONNECT]]);
  assert.deepEqual(statusesOf(gateway.pass(10_000)), [["back, too", CONNECTING]]);
});

Deno.test("a status that comes while the last device leaves begins the next session", () => {
  const gateway = new CoreGateway().run(FRONT);
  gateway.take(left(FRONT), said(REAR, "new"));
  const effects = gateway.respond(2);
  assert.deepEqual(endsOf(effects), ["all_devices_gone"]);
  assert.deepEqual(effects.at(-1), { type: "open_link" });
});

Deno.test("reports that cannot be sent are bounded, and their callers are told", () => {
  const gateway = new CoreGateway().run(FRONT, REAR);
  gateway.take(left(REAR));
  const kept: number[] = [];
  for (let tag = 0; tag < 1_200; tag++) {
    for (const effect of gateway.take(said(FRONT, `${tag}`, "", tag))) {
      if (effect.type === "kept" && effect.tag !== null) kept.push(effect.tag);
    }
  }
  assert.deepEqual(kept, Array.from({ length: 200 }, (_, tag) => tag));
  const big = gateway.take(said(FRONT, "x".repeat(16 * 1024 * 1024), "", 5_000));
  assert.equal(big.filter(({ type }) => type === "kept").length, 1_000, "bytes count, too");
  const sent = statusesOf(gateway.pass(10_000));
  assert.deepEqual([sent.length, sent[0]?.[1]], [1, RUNNING]);
});

Deno.test("with too many unanswered statuses a report is its device's last one, until there is room", () => {
  const gateway = new CoreGateway({ prepares: true, maxOpen: 2 }).run(FRONT);
  gateway.take(said(FRONT, "1"), said(FRONT, "2"));
  const kept = gateway.take(said(FRONT, "3"));
  assert.deepEqual(kept.map(({ type }) => type), ["kept", "fold"]);
  gateway.respond(2);
  assert.deepEqual(statusesOf(gateway.take(said(FRONT, "4"))), [["4", RUNNING]]);
});

Deno.test("a device whose only report was too much is new when it says something again", () => {
  const gateway = new CoreGateway().run(FRONT, REAR);
  gateway.take(left(REAR), said(REAR, "too much"));
  for (let i = 0; i < 1_000; i++) gateway.take(said(FRONT));
  gateway.pass(10_000);
  assert.deepEqual(statusesOf(gateway.take(said(REAR, "again"))), [["again", CONNECTING]]);
});

Deno.test("bytes that are no message fail a connect sequence, and a session at the next look", () => {
  const malformed = { type: "malformed", detail: "junk" } as const;
  const connecting = new CoreGateway();
  assert.deepEqual(connecting.take(malformed), []);
  connecting.take({ type: "start" }, said(FRONT), { type: "link_up" });
  const [violation] = connecting.take(malformed);
  assert.ok(violation?.type === "violation" && violation.phase === "connect");
  assert.equal(connecting.state.kind, "not_connected");
  const connected = new CoreGateway().run(FRONT);
  assert.deepEqual(connected.take(malformed).map(({ type }) => type), ["violation"]);
  assert.deepEqual(endsOf(connected.pass(3_000)), ["violation"]);
});

Deno.test("every answer is reported with its status, and whether it belongs to the sequence", () => {
  const gateway = new CoreGateway().run(FRONT, REAR);
  gateway.take(said(FRONT, "third", "", 7));
  gateway.respond(3);
  const answers = gateway.effects.flatMap((effect) => effect.type === "answered" ? [effect] : []);
  assert.deepEqual(
    answers.map(({ open, inSequence }) => [open.status.messageCounter, open.tag, inSequence]),
    [[1, null, true], [2, null, true], [3, 7, false]],
  );
});
