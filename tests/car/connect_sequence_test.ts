// The connect sequence (section 4.2), sentence by sentence.
import assert from "node:assert/strict";
import { CommandResponseType, DeviceState } from "../../src/protocol/messages.ts";
import { nextDeadline } from "../../src/car/session.ts";
import {
  bytes,
  device,
  FOREIGN,
  FRONT,
  LAMP,
  REAR,
  runningCar,
  type TestCar,
  waitingCar,
} from "./support.ts";

/** A car in step 2 with these devices. */
function inStatuses(devices = [FRONT, LAMP]): TestCar {
  const car = waitingCar();
  car.connect(devices);
  return car;
}

/** A car in step 3: commands 0 and 1 wait for their responses. */
function inResponses(devices = [FRONT, LAMP]): TestCar {
  const car = inStatuses(devices);
  for (const one of devices) car.status(one);
  return car;
}

Deno.test("step() runs the whole sequence of one device (section 4.2)", () => {
  const car = waitingCar();
  assert.deepEqual(car.connect([FRONT]).lines, ["connect 7/1/front", "ConnectResponse OK"]);
  assert.deepEqual(car.status(FRONT, { data: "hello", error: "oops" }).lines, [
    "StatusResponse 0",
    "forward 0 7/1/front hello oops",
    "Command 0 7/1/front",
  ]);
  const seen = car.respond(0);
  assert.deepEqual(seen.lines, []);
  assert.deepEqual(seen.noteCodes, ["running"]);
  assert.equal(car.session.kind, "running");
});

// Step 1: Connect

Deno.test("step() fails a Connect without a session id (section 4.2, step 1)", () => {
  const car = waitingCar();
  const seen = car.connect([FRONT], "");
  assert.deepEqual(seen.lines, ["ended connect_incomplete", "notify"]);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() fails a Connect without a device (section 4.2, step 1)", () => {
  const car = waitingCar();
  assert.deepEqual(car.connect([]).lines, ["ended connect_incomplete", "notify"]);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() takes 1,000 devices and fails with 1,001 (section 4.2, step 1)", () => {
  const devices = Array.from({ length: 1001 }, (_, index) => device(7, `d${index}`));
  const refused = waitingCar();
  assert.deepEqual(refused.connect(devices).lines, ["ended protocol_violation", "notify"]);
  const car = waitingCar().run(devices.slice(0, 1000));
  assert.equal(car.running().devices.size, 1000);
});

Deno.test("step() connects devices of configured modules, with priority 0 (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.automatic = false;
  const seen = car.connect([FRONT, FOREIGN, LAMP]);
  assert.deepEqual(seen.lines, ["connect 7/1/front", "connect 8/1/lamp"]);
  for (const effect of seen.effects) {
    if (effect.type === "connect_device") assert.equal(effect.device.priority, 0);
  }
  assert.deepEqual(car.moduleReturns(1).lines, []);
  assert.deepEqual(car.moduleReturns(0).lines, ["ConnectResponse OK"]);
});

Deno.test("step() counts devices as connected when device_connected is OK (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.outcome = ({ deviceRole }) => deviceRole === "front" ? "ok" : "not_ok";
  car.run([FRONT, REAR, LAMP]);
  assert.deepEqual([...car.running().devices.keys()], ["7/1/front"]);
});

Deno.test("step() names why a device is not connected (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.outcome = ({ deviceRole }) =>
    deviceRole === "rear" ? "unsupported" : deviceRole === "lamp" ? "timeout_occurred" : "ok";
  assert.deepEqual(car.connect([FRONT, FOREIGN, REAR, LAMP]).noteCodes, [
    "device_not_connected unknown_module",
    "device_connected",
    "device_not_connected unsupported_type",
    "device_not_connected device_refused",
    "connect_accepted",
  ]);
});

Deno.test("step() answers OK and then fails without any connected device (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.outcome = () => "not_ok";
  assert.deepEqual(car.connect([FRONT, FOREIGN]).lines, [
    "connect 7/1/front",
    "ConnectResponse OK",
    "notify",
    "ended connect_incomplete",
  ]);
  assert.deepEqual(waitingCar().connect([FOREIGN]).lines, [
    "ConnectResponse OK",
    "notify",
    "ended connect_incomplete",
  ]);
});

