// The rules of an internal server, one by one.
import assert from "node:assert/strict";
import { INTERNAL_SERVER_LIMITS, nextDeadline, phaseOf } from "../../src/internal_server/mod.ts";
import { DeviceConnectResponseType as Type } from "../../src/protocol/mod.ts";
import {
  BETTER_BUTTON,
  BUTTON,
  bytes,
  Core,
  LAMP,
  OTHER_BUTTON,
  short,
  WORSE_BUTTON,
} from "./support.ts";

Deno.test("a connection says nothing when it is accepted, and is closed without a Connect", () => {
  const core = new Core();
  assert.deepEqual(core.accept(1), []);
  assert.deepEqual(core.pass(9_999), []);
  assert.deepEqual(short(core.pass(1)), ["close 1 now no_connect"]);
  assert.equal(core.state.connections, 0);
});

Deno.test("a frame may take its time, but not more: more bytes give it no more", () => {
  const core = new Core();
  core.connected(1);
  core.step({ type: "partial", connection: 1, bytes: 3 });
  assert.deepEqual(core.pass(4_000), []);
  core.step({ type: "partial", connection: 1, bytes: 5 });
  assert.equal(core.state.heldBytes, 5);
  assert.deepEqual(short(core.pass(1_000)), ["close 1 now frame_timeout", "disconnected front"]);
  assert.equal(core.state.heldBytes, 0);
});

Deno.test("a frame that becomes whole is not awaited any more", () => {
  const core = new Core();
  core.connected(1);
  core.step({ type: "partial", connection: 1, bytes: 3 });
  core.pass(4_999);
  core.status(1, "here");
  core.answer("");
  assert.equal(nextDeadline(core.state, core), Infinity);
});

Deno.test("what is no message closes its connection without an answer", () => {
  const core = new Core();
  core.connected(1);
  const effects = core.step({ type: "malformed", connection: 1, detail: "a length of 0" });
  assert.deepEqual(short(effects), ["close 1 now malformed", "disconnected front"]);
});

Deno.test("a status before the Connect closes its connection without an answer", () => {
  const core = new Core();
  core.accept(1);
  assert.deepEqual(short(core.status(1, "early")), ["close 1 now not_connected"]);
});

Deno.test("a second Connect closes its connection without an answer", () => {
  const core = new Core();
  core.connected(1);
  assert.deepEqual(short(core.connect(1)), ["close 1 now connected_twice", "disconnected front"]);
});

Deno.test("a Connect registers its connection at once, and is handed up", () => {
  const core = new Core();
  core.accept(1);
  assert.deepEqual(short(core.connect(1)), ["connected front"]);
  core.accept(2);
  assert.deepEqual(short(core.connect(2, OTHER_BUTTON)), [
    "send 2 response 1",
    "close 2 sent already_connected",
  ]);
  // The first one is still asked about.
  assert.equal(phaseOf(core.state, 1), "awaiting");
});

Deno.test("a device of lower priority is refused", () => {
  const core = new Core();
  core.connected(1);
  core.accept(2);
  assert.deepEqual(short(core.connect(2, WORSE_BUTTON)), [
    "send 2 response 4",
    "close 2 sent higher_priority_connected",
  ]);
});

Deno.test("a device of higher priority takes over; the old one is gone before the new one comes", () => {
  const core = new Core();
  core.connected(1);
  core.accept(2);
  assert.deepEqual(short(core.connect(2, BETTER_BUTTON)), [
    "close 1 now replaced",
    "disconnected front",
    "connected better",
  ]);
  assert.equal(phaseOf(core.state, 1), null);
});

Deno.test("answers repeat all fields of the request's device", () => {
  const core = new Core();
  core.accept(1);
  core.connect(1, OTHER_BUTTON);
  const [response] = core.step({
    type: "answer_connect",
    request: core.request,
    device: BUTTON,
    responseType: Type.OK,
  });
  assert.deepEqual(response?.type === "send" && response.message.device, OTHER_BUTTON);
  core.status(1, "on", OTHER_BUTTON);
  const [command] = core.answer("off");
  assert.deepEqual(command?.type === "send" && command.message.device, OTHER_BUTTON);
});

for (const what of ["connect", "status"] as const) {
  Deno.test(`nobody reads while a ${what} has no answer; a late one costs the connection`, () => {
    const core = new Core();
    if (what === "status") {
      core.connected(1);
      core.status(1, "slow");
    } else {
      core.accept(1);
      core.connect(1);
    }
    assert.equal(phaseOf(core.state, 1), "awaiting");
    assert.deepEqual(core.pass(249), []);
    assert.deepEqual(short(core.pass(1)), [
      "slow_answer 1000 250",
      "close 1 now answer_timeout",
      "disconnected front",
    ]);
    assert.deepEqual(short(core.answer("late")), ["late_answer front"]);
  });
}

