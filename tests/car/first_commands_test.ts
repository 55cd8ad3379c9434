// The first commands of the connect sequence [CONNECT-FIRST-COMMANDS].
import assert from "node:assert/strict";
import { CommandResponseType, DeviceState } from "../../src/protocol/messages.ts";
import { firstCommandsCar, firstStatusesCar, FRONT, LAMP, REAR, waitingCar } from "./support.ts";

Deno.test("step() sends each device its oldest waiting command, else an empty one [CONNECT-FIRST-COMMANDS]", () => {
  const car = firstStatusesCar([FRONT, REAR, LAMP]);
  car.command(REAR, "one");
  car.command(REAR, "two");
  car.command(REAR, "three");
  car.status(FRONT);
  car.status(REAR);
  const seen = car.status(LAMP);
  assert.deepEqual(seen.linesOf("Command"), [
    "Command 0 7/1/front",
    "Command 1 7/1/rear one",
    "Command 2 8/1/lamp",
  ]);
  // The others stay queued and follow after the sequence.
  assert.deepEqual(car.respond(0).lines, []);
  assert.deepEqual(car.respond(1).lines, ["acknowledge 7 one"]);
  assert.deepEqual(car.respond(2).lines, ["Command 3 7/1/rear two", "Command 4 7/1/rear three"]);
});

Deno.test("step() drops commands for devices that were not listed [CONNECT-FIRST-COMMANDS]", () => {
  const car = firstStatusesCar([FRONT]);
  car.command(REAR, "lost");
  const seen = car.status(FRONT);
  assert.deepEqual(seen.linesOf("Command"), ["Command 0 7/1/front"]);
  assert.ok(seen.noteCodes.includes("command_dropped device_not_listed"));
  assert.deepEqual(car.respond(0).lines, []);
});

Deno.test("step() sends an empty command to a device that is not connected, and loses none [CONNECT-FIRST-COMMANDS]", () => {
  const car = waitingCar();
  car.outcome = ({ deviceRole }) => deviceRole === "front" ? "ok" : "not_ok";
  car.connect([FRONT, REAR]);
  car.command(REAR, "for rear");
  car.status(FRONT);
  assert.deepEqual(car.status(REAR).linesOf("Command"), [
    "Command 0 7/1/front",
    "Command 1 7/1/rear",
  ]);
  car.respond(0);
  const seen = car.respond(1);
  assert.deepEqual(seen.lines, ["Command 2 7/1/rear for rear"]);
  assert.deepEqual(seen.noteCodes, ["running", "command_doubtful device_not_connected"]);
});

Deno.test("step() notes an empty command of a module in the sequence, too [COMMAND-UNCONNECTED]", () => {
  const car = firstStatusesCar([FRONT]);
  car.command(FRONT, "");
  assert.deepEqual(
    car.status(FRONT).noteCodes.filter((code) => code.startsWith("command")),
    ["command_doubtful empty"],
  );
  assert.deepEqual(car.respond(0).lines, ["acknowledge 7"]);
});

Deno.test("step() expects as many responses as commands, whatever their counters [CONNECT-COMMAND-RESPONSES]", () => {
  const car = firstCommandsCar();
  assert.deepEqual(car.respond(77).lines, []);
  assert.equal(car.session.kind, "connecting");
  car.respond(1);
  assert.equal(car.session.kind, "running");
});

Deno.test("step() counts responses that all have the same counter, and acknowledges one [CONNECT-COMMAND-RESPONSES]", () => {
  const car = firstStatusesCar([FRONT, REAR, LAMP]);
  for (const one of [FRONT, REAR, LAMP]) car.command(one, `for ${one.deviceRole}`);
  for (const one of [FRONT, REAR, LAMP]) car.status(one);
  assert.deepEqual(car.respond(0).lines, ["acknowledge 7 for front"]);
  assert.deepEqual(car.respond(0).lines, []);
  assert.equal(car.session.kind, "connecting");
  assert.deepEqual(car.respond(0).lines, []);
  assert.equal(car.session.kind, "running");
  // Commands that were never answered by counter block nothing.
  assert.deepEqual(car.running().sent, []);
  car.status(FRONT);
  assert.deepEqual(car.advance(29_999).lines, []);
});

Deno.test("step() disconnects no device for a second response with the same counter [CONNECT-COMMAND-RESPONSES]", () => {
  const car = firstStatusesCar([REAR, FRONT, LAMP]);
  for (const one of [REAR, FRONT, LAMP]) car.status(one);
  // An early one stays until those before it are answered.
  car.respond(1);
  assert.deepEqual(car.respond(1, CommandResponseType.DEVICE_NOT_CONNECTED).lines, []);
});

Deno.test("step() acknowledges only commands that came from a module, in order [CONNECT-COMMAND-RESPONSES]", () => {
  const car = firstStatusesCar([FRONT, REAR, LAMP]);
  car.command(LAMP, "on");
  car.command(REAR, "go");
  car.status(FRONT);
  car.status(REAR);
  car.status(LAMP);
  assert.deepEqual(car.respond(2).lines, []);
  assert.deepEqual(car.respond(1).lines, []);
  assert.deepEqual(car.respond(0).lines, ["acknowledge 7 go", "acknowledge 8 on"]);
});

Deno.test("step() acknowledges after a response with an unknown counter [CONNECT-COMMAND-RESPONSES]", () => {
  const car = firstStatusesCar();
  car.command(LAMP, "on");
  car.status(FRONT);
  car.status(LAMP);
  assert.deepEqual(car.respond(1).lines, []);
  assert.deepEqual(car.respond(1234).lines, ["acknowledge 8 on"]);
  assert.equal(car.session.kind, "running");
});