Deno.test("step() connects a device that is listed twice once (section 4.2, step 1)", () => {
  const car = waitingCar();
  assert.deepEqual(car.connect([FRONT, { ...FRONT, deviceName: "again", priority: 9 }]).lines, [
    "connect 7/1/front",
    "ConnectResponse OK",
  ]);
  assert.deepEqual(car.status(FRONT).only("Command"), ["Command 0 7/1/front"]);
});

Deno.test("step() drops commands from before a module's first device (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.command(FRONT, "stale");
  car.command(LAMP, "other");
  car.automatic = false;
  car.connect([FRONT, REAR, LAMP]);
  const first = car.moduleReturns(0);
  assert.deepEqual(first.noteCodes, ["device_connected", "command_dropped stale"]);
  // One that comes behind the module's first device is not stale.
  car.command(FRONT, "fresh");
  assert.deepEqual(car.moduleReturns(0).noteCodes, ["device_connected"]);
  car.moduleReturns(0);
  car.status(FRONT);
  car.status(REAR);
  assert.deepEqual(car.status(LAMP).only("Command"), [
    "Command 0 7/1/front fresh",
    "Command 1 7/1/rear",
    "Command 2 8/1/lamp",
  ]);
});

Deno.test("step() keeps the waiting command of a module whose device was refused (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.command(LAMP, "waits");
  car.outcome = ({ module }) => module === 7 ? "ok" : "not_ok";
  assert.ok(!car.connect([FRONT, LAMP]).noteCodes.includes("command_dropped stale"));
  assert.equal(car.session.base.commands.parked.size, 1);
});

Deno.test("step() notes another company or vehicle name and goes on (section 4.2, step 1)", () => {
  const car = waitingCar();
  const seen = car.message({
    kind: "connect",
    sessionId: "s1",
    company: "emca",
    vehicleName: "car_1",
    devices: [FRONT],
  });
  assert.equal(seen.noteCodes.filter((code) => code === "identity_mismatch").length, 1);
  assert.deepEqual(seen.only("ConnectResponse"), ["ConnectResponse OK"]);
});

Deno.test("step() has no clock of its own for device_connected (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.automatic = false;
  car.connect([FRONT]);
  assert.equal(nextDeadline(car.session), Infinity);
});

Deno.test("step() keeps statuses that come before its ConnectResponse (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.automatic = false;
  car.connect([FRONT]);
  assert.deepEqual(car.status(FRONT).lines, []);
  assert.deepEqual(car.modulesReturn().lines, [
    "ConnectResponse OK",
    "StatusResponse 0",
    "forward 0 7/1/front",
    "Command 0 7/1/front",
  ]);
});

Deno.test("step() ignores a second delivery of the Connect it works on (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.automatic = false;
  car.connect([FRONT]);
  assert.deepEqual(car.connect([FRONT]).lines, []);
  assert.deepEqual(car.modulesReturn().lines, ["ConnectResponse OK"]);
});

Deno.test("step() awaits module_lost when a call ends because its host died (section 4.2, step 1)", () => {
  const car = waitingCar();
  car.outcome = () => "host_lost";
  assert.deepEqual(car.connect([FRONT]).lines, ["connect 7/1/front"]);
  const seen = car.input({ type: "module_lost", detail: "Module 7: killed" });
  assert.deepEqual(seen.failures.map(({ reason }) => reason), ["module_lost"]);
});

// Step 2: first statuses

Deno.test("step() wants a status of every listed device, in any order (section 4.2, step 2)", () => {
  const car = inStatuses([FRONT, REAR, FOREIGN]);
  assert.deepEqual(car.status(FOREIGN).lines, ["StatusResponse 0"]);
  assert.deepEqual(car.status(REAR).lines, ["StatusResponse 1"]);
  assert.deepEqual(car.status(FRONT).only("StatusResponse", "Command"), [
    "StatusResponse 2",
    "Command 0 7/1/front",
    "Command 1 7/1/rear",
    "Command 2 3/1/foreign",
  ]);
});

Deno.test("step() matches first statuses by device, not by name or priority (section 4.2, step 2)", () => {
  const car = inStatuses([FRONT]);
  const seen = car.status({ ...FRONT, deviceName: "another", priority: 7 });
  assert.deepEqual(seen.answers, [0]);
  const forward = seen.effects.find(({ type }) => type === "forward");
  assert.ok(forward?.type === "forward" && forward.device.priority === 0);
});

