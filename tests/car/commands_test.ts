// Commands and their responses in normal communication [COMMAND-PUBLISH] [COMMAND-ACK].
import assert from "node:assert/strict";
import { CommandResponseType, DeviceState } from "../../src/protocol/messages.ts";
import {
  firstStatusesCar,
  FOREIGN,
  FRONT,
  LAMP,
  REAR,
  runningCar,
  Seen,
  TestCar,
  waitingCar,
} from "./support.ts";

const { DEVICE_NOT_CONNECTED, DEVICE_NOT_SUPPORTED, INVALID_COMMAND } = CommandResponseType;

/** A running car whose next command has this counter. */
function sendingFrom(counter: number): TestCar {
  const car = new TestCar();
  const { session } = car;
  car.session = { ...session, base: { ...session.base, commandCounter: (counter - 1) >>> 0 } };
  return car.up().run([FRONT]);
}

Deno.test("step() publishes commands without waiting for responses [COMMAND-PUBLISH]", () => {
  const car = runningCar([FRONT, LAMP]);
  assert.deepEqual(car.command(FRONT, "a").lines, ["Command 2 7/1/front a"]);
  assert.deepEqual(car.command(LAMP, "b").lines, ["Command 3 8/1/lamp b"]);
  assert.deepEqual(car.command(FRONT, "c").published, [{
    kind: "command",
    sessionId: "s1",
    messageCounter: 4,
    device: FRONT,
    commandData: new Uint8Array([99]),
  }]);
});

Deno.test("step() fails when a command has no response within `timeout` [COMMAND-TIMEOUT]", () => {
  const car = runningCar([FRONT]);
  car.command(FRONT, "a");
  car.advance(5000);
  car.command(FRONT, "b");
  car.advance(4999);
  car.status(FRONT);
  const seen = car.advance(1);
  assert.deepEqual(seen.lines, [
    "disconnect timeout 7/1/front",
    "ALREADY_LOGGED s1",
    "ended command_unanswered",
  ]);
  assert.equal(seen.failures[0]?.waitedMs, 10_000);
  assert.match(seen.failures[0]?.detail ?? "", /command 1 for 7\/1\/front/);
});

Deno.test("step() gives every command its own time, also behind a late response [COMMAND-TIMEOUT]", () => {
  const car = runningCar([FRONT]);
  car.command(FRONT, "a");
  car.advance(5000);
  car.command(FRONT, "b");
  car.advance(4999);
  car.respond(1);
  assert.deepEqual(car.advance(5000).lines, []);
  assert.deepEqual(car.advance(1).failures.map(({ reason }) => reason), ["command_unanswered"]);
});

Deno.test("step() has no command timer when all are answered [COMMAND-TIMEOUT]", () => {
  const car = runningCar([FRONT]);
  car.command(FRONT, "a");
  car.respond(1);
  assert.deepEqual(car.advance(29_999).lines, []);
});

Deno.test("step() acknowledges strictly in counter order [COMMAND-ACK]", () => {
  const car = runningCar([FRONT, LAMP]);
  car.command(FRONT, "a");
  car.command(LAMP, "b");
  car.command(FRONT, "c");
  car.command(FRONT, "d");
  assert.deepEqual(car.respond(4).lines, []);
  assert.deepEqual(car.respond(3).lines, []);
  assert.deepEqual(car.respond(2).lines, ["acknowledge 7 a", "acknowledge 8 b", "acknowledge 7 c"]);
  assert.deepEqual(car.respond(5).lines, ["acknowledge 7 d"]);
});

Deno.test("step() acknowledges with the command's own device and data [COMMAND-ACK]", () => {
  const car = runningCar([FRONT]);
  const command = { device: { ...FRONT, deviceName: "mine" }, data: new Uint8Array([0, 255, 0]) };
  car.input({ type: "command", module: 7, command });
  assert.deepEqual(car.respond(1).effects, [{ type: "acknowledge", module: 7, command }]);
});

