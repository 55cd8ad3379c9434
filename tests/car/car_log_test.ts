// What people learn of a car: log lines that do not repeat themselves, counters, the snapshot.
import assert from "node:assert/strict";
import { DeviceState } from "../../src/protocol/messages.ts";
import { settled } from "../support/virtual_clock.ts";
import { CarFixture, MESSAGE_BYTES } from "./car_fixture.ts";
import { bytes, device, FRONT, LAMP, REAR } from "./support.ts";

Deno.test("Car logs a failing return code once per kind and minute, and answers all the same [STATUS-FORWARD]", async () => {
  const test = await new CarFixture().up().run([FRONT, REAR]);
  test.context(7).outcome = (line) => line.includes("front") ? "not_ok" : "timeout_occurred";
  for (let i = 0; i < 5; i++) {
    test.status(FRONT);
    test.status(REAR);
    await settled();
  }
  assert.equal(test.answers.length, 10);
  assert.equal(test.car.statistics.moduleCallsFailed, 10);
  const lines = test.log.matching(/forward_status returned/);
  assert.deepEqual(lines.map(({ level, car, text, context }) => [level, car, text, context]), [
    [
      "WARNING",
      "car_1",
      "Module 7: forward_status returned not_ok",
      { session: "s1", device: "7/1/front" },
    ],
    [
      "WARNING",
      "car_1",
      "Module 7: forward_status returned timeout_occurred",
      { session: "s1", device: "7/1/rear" },
    ],
  ]);
  for (let i = 0; i < 6; i++) {
    await test.clock.advance(10_000);
    test.status(FRONT);
    await settled();
  }
  const again = test.log.matching(/returned not_ok/);
  assert.equal(again.length, 2);
  assert.match(again[1]?.text ?? "", /and 9 more like this/);
});

Deno.test("Car logs malformed and oversize payloads once per minute each, counts all, goes on", async () => {
  const test = await new CarFixture().up().run([FRONT]);
  for (let i = 0; i < 100; i++) {
    test.transport.deliver(Uint8Array.of(0xff, 0xff, i));
    test.transport.deliver(new Uint8Array(MESSAGE_BYTES + 1));
  }
  assert.equal(test.log.texts("WARNING").length, 2);
  assert.match(test.log.texts("WARNING")[0] ?? "", /^Discarded a message: Cannot decode 3 bytes/);
  assert.match(test.log.texts("WARNING")[1] ?? "", /it has 1001 bytes, at most 1000 are allowed/);
  assert.equal(test.car.statistics.messagesRejected, 200);
  await test.clock.advance(20_000);
  test.status(FRONT);
  await test.clock.advance(20_000);
  test.status(FRONT);
  await test.clock.advance(20_000);
  test.transport.deliver(new Uint8Array());
  assert.match(test.log.texts("WARNING")[2] ?? "", /and 99 more like this/);
  assert.deepEqual(test.answers, [1, 2]);
});

Deno.test("Car writes nothing about statuses that pass, at any level", async () => {
  const test = await new CarFixture().up().run([FRONT]);
  const before = test.log.lines.length;
  for (let i = 0; i < 100; i++) {
    test.status(FRONT, { data: "{}", error: "hot" });
    await settled();
  }
  assert.equal(test.answers.length, 100);
  assert.equal(test.log.lines.length, before);
});

Deno.test("Car builds no text for a level that is off, also not for statuses that do not pass", async () => {
  const test = await new CarFixture({ logLevel: "ERROR" }).up().run([FRONT]);
  test.context(7).outcome = () => "not_ok";
  for (let i = 0; i < 50; i++) {
    test.status(FRONT);
    test.status(REAR);
    test.status(FRONT, { state: DeviceState.ERROR });
    test.status(FRONT, { counter: 1 });
    test.transport.deliver(Uint8Array.of(0xff));
    await settled();
  }
  // A line that nobody reads is given as a function, if at all: a string would have been built.
  assert.deepEqual(test.log.wasted, []);
  assert.deepEqual(test.log.lines, []);
  assert.equal(test.car.statistics.statusesNotForwarded, 100);
  assert.equal(test.car.statistics.moduleCallsFailed, 50);
});