Deno.test("step() fails when a first status is not CONNECTING (section 4.2, step 2)", () => {
  for (const state of [DeviceState.RUNNING, DeviceState.ERROR, DeviceState.DISCONNECT, 99]) {
    for (const one of [FRONT, FOREIGN]) {
      const car = inStatuses([FRONT, FOREIGN]);
      assert.deepEqual(car.status(one, { state }).lines, [
        "disconnect timeout 7/1/front",
        "notify",
        "ended protocol_violation",
      ]);
    }
  }
});

Deno.test("step() ignores first statuses of another session or device (section 4.2, step 2)", () => {
  const car = inStatuses();
  assert.deepEqual(car.status(FRONT, { session: "other", counter: 0 }).lines, []);
  const seen = car.status(REAR);
  assert.deepEqual(seen.lines, []);
  assert.deepEqual(seen.noteCodes, ["ignored device_not_listed"]);
  assert.deepEqual(car.respond(0).lines, []);
});

Deno.test("step() forwards first statuses in counter order, across the wrap (section 4.2, step 2)", () => {
  const car = inStatuses([FRONT, REAR, FOREIGN, LAMP]);
  car.status(LAMP, { counter: 1 });
  car.status(FOREIGN, { counter: 0 });
  car.status(REAR, { counter: 0xffffffff });
  assert.deepEqual(car.status(FRONT, { counter: 0xfffffffe }).only("forward"), [
    "forward 4294967294 7/1/front",
    "forward 4294967295 7/1/rear",
    "forward 1 8/1/lamp",
  ]);
});

Deno.test("step() does not wait for slow modules in the sequence (section 4.2, step 2)", () => {
  const car = waitingCar();
  car.automatic = false;
  car.connect([FRONT]);
  car.modulesReturn();
  assert.deepEqual(car.status(FRONT).only("Command"), ["Command 0 7/1/front"]);
  car.respond(0);
  assert.equal(car.session.kind, "running");
  assert.deepEqual(car.modulesReturn().lines, []);
});

Deno.test("step() answers a first status once (section 4.2, step 2)", () => {
  const car = inStatuses();
  assert.deepEqual(car.status(FRONT, { counter: 0 }).answers, [0]);
  assert.deepEqual(car.status(FRONT, { counter: 0 }).lines, []);
  assert.deepEqual(car.status(LAMP, { counter: 1 }).answers, [1]);
  assert.deepEqual(car.status(FRONT, { counter: 0, state: DeviceState.CONNECTING }).lines, []);
  car.respond(0);
  assert.deepEqual(car.respond(1).lines, []);
  assert.deepEqual(car.status(LAMP, { counter: 1, state: DeviceState.CONNECTING }).lines, []);
  assert.deepEqual(car.status(LAMP, { counter: 2 }).answers, [2]);
});

Deno.test("step() checks the first status of normal communication, too (section 4.2, step 2)", () => {
  const car = inResponses();
  car.respond(0);
  car.respond(1);
  assert.deepEqual(car.status(FRONT, { counter: 3 }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2 }).answers, [2, 3]);
});

Deno.test("step() lets statuses of devices that are not listed count (section 4.2, step 2)", () => {
  const car = inStatuses([FRONT]);
  car.status(REAR, { counter: 0 });
  car.status(FRONT, { counter: 1 });
  car.respond(0);
  assert.deepEqual(car.status(FRONT, { counter: 2 }).answers, [2]);
});

Deno.test("step() takes no second delivery of such a status for counting anew (section 4.2, step 2)", () => {
  const car = inStatuses([FRONT, LAMP]);
  car.status(REAR, { counter: 0, state: DeviceState.RUNNING });
  car.status(FRONT, { counter: 1 });
  assert.deepEqual(
    car.status(REAR, { counter: 0, state: DeviceState.RUNNING }).noteCodes,
    ["ignored counter_handled"],
  );
  car.status(LAMP, { counter: 2 });
  car.status(REAR, { counter: 0, state: DeviceState.RUNNING });
  car.respond(0);
  assert.deepEqual(car.respond(1).noteCodes, ["running"]);
  assert.deepEqual(car.status(FRONT, { counter: 3 }).answers, [3]);
});

