// The gateway's rules under virtual time, without a broker: every check and clock of section 4.5.
import assert from "node:assert/strict";
import { CommandResponseType, DeviceState } from "../../src/protocol/messages.ts";
import { makeDevices } from "../../src/simulator/devices.ts";
import { LifeFixture } from "./life_fixture.ts";

Deno.test("GatewayLife sends Connect, one status a device, one answer a command (section 4.2)", () => {
  const test = new LifeFixture({ devices: 3 }).start();
  assert.equal(test.life.phase, "running");
  assert.deepEqual(test.sent.map((message) => message.kind), [
    "connect",
    ...Array(3).fill("status"),
    ...Array(3).fill("command_response"),
  ]);
  assert.deepEqual(test.statuses.map((status) => status.messageCounter), [1, 2, 3]);
  assert.ok(test.statuses.every((status) => status.deviceState === DeviceState.CONNECTING));
  assert.equal(test.stats.sent, 0, "the connect sequence is not counted as load");
});

Deno.test("GatewayLife waits 5 s for each message of the connect sequence (section 4.5)", () => {
  const reasons = ["connect_unanswered", "first_status_unanswered", "first_command_missing"];
  for (const [step, reason] of reasons.entries()) {
    const test = new LifeFixture({ mute: true }).start();
    const sessionId = "session_1";
    // Each message comes just in time, until one is missing.
    if (step > 0) {
      test.pass(4_999);
      test.say({ kind: "connect_response", sessionId, type: 0 });
      test.pass(4_999);
      test.respond(2);
    }
    if (step > 1) {
      test.pass(4_999);
      test.respond(1);
      test.pass(4_999);
      test.command(7);
    }
    test.pass(4_999);
    assert.equal(test.last("ended"), undefined);
    test.pass(1);
    assert.equal(test.last("ended")?.reason, reason);
    assert.equal(test.last("ended")?.hadRun, false);
    assert.equal(test.stats.failedSequences, 1);
    assert.deepEqual(test.links, ["open", "close"]);
  }
});

Deno.test("GatewayLife tries again 10 s after a failure (section 4.5)", () => {
  const test = new LifeFixture({ mute: true }).start();
  test.pass(5_000);
  assert.equal(test.life.phase, "waiting");
  test.pass(9_999);
  assert.deepEqual(test.links, ["open", "close"]);
  test.pass(1);
  assert.deepEqual(test.links, ["open", "close", "open"]);
  test.life.linkDown("no broker", test.now);
  test.pass(10_000);
  assert.equal(test.links.length, 4);
  test.life.linkUp(test.now);
  assert.equal(test.life.sessionId, "session_2");
});

Deno.test("GatewayLife waits 30 s for the oldest status response (section 4.5)", () => {
  const test = new LifeFixture().start();
  test.server.answering = false;
  test.life.send(test.device(0), new Uint8Array(1), {}, test.now);
  test.pass(29_999);
  assert.equal(test.life.phase, "running");
  test.pass(1);
  assert.equal(test.last("ended")?.reason, "status_unanswered");
  // The status itself, and what the keep-alive sent meanwhile.
  assert.equal(test.stats.unanswered, test.stats.sent);
  assert.equal(test.life.phase, "waiting");
});

Deno.test("GatewayLife says something for every device each 15 s (section 4.5)", () => {
  const test = new LifeFixture({ devices: 2 }).start();
  const before = test.statuses.length;
  test.pass(10_000);
  test.life.send(test.device(0), new Uint8Array(1), {}, test.now);
  test.talk();
  test.pass(4_999);
  assert.equal(test.statuses.length, before + 1);
  test.pass(1);
  assert.equal(test.statuses.at(-1)?.device, test.device(1));
  assert.equal(test.statuses.length, before + 2);
  test.pass(10_000);
  assert.equal(test.statuses.at(-1)?.device, test.device(0));
  test.pass(60_000);
  assert.equal(test.statuses.length, before + 3 + 8);
  assert.equal(test.stats.answered, test.stats.sent);
});

Deno.test("GatewayLife counts statuses on from the connect sequence (section 4.3)", () => {
  const test = new LifeFixture({ rate: 0, window: 3 });
  test.server.answering = false;
  test.start();
  assert.deepEqual(test.statuses.map((status) => status.messageCounter), [1, 2, 3, 4, 5]);
  assert.equal(test.life.inFlight, 3);
  test.respond(4);
  assert.equal(test.life.inFlight, 3);
  assert.deepEqual(test.violations(), []);
});

Deno.test("GatewayLife drops the link upon an answer it does not expect (section 4.3)", () => {
  const unexpected: Record<string, (test: LifeFixture) => void> = {
    "a second time": (test) => {
      test.life.send(test.device(0), new Uint8Array(1), {}, test.now);
      test.respond(3);
      test.respond(3);
    },
    "before it was asked": (test) => test.respond(3),
    "long ago": (test) => test.respond(1),
  };
  for (const [when, act] of Object.entries(unexpected)) {
    const test = new LifeFixture().start();
    act(test);
    assert.deepEqual(test.violations(), ["unexpected_status_response"], when);
    assert.equal(test.last("ended")?.reason, "violation");
    assert.deepEqual(test.links, ["open", "close"]);
    assert.equal(test.life.phase, "waiting");
  }
});