Deno.test("step() does not acknowledge first commands that were refused [COMMAND-REFUSED]", () => {
  const car = firstStatusesCar([FRONT]);
  car.command(FRONT, "go");
  car.status(FRONT);
  const seen = car.respond(0, CommandResponseType.INVALID_COMMAND);
  assert.deepEqual(seen.lines, []);
  assert.deepEqual(seen.noteCodes, ["command_refused", "running"]);
});

Deno.test("step() disconnects a device whose first command finds it away [COMMAND-DEVICE-GONE]", () => {
  const car = firstCommandsCar();
  assert.deepEqual(car.respond(0, CommandResponseType.DEVICE_NOT_CONNECTED).lines, [
    "disconnect announced 7/1/front",
  ]);
  assert.deepEqual(car.respond(1, CommandResponseType.DEVICE_NOT_CONNECTED).lines, [
    "disconnect announced 8/1/lamp",
    "notify",
    "ended all_devices_gone",
  ]);
});

Deno.test("step() ignores other messages but keeps statuses [CONNECT-OTHER-MESSAGES]", () => {
  const car = firstCommandsCar();
  car.status(FRONT, { session: "other" });
  assert.deepEqual(car.respond(0, 0, "other").lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 3, state: DeviceState.RUNNING }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2, state: DeviceState.RUNNING }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2, state: DeviceState.RUNNING }).lines, []);
  car.respond(0);
  assert.deepEqual(car.respond(1).answers, [2, 3]);
});

Deno.test("step() keeps statuses of devices that are not listed in their order, too [CONNECT-OTHER-MESSAGES]", () => {
  const car = firstCommandsCar([FRONT]);
  assert.deepEqual(car.status(REAR, { counter: 1, state: DeviceState.RUNNING }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2, state: DeviceState.RUNNING }).lines, []);
  assert.deepEqual(car.respond(0).answers, [1, 2]);
});

Deno.test("step() counts responses with foreign counters, each one [CONNECT-COMMAND-RESPONSES]", () => {
  const car = firstCommandsCar();
  assert.deepEqual(car.respond(77).noteCodes, []);
  assert.deepEqual(car.respond(77).noteCodes, ["running"]);
});

Deno.test("step() waits `timeout` for each next response [CONNECT-TIMEOUT]", () => {
  const car = firstCommandsCar();
  car.advance(9999);
  car.respond(1);
  assert.deepEqual(car.advance(9999).lines, []);
  const seen = car.advance(1);
  assert.deepEqual(seen.lines, [
    "disconnect timeout 7/1/front",
    "disconnect timeout 8/1/lamp",
    "ended command_unanswered",
  ]);
  assert.equal(seen.failures[0]?.waitedMs, 10_000);
});

Deno.test("step() sends commands that come in step 3 after the sequence [CONNECT-FIRST-COMMANDS]", () => {
  const car = firstCommandsCar([FRONT]);
  assert.deepEqual(car.command(FRONT, "later").lines, []);
  assert.deepEqual(car.respond(0).lines, ["Command 1 7/1/front later"]);
});

Deno.test("step() publishes first commands with the bytes of the module [COMMAND-DATA]", () => {
  const car = firstStatusesCar([FRONT]);
  car.input({
    type: "command",
    module: 7,
    command: { device: FRONT, data: new Uint8Array([0, 1, 0]) },
  });
  const command = car.status(FRONT).published.find(({ kind }) => kind === "command");
  assert.ok(command?.kind === "command");
  assert.deepEqual(command.commandData, new Uint8Array([0, 1, 0]));
});

Deno.test("step() ends the session at once when a status that it kept is too far ahead [STATUS-GAP]", () => {
  const car = firstCommandsCar([FRONT]);
  const state = DeviceState.RUNNING;
  for (const counter of [2000, 1, 2]) {
    assert.deepEqual(car.status(FRONT, { counter, state }).lines, []);
  }
  const seen = car.respond(0);
  assert.deepEqual(seen.linesOf("forward", "ALREADY_LOGGED", "ended"), [
    "ALREADY_LOGGED s1",
    "ended status_gap",
  ]);
  assert.equal(car.session.kind, "waiting");
});

for (const name of ["statuses", "responses"] as const) {
  Deno.test(`step() keeps 1,000 further statuses while it awaits ${name}, and notes each later one that it loses [CONNECT-OTHER-MESSAGES]`, () => {
    const car = firstStatusesCar([FRONT, LAMP]);
    car.status(FRONT, { counter: 0 });
    if (name === "responses") car.status(LAMP, { counter: 1 });
    const further = Array.from({ length: 1000 }, (_, index) => index + 2);
    for (const counter of further) {
      assert.deepEqual(car.status(FRONT, { counter, state: DeviceState.RUNNING }).noteCodes, []);
    }
    const oneTooMany = { counter: 1002, state: DeviceState.RUNNING };
    assert.deepEqual(car.status(FRONT, oneTooMany).noteCodes, ["ignored no_room"]);
    if (name === "statuses") car.status(LAMP, { counter: 1 });
    car.respond(0);
    assert.deepEqual(car.respond(1).answers, further);
    // It is missing now, and said to be: the gateway connects again.
    assert.deepEqual(car.status(FRONT, { counter: 1003 }).lines, []);
    assert.deepEqual(car.advance(10_000).linesOf("ended"), ["ended status_gap"]);
  });
}