Deno.test("step() sets aside no more than a gap of statuses of unlisted devices (section 4.2, step 2)", () => {
  const car = inStatuses([FRONT]);
  for (let counter = 1; counter <= 2000; counter++) car.status(REAR, { counter });
  assert.ok(car.session.kind === "connecting" && car.session.step.name === "statuses");
  assert.ok(car.session.step.skipped.size <= 1000);
});

Deno.test("step() keeps further statuses of a device for later (section 4.2, step 2)", () => {
  const car = inStatuses();
  car.status(FRONT, { counter: 0 });
  assert.deepEqual(car.status(FRONT, { counter: 1, state: DeviceState.RUNNING }).lines, []);
  assert.deepEqual(car.status(LAMP, { counter: 2 }).answers, [2]);
  car.respond(0);
  assert.deepEqual(car.respond(1).lines, ["forward 1 7/1/front", "StatusResponse 1"]);
  assert.deepEqual(car.status(LAMP, { counter: 3 }).answers, [3]);
});

Deno.test("step() follows a gateway that counts anew (section 4.2, step 2)", () => {
  const car = inStatuses();
  car.status(FRONT, { counter: 100 });
  car.status(LAMP, { counter: 101 });
  car.respond(0);
  car.respond(1);
  const seen = car.status(FRONT, { counter: 5 });
  assert.deepEqual(seen.answers, [5]);
  assert.ok(seen.noteCodes.includes("counts_anew"));
  assert.deepEqual(car.status(FRONT, { counter: 6 }).answers, [6]);
  // Only the very first status may do so.
  assert.deepEqual(car.status(FRONT, { counter: 0 }).lines, []);
});

Deno.test("step() takes no CONNECTING below the expected counter for counting anew (section 4.2, step 2)", () => {
  const car = runningCar([FRONT, LAMP]);
  assert.deepEqual(car.status(LAMP, { counter: 1, state: DeviceState.CONNECTING }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2 }).answers, [2]);
});

Deno.test("step() does not take a first status above the expected counter as a new count (section 4.2, step 2)", () => {
  const car = runningCar([FRONT]);
  assert.deepEqual(car.status(FRONT, { counter: 2 }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 0 }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 1 }).answers, [1, 2]);
});

Deno.test("step() tells the sequence's forwards from those of a new count (section 4.2, step 2)", () => {
  const car = inStatuses([FRONT]);
  car.automatic = false;
  car.status(FRONT, { counter: 0 });
  car.respond(0);
  assert.deepEqual(car.status(FRONT, { counter: 0, data: "anew" }).lines, [
    "forward 0 7/1/front anew",
  ]);
  assert.deepEqual(car.moduleReturns(0).lines, []);
  assert.deepEqual(car.moduleReturns(0).answers, [0]);
});

Deno.test("step() waits `timeout` for each next first status (section 4.2, step 2)", () => {
  const car = inStatuses([FRONT, REAR, LAMP]);
  car.advance(9999);
  car.status(FRONT);
  car.advance(9999);
  car.status(REAR);
  assert.deepEqual(car.advance(9999).lines, []);
  const seen = car.advance(1);
  assert.deepEqual(seen.lines, [
    "forward 0 7/1/front",
    "forward 1 7/1/rear",
    "disconnect timeout 7/1/front",
    "disconnect timeout 7/1/rear",
    "disconnect timeout 8/1/lamp",
    "notify",
    "ended status_missing",
  ]);
  assert.equal(seen.failures[0]?.waitedMs, 10_000);
  assert.match(seen.failures[0]?.detail ?? "", /8\/1\/lamp/);
});

Deno.test("step() does not let ignored messages prolong the sequence (section 4.2, step 2)", () => {
  const car = inStatuses();
  car.advance(9999);
  car.status(FRONT, { session: "other" });
  car.status(REAR);
  car.respond(0);
  assert.deepEqual(car.advance(1).failures.map(({ reason }) => reason), ["status_missing"]);
});

// Step 3: first commands

Deno.test("step() sends each device its oldest waiting command, else an empty one (section 4.2, step 3)", () => {
  const car = inStatuses([FRONT, REAR, LAMP]);
  car.command(REAR, "one");
  car.command(REAR, "two");
  car.command(REAR, "three");
  car.status(FRONT);
  car.status(REAR);
  const seen = car.status(LAMP);
  assert.deepEqual(seen.only("Command"), [
    "Command 0 7/1/front",
    "Command 1 7/1/rear one",
    "Command 2 8/1/lamp",
  ]);
  // The others stay queued and follow after the sequence.
  assert.deepEqual(car.respond(0).lines, []);
  assert.deepEqual(car.respond(1).lines, ["acknowledge 7 one"]);
  assert.deepEqual(car.respond(2).lines, ["Command 3 7/1/rear two", "Command 4 7/1/rear three"]);
});