Deno.test("GatewayLife insists on consecutive command counters, wrap included (section 4.3)", () => {
  const good = new LifeFixture({ devices: 1, commandCounter: 4_294_967_294 }).start();
  good.server.command(good.device(0), "a");
  good.server.command(good.device(0), "b");
  good.talk();
  assert.equal(good.life.phase, "running");
  assert.deepEqual(
    good.sent.filter((m) => m.kind === "command_response").map((m) => m.messageCounter),
    [4_294_967_294, 4_294_967_295, 0],
  );
  for (const counter of [2, 4]) {
    const bad = new LifeFixture({ devices: 3 }).start();
    bad.command(counter);
    assert.deepEqual(bad.violations(), ["command_counter"]);
    assert.equal(bad.life.phase, "waiting");
  }
});

Deno.test("GatewayLife takes any first command counter in each session (section 4.3)", () => {
  const test = new LifeFixture({ devices: 1 }).start();
  test.server.commandCounter = 1_000;
  test.life.notified(test.now);
  test.talk();
  assert.equal(test.life.sessionId, "session_2");
  assert.equal(test.life.phase, "running");
});

Deno.test("GatewayLife refuses a command before every first status is answered (section 4.2)", () => {
  const test = new LifeFixture({ mute: true }).start();
  test.say({ kind: "connect_response", sessionId: "session_1", type: 0 });
  test.respond(1);
  test.command(0);
  assert.deepEqual(test.violations(), ["unexpected_command"]);
});

Deno.test("GatewayLife expects one first command for each device (section 4.2)", () => {
  const test = new LifeFixture({ mute: true }).start();
  test.say({ kind: "connect_response", sessionId: "session_1", type: 0 });
  test.respond(1);
  test.respond(2);
  test.command(0, test.device(1));
  test.command(1, test.device(1));
  assert.deepEqual(test.violations(), ["unexpected_command"]);
});

Deno.test("GatewayLife gives up when it is told that it is logged in already (section 4.3)", () => {
  const test = new LifeFixture({ mute: true }).start();
  test.say({ kind: "connect_response", sessionId: "session_1", type: 1 });
  assert.equal(test.last("ended")?.reason, "already_logged");
});

Deno.test("GatewayLife gives up a connect sequence upon the ConnectResponse of another one (section 4.5)", () => {
  const test = new LifeFixture({ mute: true }).start();
  test.say({ kind: "connect_response", sessionId: "", type: 1 });
  assert.equal(test.last("ended")?.reason, "already_logged");
  assert.equal(test.life.phase, "waiting");
  assert.deepEqual(test.violations(), []);
});

Deno.test("GatewayLife connects again at once upon any ConnectResponse while it runs (section 4.5)", () => {
  for (const [sessionId, type] of [["session_1", 1], ["session_0", 1], ["", 1], ["", 0]] as const) {
    const running = new LifeFixture().start();
    running.say({ kind: "connect_response", sessionId, type });
    running.talk();
    assert.equal(running.life.sessionId, "session_2");
    assert.equal(running.life.phase, "running");
    assert.deepEqual(running.violations(), []);
  }
});

Deno.test("GatewayLife ignores and counts messages of another session (section 4.3)", () => {
  const test = new LifeFixture().start();
  test.respond(1, "session_0");
  assert.equal(test.stats.foreign, 1);
  assert.deepEqual(test.violations(), []);
  assert.equal(test.life.phase, "running");
});

Deno.test("GatewayLife connects at once upon the notification, over the same link (section 4.5)", () => {
  const test = new LifeFixture().start();
  test.life.notified(test.now);
  test.talk();
  assert.equal(test.life.sessionId, "session_2");
  assert.equal(test.life.phase, "running");
  assert.deepEqual(test.links, ["open"]);
  assert.equal(test.stats.notifications, 1);
  assert.equal(test.stats.reconnects, 1);
});

Deno.test("GatewayLife does not hurry with a server that ends every connect sequence", () => {
  const test = new LifeFixture({ mute: true }).start();
  for (let i = 0; i < 50; i++) {
    test.life.notified(test.now);
    test.pass(100);
  }
  const connects = test.sent.filter((message) => message.kind === "connect").length;
  assert.ok(connects >= 5 && connects <= 7, `${connects} connects in 5 s`);
});

Deno.test("GatewayLife says DISCONNECT and CONNECTING for devices that come and go (section 4.3)", () => {
  const test = new LifeFixture().start();
  const device = test.device(0);
  test.life.disconnectDevice(device, {}, test.now);
  test.talk();
  assert.equal(test.statuses.at(-1)?.deviceState, DeviceState.DISCONNECT);
  test.server.command(device, "too late");
  test.talk();
  const answer = test.sent.findLast((message) => message.kind === "command_response");
  assert.equal(answer?.type, CommandResponseType.DEVICE_NOT_CONNECTED);
  test.life.connectDevice(device, {}, test.now);
  test.talk();
  assert.equal(test.statuses.at(-1)?.deviceState, DeviceState.CONNECTING);
  assert.equal(test.stats.answered, 2);
});