Deno.test("step() acknowledges once when a response comes twice [COMMAND-ACK]", () => {
  const car = runningCar([FRONT]);
  car.command(FRONT, "a");
  car.command(FRONT, "b");
  car.respond(2);
  assert.deepEqual(car.respond(2).noteCodes, ["ignored unknown_counter"]);
  assert.deepEqual(car.respond(1).lines, ["acknowledge 7 a", "acknowledge 7 b"]);
  assert.deepEqual(car.respond(1).lines, []);
  assert.deepEqual(car.respond(2).lines, []);
});

Deno.test("step() ignores a response to a command it never sent [COMMAND-ACK]", () => {
  const car = runningCar([FRONT]);
  car.command(FRONT, "a");
  assert.deepEqual(car.respond(2).noteCodes, ["ignored unknown_counter"]);
  assert.deepEqual(car.respond(0, DEVICE_NOT_CONNECTED).lines, []);
  assert.deepEqual(car.respond(1).lines, ["acknowledge 7 a"]);
});

Deno.test("step() keeps the order of commands across the wrap of uint32 [COMMAND-ACK]", () => {
  const car = sendingFrom(0xfffffffe);
  const sent = ["a", "b", "c", "d"].flatMap((text) => car.command(FRONT, text).lines);
  assert.deepEqual(sent, [
    "Command 4294967294 7/1/front a",
    "Command 4294967295 7/1/front b",
    "Command 0 7/1/front c",
    "Command 1 7/1/front d",
  ]);
  assert.deepEqual(car.respond(1).lines, []);
  assert.deepEqual(car.respond(0xffffffff).lines, []);
  assert.deepEqual(car.respond(0xfffffffe).lines, ["acknowledge 7 a", "acknowledge 7 b"]);
  assert.deepEqual(car.respond(0).lines, ["acknowledge 7 c", "acknowledge 7 d"]);
});

Deno.test("step() goes on counting commands in the next session [COMMAND-COUNTER]", () => {
  const car = runningCar([FRONT]);
  car.command(FRONT, "a");
  car.advance(10_000);
  car.run([FRONT], "s2");
  assert.deepEqual(car.command(FRONT, "b").lines, ["Command 3 7/1/front b"]);
  // The answer to a command of the old session acknowledges nothing.
  assert.deepEqual(car.respond(1).lines, []);
});

Deno.test("step() acknowledges only what was answered OK [COMMAND-REFUSED]", () => {
  const car = runningCar([FRONT]);
  for (const text of ["a", "b", "c", "d"]) car.command(FRONT, text);
  const refused = car.respond(2, DEVICE_NOT_SUPPORTED);
  assert.deepEqual(refused.effects, []);
  car.respond(3, INVALID_COMMAND);
  car.respond(4, 99);
  const seen = car.respond(1);
  assert.deepEqual(seen.lines, ["acknowledge 7 a"]);
  assert.deepEqual(
    seen.notes.map((note) => note.code === "command_refused" && note.responseType),
    [DEVICE_NOT_SUPPORTED, INVALID_COMMAND, 99],
  );
});

Deno.test("step() disconnects on DEVICE_NOT_CONNECTED at once, acknowledges in order [COMMAND-DEVICE-GONE]", () => {
  const car = runningCar([FRONT, LAMP]);
  car.command(LAMP, "first");
  car.command(FRONT, "second");
  car.command(LAMP, "third");
  car.respond(4);
  assert.deepEqual(car.respond(3, DEVICE_NOT_CONNECTED).lines, ["disconnect announced 7/1/front"]);
  const seen = car.respond(2);
  assert.deepEqual(seen.lines, ["acknowledge 8 first", "acknowledge 8 third"]);
  assert.deepEqual(seen.noteCodes, ["command_refused"]);
});