Deno.test("step() drops commands for devices that were not listed (section 4.2, step 3)", () => {
  const car = inStatuses([FRONT]);
  car.command(REAR, "lost");
  const seen = car.status(FRONT);
  assert.deepEqual(seen.only("Command"), ["Command 0 7/1/front"]);
  assert.ok(seen.noteCodes.includes("command_dropped device_not_listed"));
  assert.deepEqual(car.respond(0).lines, []);
});

Deno.test("step() sends an empty command to a device that is not connected, and loses none (section 4.2, step 3)", () => {
  const car = waitingCar();
  car.outcome = ({ deviceRole }) => deviceRole === "front" ? "ok" : "not_ok";
  car.connect([FRONT, REAR]);
  car.command(REAR, "for rear");
  car.status(FRONT);
  assert.deepEqual(car.status(REAR).only("Command"), [
    "Command 0 7/1/front",
    "Command 1 7/1/rear",
  ]);
  car.respond(0);
  const seen = car.respond(1);
  assert.deepEqual(seen.lines, ["Command 2 7/1/rear for rear"]);
  assert.deepEqual(seen.noteCodes, ["running", "command_doubtful device_not_connected"]);
});

Deno.test("step() notes an empty command of a module in the sequence, too (section 4.3)", () => {
  const car = inStatuses([FRONT]);
  car.command(FRONT, "");
  assert.deepEqual(
    car.status(FRONT).noteCodes.filter((code) => code.startsWith("command")),
    ["command_doubtful empty"],
  );
  assert.deepEqual(car.respond(0).lines, ["acknowledge 7"]);
});

Deno.test("step() wants as many responses as commands, whatever their counters (section 4.2, step 3)", () => {
  const car = inResponses();
  assert.deepEqual(car.respond(77).lines, []);
  assert.equal(car.session.kind, "connecting");
  car.respond(1);
  assert.equal(car.session.kind, "running");
});

Deno.test("step() counts a response that is delivered twice once (section 4.2, step 3)", () => {
  const car = inResponses();
  car.respond(0);
  car.respond(0);
  assert.equal(car.session.kind, "connecting");
  car.respond(1);
  assert.equal(car.session.kind, "running");
});

Deno.test("step() acknowledges only commands that came from a module, in order (section 4.2, step 3)", () => {
  const car = inStatuses([FRONT, REAR, LAMP]);
  car.command(LAMP, "on");
  car.command(REAR, "go");
  car.status(FRONT);
  car.status(REAR);
  car.status(LAMP);
  assert.deepEqual(car.respond(2).lines, []);
  assert.deepEqual(car.respond(1).lines, []);
  assert.deepEqual(car.respond(0).lines, ["acknowledge 7 go", "acknowledge 8 on"]);
});

Deno.test("step() acknowledges behind a response with a strange counter (section 4.2, step 3)", () => {
  const car = inStatuses();
  car.command(LAMP, "on");
  car.status(FRONT);
  car.status(LAMP);
  assert.deepEqual(car.respond(1).lines, []);
  assert.deepEqual(car.respond(1234).lines, ["acknowledge 8 on"]);
  assert.equal(car.session.kind, "running");
});

Deno.test("step() does not acknowledge first commands that were refused (section 4.3)", () => {
  const car = inStatuses([FRONT]);
  car.command(FRONT, "go");
  car.status(FRONT);
  const seen = car.respond(0, CommandResponseType.INVALID_COMMAND);
  assert.deepEqual(seen.lines, []);
  assert.deepEqual(seen.noteCodes, ["command_refused", "running"]);
});

Deno.test("step() disconnects a device whose first command finds it away (section 4.3)", () => {
  const car = inResponses();
  assert.deepEqual(car.respond(0, CommandResponseType.DEVICE_NOT_CONNECTED).lines, [
    "disconnect announced 7/1/front",
  ]);
  assert.deepEqual(car.respond(1, CommandResponseType.DEVICE_NOT_CONNECTED).lines, [
    "disconnect announced 8/1/lamp",
    "notify",
    "ended all_devices_gone",
  ]);
});