Deno.test("GatewayLife waits without a link while no device is connected, and comes back", () => {
  const test = new LifeFixture({ devices: 1 }).start();
  const device = test.device(0);
  test.life.disconnectDevice(device, {}, test.now);
  test.talk();
  test.life.notified(test.now);
  assert.equal(test.life.phase, "idle");
  assert.equal(test.life.deadline, Infinity);
  assert.deepEqual(test.links, ["open", "close"]);
  test.life.connectDevice(device, {}, test.now);
  assert.equal(test.life.phase, "linking");
});

Deno.test("GatewayLife tells of devices that came or went during the connect sequence", () => {
  const test = new LifeFixture({ mute: true }).start();
  const [late] = makeDevices(1, [7]);
  assert.ok(late);
  const gone = test.device(1);
  test.life.connectDevice(late, {}, test.now);
  test.life.disconnectDevice(gone, {}, test.now);
  test.say({ kind: "connect_response", sessionId: "session_1", type: 0 });
  test.respond(1);
  test.respond(2);
  test.command(0, test.device(0));
  test.command(1, gone);
  assert.equal(test.life.phase, "running");
  assert.deepEqual(
    test.statuses.map((status) => [status.device, status.deviceState]).slice(2),
    [[late, DeviceState.CONNECTING], [gone, DeviceState.DISCONNECT]],
  );
});

Deno.test("GatewayLife answers commands by what the devices' state says, or as it is told", () => {
  const answers = (options: ConstructorParameters<typeof LifeFixture>[0]) => {
    const test = new LifeFixture({ devices: 1, ...options }).start();
    const [foreign] = makeDevices(1, [77]);
    assert.ok(foreign);
    test.server.command(test.device(0));
    test.server.command(foreign);
    test.server.command({ ...test.device(0), deviceRole: "other" });
    test.talk();
    return test.sent.filter((m) => m.kind === "command_response").map((m) => m.type);
  };
  const { OK, DEVICE_NOT_CONNECTED, DEVICE_NOT_SUPPORTED } = CommandResponseType;
  assert.deepEqual(answers({}), [OK, OK, DEVICE_NOT_SUPPORTED, DEVICE_NOT_CONNECTED]);
  assert.deepEqual(answers({ answerType: 3 }), [3, 3, 3, 3]);
  assert.deepEqual(answers({ answers: "connecting" }), [OK]);
  assert.deepEqual(answers({ answers: "never" }), []);
});

Deno.test("GatewayLife keeps to its rate, and to its window when that is full", () => {
  const test = new LifeFixture({ rate: 10, window: 4 }).start();
  test.pass(10_000);
  assert.ok(Math.abs(test.stats.sent - 100) <= 1, `${test.stats.sent} sent`);
  const { sent } = test.stats;
  test.server.answering = false;
  test.pass(10_000);
  assert.equal(test.stats.sent, sent + 4);
});

Deno.test("GatewayLife asks for a new session now and then when it is told to", () => {
  const test = new LifeFixture({ rate: 1, reconnectEveryMs: 1_000 }).start();
  test.pass(10_000);
  assert.ok(test.stats.reconnects >= 10 && test.stats.reconnects <= 20);
  assert.equal(test.stats.unanswered, 0);
  assert.equal(test.stats.violations, 0);
});

Deno.test("GatewayLife abandons what is open when it restarts by itself", () => {
  const test = new LifeFixture({ rate: 0, window: 3 });
  test.server.answering = false;
  test.start();
  test.life.restart(test.now);
  assert.equal(test.stats.abandoned, 3);
  assert.equal(test.stats.unanswered, 0);
});

Deno.test("GatewayLife.drain() ends with the last answer, and what is open is unanswered", () => {
  const test = new LifeFixture({ rate: 0, window: 2 });
  test.server.answering = false;
  test.start();
  test.life.drain();
  test.respond(3);
  assert.equal(test.last("drained"), undefined);
  test.respond(4);
  assert.ok(test.last("drained"));
  assert.equal(test.stats.sent, 2);

  const late = new LifeFixture({ rate: 0, window: 2 });
  late.server.answering = false;
  late.start();
  late.life.drain();
  late.life.stop();
  assert.equal(late.stats.unanswered, 2);
});

Deno.test("GatewayLife.stop() leaves nothing due in any phase", () => {
  const stages: ((test: LifeFixture) => void)[] = [
    () => {},
    (test) => test.life.start(test.now),
    (test) => test.start(),
    (test) => {
      test.start();
      test.life.dropLink(test.now);
    },
  ];
  for (const stage of stages) {
    const test = new LifeFixture({ rate: 5, reconnectEveryMs: 100, misbehavior: { reorder: 0.5 } });
    stage(test);
    test.life.stop();
    assert.equal(test.life.phase, "stopped");
    assert.equal(test.life.deadline, Infinity);
    assert.equal(test.links.filter((l) => l === "open").length, test.links.length / 2);
  }
});