Deno.test("step() ends the session when DEVICE_NOT_CONNECTED takes the last device [SESSION-LAST-DEVICE]", () => {
  const car = runningCar([FRONT]);
  car.command(FRONT, "a");
  assert.deepEqual(car.respond(1, DEVICE_NOT_CONNECTED).lines, [
    "disconnect announced 7/1/front",
    "notify",
    "ended all_devices_gone",
  ]);
});

Deno.test("step() disconnects a device once for two DEVICE_NOT_CONNECTED [COMMAND-DEVICE-GONE]", () => {
  const car = runningCar([FRONT, LAMP]);
  car.command(FRONT, "a");
  car.command(FRONT, "b");
  car.respond(2, DEVICE_NOT_CONNECTED);
  assert.deepEqual(car.respond(3, DEVICE_NOT_CONNECTED).lines, []);
  assert.equal(car.session.kind, "running");
});

Deno.test("step() drops a command whose device names another module [COMMAND-FOREIGN-MODULE]", () => {
  const car = runningCar([FRONT, LAMP]);
  const seen = car.command(LAMP, "a", 7);
  assert.deepEqual(seen.lines, []);
  assert.deepEqual(seen.noteCodes, ["command_dropped other_module"]);
});

Deno.test("step() sends such a command if send_invalid_command is true [COMMAND-FOREIGN-MODULE]", () => {
  const car = runningCar([FRONT, LAMP], { sendInvalidCommand: true });
  const seen = car.command(LAMP, "a", 7);
  assert.deepEqual(seen.lines, ["Command 2 8/1/lamp a"]);
  assert.deepEqual(seen.noteCodes, ["command_doubtful other_module"]);
  // It is acknowledged to the module it came from.
  assert.deepEqual(car.respond(2).lines, ["acknowledge 7 a"]);
});

Deno.test("step() sends commands for unconnected devices and empty ones with a note [COMMAND-UNCONNECTED]", () => {
  const car = runningCar([FRONT]);
  const away = car.command(REAR, "a");
  assert.deepEqual(away.lines, ["Command 1 7/1/rear a"]);
  assert.deepEqual(away.noteCodes, ["command_doubtful device_not_connected"]);
  const empty = car.command(FRONT, "");
  assert.deepEqual(empty.lines, ["Command 2 7/1/front"]);
  assert.deepEqual(empty.noteCodes, ["command_doubtful empty"]);
  assert.deepEqual(car.command(FRONT, "\0").noteCodes, []);
});

Deno.test("step() keeps the newest command of a module without devices [COMMAND-NEWEST]", () => {
  const car = waitingCar();
  assert.deepEqual(car.command(FRONT, "a").noteCodes, []);
  assert.deepEqual(car.command(LAMP, "other").noteCodes, []);
  assert.deepEqual(car.command(REAR, "b").noteCodes, ["command_dropped superseded"]);
  const dropped = new Seen(car.effects).notes.flatMap((note) =>
    note.code === "command_dropped" ? [note.count] : []
  );
  assert.deepEqual(dropped, [1]);
  const { parked, ready } = car.session.base.commands;
  assert.deepEqual(parked.map(({ module }) => module), [7, 8]);
  assert.equal(parked.find(({ module }) => module === 7)?.command.device, REAR);
  assert.equal(ready.size, 0);
});

Deno.test("step() sends nothing for a module whose last device has left [COMMAND-NEWEST]", () => {
  const car = runningCar([FRONT, LAMP]);
  car.status(LAMP, { state: DeviceState.DISCONNECT });
  assert.deepEqual(car.command(LAMP, "a").lines, []);
  assert.deepEqual(car.command(LAMP, "b").noteCodes, ["command_dropped superseded"]);
  assert.deepEqual(car.status(LAMP, { state: DeviceState.CONNECTING }).noteCodes, [
    "device_connected",
    "command_dropped stale",
  ]);
  assert.deepEqual(car.command(LAMP, "c").lines, ["Command 2 8/1/lamp c"]);
});