Deno.test("step() skips what else arrives but keeps statuses (section 4.2, step 3)", () => {
  const car = inResponses();
  car.status(FRONT, { session: "other" });
  assert.deepEqual(car.respond(0, 0, "other").lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 3, state: DeviceState.RUNNING }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2, state: DeviceState.RUNNING }).lines, []);
  assert.deepEqual(car.status(FRONT, { counter: 2, state: DeviceState.RUNNING }).lines, []);
  car.respond(0);
  assert.deepEqual(car.respond(1).answers, [2, 3]);
});

Deno.test("step() waits `timeout` for each next response (section 4.2, step 3)", () => {
  const car = inResponses();
  car.advance(9999);
  car.respond(1);
  assert.deepEqual(car.advance(9999).lines, []);
  const seen = car.advance(1);
  assert.deepEqual(seen.lines, [
    "disconnect timeout 7/1/front",
    "disconnect timeout 8/1/lamp",
    "notify",
    "ended command_unanswered",
  ]);
  assert.equal(seen.failures[0]?.waitedMs, 10_000);
});

Deno.test("step() sends commands that come in step 3 after the sequence (section 4.2, step 3)", () => {
  const car = inResponses([FRONT]);
  assert.deepEqual(car.command(FRONT, "later").lines, []);
  assert.deepEqual(car.respond(0).lines, ["Command 1 7/1/front later"]);
});

// Connect again

Deno.test("step() fails when a Connect with the same id comes in steps 2 and 3 (section 4.2)", () => {
  for (const car of [inStatuses([FRONT]), inResponses([FRONT])]) {
    const seen = car.connect([FRONT], "s1");
    assert.deepEqual(seen.only("disconnect", "notify", "ended", "ConnectResponse"), [
      "disconnect timeout 7/1/front",
      "notify",
      "ended protocol_violation",
    ]);
    assert.equal(car.session.kind, "waiting");
    assert.deepEqual(car.connect([FRONT], "s1").only("ConnectResponse"), ["ConnectResponse OK"]);
  }
});

Deno.test("step() starts over with a Connect of another id in every step (section 4.2)", () => {
  for (const car of [inStatuses([FRONT]), inResponses([FRONT]), runningCar([FRONT])]) {
    assert.deepEqual(car.connect([LAMP], "s2").lines, [
      "disconnect timeout 7/1/front",
      "ended new_session",
      "connect 8/1/lamp",
      "ConnectResponse OK",
    ]);
    assert.ok(car.session.kind === "connecting" && car.session.sessionId === "s2");
    car.status(LAMP);
    assert.equal(car.session.kind === "connecting" && car.session.step.name, "responses");
  }
});

Deno.test("step() takes late results of an old session for nothing new (section 4.2)", () => {
  const car = waitingCar();
  car.automatic = false;
  car.connect([FRONT], "s1");
  // The device may be with the module already: it has to leave before it comes again.
  assert.deepEqual(car.connect([FRONT], "s2").lines, [
    "disconnect timeout 7/1/front",
    "ended new_session",
    "connect 7/1/front",
  ]);
  assert.deepEqual(car.moduleReturns(0).lines, []);
  assert.deepEqual(car.moduleReturns(0).published, [
    { kind: "connect_response", sessionId: "s2", type: 0 },
  ]);
});

Deno.test("step() keeps its session when a Connect that cannot be used comes (section 4.2)", () => {
  for (const car of [inStatuses([FRONT]), inResponses([FRONT]), runningCar([FRONT])]) {
    const before = car.session;
    const seen = car.connect([], "s2");
    assert.deepEqual(seen.noteCodes, ["ignored bad_connect"]);
    assert.equal(car.session, before);
  }
});

Deno.test("step() publishes first commands with the bytes of the module (section 4.2, step 3)", () => {
  const car = inStatuses([FRONT]);
  car.input({
    type: "command",
    module: 7,
    command: { device: FRONT, data: new Uint8Array([0, 1, 0]) },
  });
  const command = car.status(FRONT).published.find(({ kind }) => kind === "command");
  assert.ok(command?.kind === "command");
  assert.deepEqual(command.commandData, new Uint8Array([0, 1, 0]));
  assert.equal(bytes("\0").length, 1);
});