Deno.test("Car logs a status that is not forwarded once per device and reason [STATUS-UNSERVED]", async () => {
  const test = await new CarFixture({ logLevel: "INFO" }).up().run([FRONT]);
  for (let i = 0; i < 10; i++) {
    test.status(REAR);
    test.status(FRONT, { state: DeviceState.ERROR });
    await settled();
  }
  assert.deepEqual(
    test.log.matching(/not forwarded/).map(({ level, context }) => [level, context.device]),
    [["WARNING", "7/1/rear"], ["WARNING", "7/1/front"]],
  );
  assert.equal(test.answers.length, 20);
});

Deno.test("Car writes no more than 30 lines of a code in a minute, whatever a gateway does, and counts the rest", async () => {
  const devices = Array.from({ length: 100 }, (_, index) => device(7, `role ${index}`));
  const test = new CarFixture({ maxMessageBytes: 100_000 }).up();
  const lines = (text: RegExp) => test.log.matching(text).map(({ text }) => text);
  test.context(7).outcome = (line) => line.startsWith("status") ? "not_ok" : "ok";
  for (let i = 0; i < 45; i++) {
    await test.run(devices, `s${i}`);
    await test.clock.advance(1300);
  }
  // Of 45 sessions with 100 devices each.
  const minute = [
    /^Device connected$/,
    /^Connect sequence done/,
    /^Session ended: new_session/,
    /^Module 7: forward_status returned not_ok$/,
    /^Connect answered/,
    /^State \w+ is now/,
  ];
  for (const text of minute) assert.equal(lines(text).length, 30, `${text}`);
  assert.ok(test.log.lines.length < 300, `${test.log.lines.length} lines`);

  await test.clock.advance(60_000);
  const before = test.log.lines.length;
  await test.run(devices.slice(0, 2), "later");
  const rest = test.log.lines.slice(before).map(({ text }) => text);
  assert.deepEqual(rest.filter((text) => text.startsWith("Device connected")), [
    "Device connected (and 4470 more like this since the last line)",
    "Device connected",
  ]);
  assert.deepEqual(rest.filter((text) => text.startsWith("Module 7: forward_status")), [
    // 44 of the first device, and 70 devices that were never said.
    "Module 7: forward_status returned not_ok (and 114 more like this since the last line)",
    "Module 7: forward_status returned not_ok (and 44 more like this since the last line)",
  ]);
});

Deno.test("Car.snapshot() shows the session, its devices and what has been counted", async () => {
  const test = new CarFixture();
  const fresh = test.car.snapshot();
  assert.equal(fresh.state, "UNINITIALIZED");
  assert.equal(fresh.sessionId, null);
  await test.up().run([FRONT, LAMP]);
  test.status(FRONT);
  test.status(REAR);
  test.context(7).listener.onCommand({ device: FRONT, data: bytes("go") });
  await settled();
  const { since, ...snapshot } = test.car.snapshot();
  assert.ok(since <= Date.now());
  assert.deepEqual(snapshot, {
    car: "car_1",
    state: "RUNNING",
    paused: false,
    brokerConnected: true,
    modulesReady: true,
    sessionId: "s1",
    devices: ["7/1/front", "8/1/lamp"],
    queues: { statuses: 0, commands: 0, unansweredCommands: 1 },
    transport: null,
    statistics: {
      sessionsStarted: 1,
      sessionsFailed: 0,
      statusesReceived: 4,
      statusesForwarded: 3,
      statusesNotForwarded: 1,
      statusesAnswered: 4,
      commandsSent: 3,
      commandsAcknowledged: 0,
      commandsUnanswered: 0,
      commandsRefused: 0,
      commandsDropped: 0,
      moduleCallsFailed: 0,
      messagesRejected: 0,
      failuresByReason: {},
      notForwardedByReason: { device_not_connected: 1 },
      droppedByReason: {},
    },
  });
  // It is a copy: what happens later does not change it.
  test.status(FRONT);
  assert.equal(snapshot.statistics.statusesReceived, 4);
});

Deno.test("Car says how a session ended, with what was awaited and for how long [FAIL-REASONS]", async () => {
  const test = await new CarFixture().up().run([FRONT]);
  test.context(7).listener.onCommand({ device: FRONT, data: bytes("go") });
  await test.clock.advance(10_000);
  const [line] = test.log.matching(/Session ended/);
  assert.equal(line?.level, "WARNING");
  assert.equal(line?.context.session, "s1");
  assert.equal(
    line?.text,
    "Session ended: command_unanswered: Response to command 1 for 7/1/front, waited 10.0 s for it",
  );
});