Deno.test("step() keeps the newest unsent command of a module when it loses its devices [COMMAND-NEWEST]", () => {
  const car = runningCar([FRONT, LAMP], { maxUnansweredCommands: 1 });
  for (const text of ["sent", "b", "c", "d"]) car.command(LAMP, text);
  car.command(FRONT, "mine");
  const seen = car.status(LAMP, { state: DeviceState.DISCONNECT });
  const dropped = seen.notes.find(({ code }) => code === "command_dropped");
  assert.ok(dropped?.code === "command_dropped" && dropped.count === 2);
  assert.deepEqual(car.respond(2).lines, ["acknowledge 8 sent", "Command 3 7/1/front mine"]);
  const { parked } = car.session.base.commands;
  assert.deepEqual(parked.map(({ command }) => new TextDecoder().decode(command.data)), ["d"]);
});

Deno.test("step() lets commands wait when too many are unanswered", () => {
  const car = runningCar([FRONT], { maxUnansweredCommands: 2 });
  car.command(FRONT, "a");
  car.command(FRONT, "b");
  assert.deepEqual(car.command(FRONT, "c").lines, []);
  assert.deepEqual(car.respond(1).lines, ["acknowledge 7 a", "Command 3 7/1/front c"]);
});

Deno.test("step() holds a module that floods, and releases it", () => {
  const car = runningCar([FRONT], { maxUnansweredCommands: 1, maxWaitingCommands: 4 });
  const texts = ["a", "b", "c", "d"];
  for (const text of texts) assert.deepEqual(car.command(FRONT, text).linesOf("hold"), []);
  assert.deepEqual(car.command(FRONT, "e").lines, ["hold 7"]);
  assert.deepEqual(car.command(FRONT, "f").lines, []);
  assert.deepEqual(car.respond(1).linesOf("release"), []);
  assert.deepEqual(car.respond(2).linesOf("release"), []);
  assert.deepEqual(car.respond(3).lines, ["acknowledge 7 c", "Command 4 7/1/front d", "release 7"]);
});

Deno.test("step() asks a module for no more commands when those that wait hold too many bytes", () => {
  const car = runningCar([FRONT, LAMP], { maxUnansweredCommands: 1, maxWaitingCommandBytes: 1000 });
  const large = "x".repeat(400);
  car.command(FRONT, "sent");
  car.command(FRONT, large);
  assert.deepEqual(car.command(LAMP, large).linesOf("hold"), []);
  // Role and name count as well.
  assert.deepEqual(car.command(FRONT, "x".repeat(150)).lines, ["hold 7"]);
  // What was on its way is kept, too, and another module is asked to stop by its own command.
  for (let i = 0; i < 5; i++) {
    assert.deepEqual(car.command(FRONT, large).lines, []);
    assert.deepEqual(car.command(FRONT, large).noteCodes, []);
  }
  assert.deepEqual(car.command(LAMP, large).lines, ["hold 8"]);
  const released: string[] = [];
  for (let counter = 2; released.length === 0; counter++) {
    released.push(...car.respond(counter).linesOf("release"));
  }
  assert.deepEqual(released, ["release 7", "release 8"]);
  assert.equal(car.session.base.commands.ready.size, 1);
});

Deno.test("step() publishes no more commands while those without a response hold too many bytes", () => {
  const car = runningCar([FRONT], { maxWaitingCommandBytes: 1000 });
  const large = "x".repeat(600);
  assert.equal(car.command(FRONT, large).linesOf("Command").length, 1);
  assert.equal(car.command(FRONT, large).linesOf("Command").length, 1);
  assert.deepEqual(car.command(FRONT, "small").lines, []);
  assert.deepEqual(car.respond(1).linesOf("Command"), ["Command 3 7/1/front small"]);
  const settings = { maxWaitingCommandBytes: 1000 };
  const waiting = runningCar([FRONT], { ...settings, maxUnansweredCommands: 1 });
  for (let i = 0; i < 5; i++) waiting.command(FRONT, large);
  const seen = waiting.configure(settings);
  assert.equal(seen.linesOf("Command").length, 1);
  // One that is too large by itself leaves alone.
  car.respond(2);
  car.respond(3);
  assert.equal(car.command(FRONT, "x".repeat(5000)).linesOf("Command").length, 1);
});

