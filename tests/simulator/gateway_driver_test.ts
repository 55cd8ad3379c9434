// The gateway's rules under virtual time, without a broker: every check and clock [GATEWAY-TIMES].
import assert from "node:assert/strict";
import {
  CommandResponseType,
  ConnectResponseType,
  DeviceState,
} from "../../src/protocol/messages.ts";
import type { StatusResult } from "../../src/simulator/events.ts";
import { makeDevices } from "../../src/simulator/devices.ts";
import { DriverFixture } from "./driver_fixture.ts";

Deno.test("GatewayDriver sends Connect, one status a device, one answer a command [CONNECT-FIRST-STATUSES] [CONNECT-FIRST-COMMANDS]", () => {
  const test = new DriverFixture({ devices: 3 }).start();
  assert.equal(test.driver.phase, "connected");
  assert.deepEqual(test.sent.map((message) => message.kind), [
    "connect",
    ...Array(3).fill("status"),
    ...Array(3).fill("command_response"),
  ]);
  assert.deepEqual(test.statuses.map((status) => status.messageCounter), [1, 2, 3]);
  assert.ok(test.statuses.every((status) => status.deviceState === DeviceState.CONNECTING));
  assert.equal(test.stats.sent, 0, "the connect sequence is not counted as load");
});

Deno.test("GatewayDriver waits 5 s for each message of the connect sequence [GATEWAY-TIMES]", () => {
  const reasons = ["connect_unanswered", "first_status_unanswered", "first_command_missing"];
  for (const [step, reason] of reasons.entries()) {
    const test = new DriverFixture({ mute: true }).start();
    // Each message comes just in time, until one is missing.
    if (step > 0) {
      test.pass(4_999);
      test.connectResponse();
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

Deno.test("GatewayDriver tries again 10 s after a failure [GATEWAY-TIMES]", () => {
  const test = new DriverFixture({ mute: true }).start();
  test.pass(5_000);
  assert.equal(test.driver.phase, "not_connected");
  test.pass(9_999);
  assert.deepEqual(test.links, ["open", "close"]);
  test.pass(1);
  assert.deepEqual(test.links, ["open", "close", "open"]);
  test.driver.take({ type: "link_down", detail: "no broker" });
  test.pass(10_000);
  assert.equal(test.links.length, 4);
  test.link();
  assert.equal(test.driver.phase, "connect");
});

Deno.test("GatewayDriver waits 30 s for the oldest status response [GATEWAY-TIMES]", () => {
  const test = new DriverFixture().start();
  test.server.answering = false;
  test.driver.send(test.device(0), new Uint8Array(1), {});
  test.pass(29_999);
  assert.equal(test.driver.phase, "connected");
  assert.equal(test.last("ended"), undefined);
  test.pass(1);
  // The keep-alive has just said something, so that the queue of reconnects is looked at later.
  test.pass(3_000);
  assert.equal(test.last("ended")?.reason, "status_unanswered");
  // The status itself, and what the keep-alive sent meanwhile.
  assert.equal(test.stats.unanswered, test.stats.sent);
  assert.equal(test.driver.phase, "link", "it connects at once");
});

Deno.test("GatewayDriver says something for every device each 15 s [GATEWAY-TIMES]", () => {
  const test = new DriverFixture({ devices: 2 }).start();
  const before = test.statuses.length;
  test.pass(10_000);
  test.driver.send(test.device(0), new Uint8Array(1), {});
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

Deno.test("GatewayDriver counts statuses on from the connect sequence [GATEWAY-COUNTERS]", () => {
  const test = new DriverFixture({ rate: 0, window: 3 });
  test.server.answering = false;
  test.start();
  assert.deepEqual(test.statuses.map((status) => status.messageCounter), [1, 2, 3, 4, 5]);
  assert.equal(test.driver.inFlight, 3);
  test.respond(4);
  assert.equal(test.driver.inFlight, 3);
  assert.deepEqual(test.violations(), []);
});

Deno.test("GatewayDriver drops the link upon an answer it does not expect [STATUS-OLD]", () => {
  const unexpected: Record<string, (test: DriverFixture) => void> = {
    "a second time": (test) => {
      test.driver.send(test.device(0), new Uint8Array(1), {});
      test.respond(3);
      test.respond(3);
    },
    "before it was asked": (test) => test.respond(3),
    "long ago": (test) => test.respond(1),
  };
  for (const [when, act] of Object.entries(unexpected)) {
    const test = new DriverFixture().start();
    act(test);
    assert.deepEqual(test.violations(), ["unexpected_status_response"], when);
    assert.equal(test.last("ended")?.reason, "violation");
    assert.deepEqual(test.links, ["open", "close"]);
    assert.equal(test.driver.phase, "not_initialized", "the next status begins a new session");
  }
});

Deno.test("GatewayDriver insists on consecutive command counters, wrap included [COMMAND-COUNTER]", () => {
  const good = new DriverFixture({ devices: 1, commandCounter: 4_294_967_294 }).start();
  good.server.command(good.device(0), "a");
  good.server.command(good.device(0), "b");
  good.talk();
  assert.equal(good.driver.phase, "connected");
  assert.deepEqual(
    good.sent.filter((m) => m.kind === "command_response").map((m) => m.messageCounter),
    [4_294_967_294, 4_294_967_295, 0],
  );
  for (const counter of [2, 4]) {
    const bad = new DriverFixture({ devices: 3 }).start();
    bad.command(counter);
    assert.deepEqual(bad.violations(), ["command_counter"]);
    assert.equal(bad.last("ended"), undefined, "the queue of reconnects is looked at later");
    bad.pass(3_000);
    assert.equal(bad.last("ended")?.reason, "violation");
    assert.equal(bad.driver.phase, "link");
  }
});

Deno.test("GatewayDriver takes any first command counter in each session [COMMAND-COUNTER]", () => {
  const test = new DriverFixture({ devices: 1 }).start();
  const { sessionId } = test;
  test.server.commandCounter = 1_000;
  test.driver.notified();
  test.driver.take(test.status());
  test.link();
  test.talk();
  assert.notEqual(test.sessionId, sessionId);
  assert.equal(test.driver.phase, "connected");
});

Deno.test("GatewayDriver refuses a command before every first status is answered [CONNECT-FIRST-COMMANDS]", () => {
  const test = new DriverFixture({ mute: true }).start();
  test.connectResponse();
  test.respond(1);
  test.command(0);
  assert.deepEqual(test.violations(), ["unexpected_command"]);
});

Deno.test("GatewayDriver expects one first command for each device [CONNECT-FIRST-COMMANDS]", () => {
  const test = new DriverFixture({ mute: true }).start();
  test.connectResponse();
  test.respond(1);
  test.respond(2);
  test.command(0, test.device(1));
  test.command(1, test.device(1));
  assert.deepEqual(test.violations(), ["unexpected_command"]);
});

Deno.test("GatewayDriver fails its sequence upon any ConnectResponse it does not expect [GATEWAY-RECONNECT]", () => {
  const { OK, ALREADY_LOGGED } = ConnectResponseType;
  const early: [string, (test: DriverFixture) => void][] = [
    ["already_logged", (test) => test.connectResponse(ALREADY_LOGGED)],
    ["unexpected_message", (test) => test.connectResponse(OK, "another")],
    ["unexpected_message", (test) => test.connectResponse(ALREADY_LOGGED, "")],
    ["unexpected_message", (test) => test.respond(1, "another")],
  ];
  for (const [reason, act] of early) {
    const test = new DriverFixture({ mute: true }).start();
    act(test);
    assert.equal(test.last("ended")?.reason, reason);
    assert.equal(test.driver.phase, "not_connected");
    assert.deepEqual(test.violations(), []);
    test.pass(9_999);
    assert.deepEqual(test.links, ["open", "close"]);
    test.pass(1);
    assert.deepEqual(test.links, ["open", "close", "open"]);
  }
  const late = new DriverFixture({ mute: true }).start();
  late.connectResponse();
  late.connectResponse(ALREADY_LOGGED);
  assert.equal(late.last("ended")?.reason, "already_logged");
  const twice = new DriverFixture({ mute: true }).start();
  twice.connectResponse();
  twice.connectResponse();
  assert.deepEqual(twice.violations(), ["unexpected_connect_response"]);
});

Deno.test("GatewayDriver drops the link upon messages of another session [GATEWAY-COMMANDS]", () => {
  const test = new DriverFixture().start();
  test.respond(1, "another");
  assert.equal(test.stats.foreign, 1);
  assert.deepEqual(test.violations(), ["foreign_session"]);
  test.pass(3_000);
  assert.equal(test.last("ended")?.reason, "violation");
});

Deno.test("GatewayDriver connects with its next status upon the notification [GATEWAY-NOTIFICATION]", () => {
  const test = new DriverFixture().start();
  const { sessionId } = test;
  test.driver.notified();
  assert.equal(test.last("ended")?.reason, "notified");
  assert.deepEqual(test.links, ["open", "close"]);
  test.pass(14_999);
  assert.equal(test.driver.phase, "not_initialized");
  test.pass(1);
  test.link();
  test.talk();
  assert.equal(test.driver.phase, "connected");
  assert.notEqual(test.sessionId, sessionId);
  assert.equal(test.stats.notifications, 1);
  assert.equal(test.stats.reconnects, 1);
});

Deno.test("GatewayDriver fails its sequence upon the notification, and waits 10 s [GATEWAY-NOTIFICATION]", () => {
  const test = new DriverFixture({ mute: true }).start();
  test.driver.notified();
  assert.equal(test.last("ended")?.reason, "notified");
  test.pass(9_999);
  assert.equal(test.driver.phase, "not_connected");
  test.pass(1);
  assert.equal(test.driver.phase, "link");
});

Deno.test("GatewayDriver says DISCONNECT and CONNECTING for devices that come and go [STATUS-STATES]", () => {
  const test = new DriverFixture().start();
  const device = test.device(0);
  test.driver.disconnectDevice(device, {});
  test.talk();
  assert.equal(test.statuses.at(-1)?.deviceState, DeviceState.DISCONNECT);
  test.server.command(device, "too late");
  test.talk();
  const answer = test.sent.findLast((message) => message.kind === "command_response");
  assert.equal(answer?.type, CommandResponseType.DEVICE_NOT_CONNECTED);
  test.driver.connectDevice(device, {});
  test.pass(9_999);
  assert.equal(test.statuses.at(-1)?.deviceState, DeviceState.DISCONNECT);
  test.pass(1);
  assert.equal(test.statuses.at(-1)?.deviceState, DeviceState.CONNECTING);
  assert.equal(test.stats.answered, 2);
});

Deno.test("GatewayDriver sends nothing for 10 s after a device has left, then all of it [GATEWAY-LEAVING]", () => {
  const test = new DriverFixture({ devices: 2, rate: 1, window: 100 }).start();
  test.driver.disconnectDevice(test.device(0), {});
  test.talk();
  const { length } = test.statuses;
  test.driver.send(test.device(1), new Uint8Array([1]), {});
  test.driver.send(test.device(1), new Uint8Array([2]), {});
  test.pass(9_999);
  assert.equal(test.statuses.length, length);
  test.pass(1);
  const data = test.statuses.slice(length, length + 2).map(({ statusData }) => [...statusData]);
  assert.deepEqual(data, [[1], [2]]);
  assert.equal(test.stats.unanswered, 0);
});

Deno.test("GatewayDriver ends its session with its last device, and begins with the next one", () => {
  const test = new DriverFixture({ devices: 1 }).start();
  const device = test.device(0);
  test.driver.disconnectDevice(device, {});
  assert.equal(test.driver.phase, "connected", "it waits for the answer");
  test.talk();
  assert.equal(test.last("ended")?.reason, "all_devices_gone");
  assert.equal(test.driver.phase, "not_initialized");
  test.pass(60_000);
  assert.deepEqual(test.links, ["open", "close"]);
  test.driver.connectDevice(device, {});
  assert.equal(test.driver.phase, "link");
});

Deno.test("GatewayDriver tells of devices that came or went during the connect sequence", () => {
  const test = new DriverFixture({ mute: true }).start();
  const [late] = makeDevices(1, [7]);
  assert.ok(late);
  const gone = test.device(1);
  test.driver.connectDevice(late, {});
  test.driver.disconnectDevice(gone, {});
  test.connectResponse();
  test.respond(1);
  test.respond(2);
  test.command(0, test.device(0));
  test.command(1, gone);
  assert.equal(test.driver.phase, "connected");
  assert.deepEqual(
    test.statuses.map((status) => [status.device, status.deviceState]).slice(2),
    [[late, DeviceState.CONNECTING], [gone, DeviceState.DISCONNECT]],
  );
});

Deno.test("GatewayDriver answers commands by what the devices' state says, or as it is told", () => {
  const answers = (options: ConstructorParameters<typeof DriverFixture>[0]) => {
    const test = new DriverFixture({ devices: 1, ...options }).start();
    test.server.command(test.device(0));
    test.server.command({ ...test.device(0), deviceType: 77 });
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

Deno.test("GatewayDriver leaves a command for a module it does not have unanswered [GATEWAY-COMMANDS]", () => {
  const test = new DriverFixture({ devices: 1 }).start();
  const [foreign] = makeDevices(1, [77]);
  assert.ok(foreign);
  const { responses } = test.stats;
  test.server.command(foreign);
  test.talk();
  assert.equal(test.stats.responses, responses);
  test.pass(3_000);
  assert.equal(test.last("ended")?.reason, "unknown_module");
  assert.equal(test.driver.phase, "link");
});

Deno.test("GatewayDriver keeps to its rate, and to its window when that is full", () => {
  const test = new DriverFixture({ rate: 10, window: 4 }).start();
  test.pass(10_000);
  assert.ok(Math.abs(test.stats.sent - 100) <= 1, `${test.stats.sent} sent`);
  const { sent } = test.stats;
  test.server.answering = false;
  test.pass(10_000);
  assert.equal(test.stats.sent, sent + 4);
});

Deno.test("GatewayDriver asks for a new session now and then when it is told to", () => {
  const clocks = { restartMs: 0 };
  const test = new DriverFixture({ rate: 1, reconnectEveryMs: 1_000, clocks }).start();
  for (let i = 0; i < 1_000; i++) {
    if (test.driver.phase === "link") test.link();
    test.pass(10);
  }
  assert.ok(test.stats.reconnects >= 10 && test.stats.reconnects <= 20);
  assert.equal(test.stats.unanswered, 0);
  assert.equal(test.stats.violations, 0);
});

Deno.test("GatewayDriver abandons what is open when it restarts by itself", () => {
  const test = new DriverFixture({ rate: 0, window: 3 });
  test.server.answering = false;
  test.start();
  test.driver.take({ type: "restart" });
  assert.equal(test.stats.abandoned, 3);
  assert.equal(test.stats.unanswered, 0);
});

Deno.test("GatewayDriver.drain() ends with the last answer, and what is open is unanswered", () => {
  const test = new DriverFixture({ rate: 0, window: 2 });
  test.server.answering = false;
  test.start();
  test.driver.drain();
  test.respond(3);
  assert.equal(test.last("drained"), undefined);
  test.respond(4);
  assert.ok(test.last("drained"));
  assert.equal(test.stats.sent, 2);

  const late = new DriverFixture({ rate: 0, window: 2 });
  late.server.answering = false;
  late.start();
  late.driver.drain();
  late.driver.stop();
  assert.equal(late.stats.unanswered, 2);
});

Deno.test("GatewayDriver.stop() leaves nothing due in any phase", () => {
  const stages: ((test: DriverFixture) => void)[] = [
    () => {},
    (test) => test.driver.start(),
    (test) => test.start(),
    (test) => {
      test.start();
      test.driver.take({ type: "drop_link" });
    },
  ];
  for (const stage of stages) {
    const test = new DriverFixture({
      rate: 5,
      reconnectEveryMs: 100,
      misbehavior: { reorder: 0.5 },
    });
    stage(test);
    test.driver.stop();
    assert.equal(test.driver.phase, "stopped");
    assert.equal(test.clock.timers, 0);
    assert.equal(test.links.filter((l) => l === "open").length, test.links.length / 2);
  }
});

Deno.test("GatewayDriver says of a status what its caller wants, and what became of it", () => {
  const test = new DriverFixture().start();
  const results: StatusResult[] = [];
  const done = (result: StatusResult) => results.push(result);
  const errorMessage = new Uint8Array([1]);
  const extras = { state: DeviceState.ERROR, errorMessage, done };
  assert.ok(test.driver.send(test.device(0), new Uint8Array(1), extras));
  assert.equal(test.statuses.at(-1)?.deviceState, DeviceState.ERROR);
  assert.equal(test.statuses.at(-1)?.errorMessage, errorMessage);
  test.clock.pass(7);
  test.talk();
  assert.deepEqual(results, [{ answered: true, counter: 3, latencyMs: 7 }]);
  test.server.answering = false;
  test.driver.send(test.device(0), new Uint8Array(1), { done });
  test.driver.notified();
  assert.deepEqual(results.slice(1), [{ answered: false, reason: "notified" }]);
  assert.equal(test.driver.send(test.device(0), new Uint8Array(1), { done }), false);
  assert.equal(results.length, 2);
});

Deno.test("GatewayDriver says CONNECTING for a device that joins, though it spoke before", () => {
  const test = new DriverFixture().start();
  const [joining] = makeDevices(1, [7]);
  assert.ok(joining);
  test.driver.send(joining, new Uint8Array(1), { state: DeviceState.RUNNING });
  test.talk();
  test.driver.connectDevice(joining, {});
  assert.equal(test.statuses.at(-1)?.deviceState, DeviceState.CONNECTING);
});

Deno.test("GatewayDriver counts brokers that it lost or did not find", () => {
  const test = new DriverFixture();
  test.driver.start();
  test.driver.take({ type: "link_down", detail: "no broker" });
  assert.equal(test.stats.linkFailures, 1);
  assert.equal(test.stats.failedSequences, 0);
  test.pass(10_000);
  test.link();
  test.talk();
  test.driver.take({ type: "link_down", detail: "no broker" });
  assert.equal(test.stats.linkFailures, 2);
  assert.equal(test.last("ended")?.reason, "link_lost");
});

Deno.test("GatewayDriver sends answers of its caller at once in the sequence, later as it misbehaves", () => {
  const options = { answers: "never", devices: 2, misbehavior: { drop: 1 }, mute: true } as const;
  const test = new DriverFixture(options).start();
  const answered = () => test.sent.filter(({ kind }) => kind === "command_response").length;
  test.connectResponse();
  test.respond(1);
  test.respond(2);
  test.command(0, test.device(0));
  const first = test.last("command")?.command;
  assert.ok(first);
  test.driver.answer(first, CommandResponseType.OK);
  assert.equal(answered(), 1);
  test.command(1, test.device(1));
  const second = test.last("command")?.command;
  assert.ok(second);
  assert.equal(test.driver.phase, "connected");
  test.driver.answer(second, CommandResponseType.OK);
  assert.equal(answered(), 1, "it is dropped");
});