Deno.test("slow answers delay no other device", () => {
  const core = new Core();
  core.connected(1);
  core.connected(2, LAMP);
  core.status(1, "slow");
  core.pass(200);
  core.status(2, "quick", LAMP);
  assert.deepEqual(short(core.answer("at once", LAMP)), ["send 2 command at once"]);
  assert.deepEqual(short(core.pass(50)).slice(1), [
    "close 1 now answer_timeout",
    "disconnected front",
  ]);
  assert.equal(phaseOf(core.state, 2), "reading");
});

Deno.test("the late answer of a connection that is gone is not its device's next one", () => {
  const core = new Core();
  core.connected(1);
  core.status(1, "first");
  const { request } = core;
  core.step({ type: "closed", connection: 1, error: null });
  core.connected(2);
  core.status(2, "second");
  assert.deepEqual(short(core.answer("for the first", BUTTON, request)), ["late_answer front"]);
  assert.deepEqual(short(core.answer("for the second")), ["send 2 command for the second"]);
});

Deno.test("an answer for another priority is dropped", () => {
  const core = new Core();
  core.connected(1);
  core.status(1, "on");
  assert.deepEqual(short(core.answer("off", WORSE_BUTTON)), ["late_answer worse"]);
});

for (const type of [Type.MODULE_NOT_SUPPORTED, Type.DEVICE_NOT_SUPPORTED]) {
  Deno.test(`a refusal of the module handler is answered, and ends the connection (${type})`, () => {
    const core = new Core();
    core.accept(1);
    core.connect(1);
    const { request } = core;
    assert.deepEqual(
      short(core.step({ type: "answer_connect", request, device: BUTTON, responseType: type })),
      [`send 1 response ${type}`, "close 1 sent refused"],
    );
    assert.equal(phaseOf(core.state, 1), "closing");
    // Nobody listens any more, and the next attempt is asked about again.
    assert.deepEqual(core.status(1, "still here"), []);
    core.accept(2);
    assert.deepEqual(short(core.connect(2)), ["connected front"]);
    core.answer("");
    core.step({
      type: "answer_connect",
      request: core.request,
      device: BUTTON,
      responseType: Type.OK,
    });
    assert.deepEqual(short(core.pass(1_000)), ["drop 1"]);
    assert.equal(core.state.connections, 1);
  });
}

Deno.test("a device that goes is reported once, and only if it had connected", () => {
  const core = new Core();
  core.connected(1);
  const gone = { type: "closed", connection: 1, error: "ECONNRESET" } as const;
  assert.deepEqual(short(core.step(gone)), ["close 1 now network_error", "disconnected front"]);
  assert.deepEqual(core.step(gone), []);
  core.accept(1);
  assert.deepEqual(short(core.step({ ...gone, error: null })), ["close 1 now peer_closed"]);
});

Deno.test("a dead device loses its connection; one of another priority does not", () => {
  const core = new Core();
  core.connected(1);
  assert.deepEqual(core.step({ type: "dead", device: WORSE_BUTTON }), []);
  assert.deepEqual(short(core.step({ type: "dead", device: BUTTON })), [
    "close 1 now dead",
    "disconnected front",
  ]);
  assert.deepEqual(core.step({ type: "dead", device: BUTTON }), []);
});

Deno.test("probe: a device takes over its own connection after 2 s of silence, not before", () => {
  const core = new Core({ takeover: "probe" });
  core.connected(1);
  core.pass(2_000);
  core.accept(2);
  assert.deepEqual(short(core.connect(2, OTHER_BUTTON))[0], "send 2 response 1");
  core.pass(1);
  core.accept(3);
  assert.deepEqual(short(core.connect(3, WORSE_BUTTON))[0], "send 3 response 4");
  core.accept(4);
  assert.deepEqual(short(core.connect(4, OTHER_BUTTON)), [
    "close 1 now replaced",
    "disconnected front",
    "connected spare",
  ]);
});

Deno.test("strict: silence for hours changes nothing", () => {
  const core = new Core();
  core.connected(1);
  core.pass(10_000_000);
  core.accept(2);
  assert.deepEqual(short(core.connect(2))[0], "send 2 response 1");
});

Deno.test("a status of another device closes the connection it came on", () => {
  const core = new Core();
  core.connected(1);
  core.connected(2, LAMP);
  assert.deepEqual(short(core.status(1, "on", LAMP)), [
    "close 1 now foreign_device",
    "disconnected front",
  ]);
  assert.equal(phaseOf(core.state, 2), "reading");
});