Deno.test("step() counts bytes of commands to the last one, sent or waiting", () => {
  const limit = 1000;
  /** A command of this many bytes: role and name count as well. */
  const of = (bytes: number) => "x".repeat(bytes - "front".length - "name of front".length);
  const make = (maxUnansweredCommands: number) =>
    runningCar([FRONT], { maxUnansweredCommands, maxWaitingCommandBytes: limit });
  for (const bytes of [limit - 1, limit]) {
    const car = make(9);
    car.command(FRONT, of(bytes));
    assert.equal(car.command(FRONT, "next").linesOf("Command").length, limit - bytes);
    const waiting = make(1);
    waiting.command(FRONT, "sent");
    assert.equal(waiting.command(FRONT, of(bytes)).linesOf("hold").length, bytes + 1 - limit);
  }
  for (const half of [limit / 2, limit / 2 + 1]) {
    const car = make(1);
    for (const text of ["sent", of(limit - half), of(half)]) car.command(FRONT, text);
    assert.equal(car.respond(1).linesOf("release").length, limit / 2 + 1 - half);
  }
});

Deno.test("step() frees the bytes of commands that it drops or sends first", () => {
  const bytesOf = (car: TestCar) => car.session.base.commands.readyBytes;
  const car = runningCar([FRONT, LAMP], { maxUnansweredCommands: 1 });
  for (const text of ["sent", "b", "c"]) car.command(LAMP, text);
  assert.ok(bytesOf(car) > 2);
  car.status(LAMP, { state: DeviceState.DISCONNECT });
  assert.equal(bytesOf(car), 0);
  const first = firstStatusesCar([FRONT]);
  for (const text of ["first", "later"]) first.command(FRONT, text);
  const before = bytesOf(first);
  first.status(FRONT);
  assert.equal(bytesOf(first), before / 2);
  const removed = runningCar([FRONT, LAMP], { maxUnansweredCommands: 1 });
  for (const text of ["sent", "b"]) removed.command(LAMP, text);
  removed.configure({ modules: [7], maxUnansweredCommands: 1 });
  assert.equal(bytesOf(removed), 0);
});

Deno.test("step() drops the newest when a held module floods all the same", () => {
  const car = runningCar([FRONT], { maxUnansweredCommands: 1, maxWaitingCommands: 2 });
  for (const text of ["sent", "a", "b", "c", "d"]) {
    assert.ok(!car.command(FRONT, text).noteCodes.includes("command_dropped queue_full"));
  }
  assert.deepEqual(car.command(FRONT, "e").noteCodes, ["command_dropped queue_full"]);
  assert.equal(car.session.base.commands.ready.size, 4);
});

Deno.test("step() releases held modules when the session ends", () => {
  for (const [input, reason] of [["stop", "stopped"], ["module_lost", "module_lost"]] as const) {
    const car = runningCar([FRONT], { maxUnansweredCommands: 1, maxWaitingCommands: 2 });
    for (const text of ["sent", "a", "b"]) car.command(FRONT, text);
    const seen = car.input({ type: input, detail: "x" });
    assert.deepEqual(seen.linesOf("release"), ["release 7"]);
    assert.equal(seen.failures[0]?.reason, reason);
    assert.equal(car.session.base.commands.ready.size, 0);
  }
});

Deno.test("step() keeps commands of the connect sequence's first step [CONNECT-FIRST-COMMANDS]", () => {
  const car = waitingCar();
  car.connect([FRONT, FOREIGN]);
  car.command(FRONT, "a");
  car.status(FOREIGN);
  assert.deepEqual(car.status(FRONT).linesOf("Command"), [
    "Command 0 7/1/front a",
    "Command 1 3/1/foreign",
  ]);
});