Deno.test("between: an unasked command waits for the answer of a status", () => {
  const core = new Core();
  core.connected(1);
  assert.deepEqual(short(core.push("idle")), ["send 1 command idle"]);
  core.status(1, "on");
  assert.deepEqual(core.push("busy"), []);
  assert.deepEqual(short(core.answer("answer")), ["send 1 command answer", "send 1 command busy"]);
  core.status(1, "on");
  assert.deepEqual(short(core.answer("")), ["send 1 command "]);
});

Deno.test("always: an unasked command waits only for the Connect", () => {
  const core = new Core({ pushOf: { "1000/7": "always" } });
  core.accept(1);
  core.connect(1);
  const { request } = core;
  assert.deepEqual(core.push("early"), []);
  assert.deepEqual(
    short(core.step({ type: "answer_connect", request, device: BUTTON, responseType: Type.OK })),
    ["send 1 response 0", "send 1 command early"],
  );
  core.status(1, "on");
  assert.deepEqual(short(core.push("now")), ["send 1 command now"]);
});

Deno.test("never: an unasked command takes the place of the next empty answer", () => {
  const core = new Core({ push: "never" });
  core.connected(1);
  assert.deepEqual(core.push("first"), []);
  assert.deepEqual(core.push("second"), []);
  core.status(1, "on");
  assert.deepEqual(short(core.answer("asked")), ["send 1 command asked"]);
  core.status(1, "on");
  assert.deepEqual(short(core.answer("")), ["send 1 command first"]);
  core.status(1, "on");
  assert.deepEqual(short(core.answer("")), ["send 1 command second"]);
  core.status(1, "on");
  assert.deepEqual(short(core.answer("")), ["send 1 command "]);
});

Deno.test("commands held back are bounded, and reported when nobody gets them", () => {
  const core = new Core({ push: "never" });
  core.connected(1);
  for (const command of ["1", "2", "3"]) assert.deepEqual(core.push(command), []);
  assert.deepEqual(short(core.push("4")), ["dropped_command front"]);
  core.status(1, "on");
  assert.deepEqual(short(core.answer("")), ["send 1 command 2"]);
  assert.deepEqual(short(core.step({ type: "closed", connection: 1, error: null })), [
    "close 1 now peer_closed",
    "dropped_command front",
    "dropped_command front",
    "disconnected front",
  ]);
  assert.deepEqual(short(core.push("5")), ["dropped_command front"]);
});

Deno.test("connections are limited, those that are closing included", () => {
  const core = new Core({ limits: { ...INTERNAL_SERVER_LIMITS, maxConnections: 2 } });
  core.connected(1);
  core.accept(2);
  core.connect(2);
  assert.equal(phaseOf(core.state, 2), "closing");
  assert.deepEqual(short(core.accept(3)), ["close 3 now connection_limit"]);
  core.step({ type: "closed", connection: 2, error: null });
  assert.deepEqual(core.accept(3), []);
});

Deno.test("bytes held for all are limited: the connection that exceeds the limit is closed", () => {
  const core = new Core({ limits: { ...INTERNAL_SERVER_LIMITS, maxHeldBytes: 10 } });
  core.connected(1);
  core.connected(2, LAMP);
  core.step({ type: "partial", connection: 1, bytes: 6 });
  assert.deepEqual(short(core.status(2, "12345", LAMP)), [
    "close 2 now memory_limit",
    "disconnected lamp",
  ]);
  core.step({ type: "partial", connection: 1, bytes: 10 });
  assert.deepEqual(short(core.step({ type: "partial", connection: 1, bytes: 11 })), [
    "close 1 now memory_limit",
    "disconnected front",
  ]);
  assert.equal(core.state.heldBytes, 0);
});

Deno.test("a device that does not read loses its connection", () => {
  const core = new Core();
  core.connected(1);
  assert.deepEqual(short(core.step({ type: "unsent", connection: 1, bytes: 9 })), [
    "close 1 now unread_answers",
    "disconnected front",
  ]);
});

Deno.test("stop closes every connection, and reports every device", () => {
  const core = new Core();
  core.connected(1);
  core.accept(40);
  core.accept(2);
  core.connect(2);
  assert.deepEqual(short(core.step({ type: "stop" })), [
    "close 1 now stopped",
    "disconnected front",
    "drop 2",
    "close 40 now stopped",
  ]);
  assert.equal(core.state.connections, 0);
  assert.deepEqual(Object.assign({}, ...core.state.devices), {});
  assert.equal(core.state.registered, 0);
});

Deno.test("an answer of the wrong kind is no answer", () => {
  const core = new Core();
  core.accept(1);
  core.connect(1);
  const { request } = core;
  const answer = { type: "answer_status", request, device: BUTTON, command: bytes("go") } as const;
  assert.deepEqual(short(core.step(answer)), ["late_answer front"]);
  assert.equal(phaseOf(core.state, 1), "awaiting");
});
