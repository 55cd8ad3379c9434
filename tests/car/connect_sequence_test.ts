// The connect sequence [CONNECT-MESSAGE] [CONNECT-AGAIN]: its first step, and a Connect that comes
// again.
import assert from "node:assert/strict";
import { deviceKey } from "../../src/protocol/device.ts";
import {
  connectingCar,
  device,
  firstCommandsCar,
  firstStatusesCar,
  FOREIGN,
  FRONT,
  LAMP,
  REAR,
  runningCar,
  type Seen,
  waitingCar,
} from "./support.ts";

Deno.test("step() runs the whole sequence of one device [CONNECT-MESSAGE] [CONNECT-FIRST-STATUSES] [CONNECT-FIRST-COMMANDS]", () => {
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

Deno.test("step() fails a Connect without a session id [CONNECT-MESSAGE]", () => {
  const car = waitingCar();
  const seen = car.connect([FRONT], "");
  assert.deepEqual(seen.lines, ["ended connect_incomplete", "ALREADY_LOGGED"]);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() fails a Connect without a device [CONNECT-MESSAGE]", () => {
  const car = waitingCar();
  assert.deepEqual(car.connect([]).lines, ["ended connect_incomplete", "ALREADY_LOGGED s1"]);
  assert.equal(car.session.kind, "waiting");
});

Deno.test("step() takes 1,000 devices and fails with 1,001 [CONNECT-MESSAGE]", () => {
  const devices = Array.from({ length: 1001 }, (_, index) => device(7, `d${index}`));
  const refused = waitingCar();
  assert.deepEqual(refused.connect(devices).lines, [
    "ended protocol_violation",
    "ALREADY_LOGGED s1",
  ]);
  const car = waitingCar().run(devices.slice(0, 1000));
  assert.equal(car.running().devices.length, 1000);
});

Deno.test("step() connects devices of configured modules, with priority 0 [CONNECT-DEVICES] [DEVICE-PRIORITY]", () => {
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

Deno.test("step() counts devices as connected when device_connected is OK [CONNECT-DEVICES]", () => {
  const car = waitingCar();
  car.outcome = ({ deviceRole }) => deviceRole === "front" ? "ok" : "not_ok";
  car.run([FRONT, REAR, LAMP]);
  assert.deepEqual(car.running().devices.map(deviceKey), ["7/1/front"]);
});

Deno.test("step() names why a device is not connected [CONNECT-DEVICES]", () => {
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

Deno.test("step() answers OK and then fails without any connected device [CONNECT-RESPONSE]", () => {
  const car = waitingCar();
  car.outcome = () => "not_ok";
  assert.deepEqual(car.connect([FRONT, FOREIGN]).lines, [
    "connect 7/1/front",
    "ConnectResponse OK",
    "ALREADY_LOGGED s1",
    "ended connect_incomplete",
  ]);
  assert.deepEqual(waitingCar().connect([FOREIGN]).lines, [
    "ConnectResponse OK",
    "ALREADY_LOGGED s1",
    "ended connect_incomplete",
  ]);
});

Deno.test("step() connects a device that is listed twice once [CONNECT-DEVICES]", () => {
  const car = waitingCar();
  assert.deepEqual(car.connect([FRONT, { ...FRONT, deviceName: "again", priority: 9 }]).lines, [
    "connect 7/1/front",
    "ConnectResponse OK",
  ]);
  assert.deepEqual(car.status(FRONT).linesOf("Command"), ["Command 0 7/1/front"]);
});

Deno.test("step() drops commands from before a module's first device [CONNECT-STALE-COMMANDS]", () => {
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
  assert.deepEqual(car.status(LAMP).linesOf("Command"), [
    "Command 0 7/1/front fresh",
    "Command 1 7/1/rear",
    "Command 2 8/1/lamp",
  ]);
});

Deno.test("step() drops a stale command once, however many devices of its module connect [CONNECT-STALE-COMMANDS]", () => {
  const car = waitingCar();
  car.command(FRONT, "stale");
  car.command(LAMP, "stale, too");
  const dropped = ({ notes }: Seen) =>
    notes.flatMap((note) => note.code === "command_dropped" ? [deviceKey(note.device)] : []);
  assert.deepEqual(dropped(car.connect([FRONT, REAR, LAMP])), ["7/1/front", "8/1/lamp"]);
  assert.deepEqual(car.session.base.commands.parked, []);
  assert.deepEqual(dropped(car.connect([LAMP, FRONT, REAR], "s2")), []);
});

Deno.test("step() keeps the waiting command of a module whose device was refused [CONNECT-STALE-COMMANDS]", () => {
  const car = waitingCar();
  car.command(LAMP, "waits");
  car.outcome = ({ module }) => module === 7 ? "ok" : "not_ok";
  assert.ok(!car.connect([FRONT, LAMP]).noteCodes.includes("command_dropped stale"));
  assert.equal(car.session.base.commands.parked.length, 1);
});

Deno.test("step() notes another company or vehicle name and goes on [CONNECT-NAMES]", () => {
  const car = waitingCar();
  const seen = car.message({
    kind: "connect",
    sessionId: "s1",
    company: "emca",
    vehicleName: "car_1",
    devices: [FRONT],
  });
  assert.equal(seen.noteCodes.filter((code) => code === "identity_mismatch").length, 1);
  assert.deepEqual(seen.linesOf("ConnectResponse"), ["ConnectResponse OK"]);
});

Deno.test("step() has no deadline of its own for device_connected [CONNECT-TIMEOUT]", () => {
  const car = connectingCar([FRONT]);
  assert.equal(car.deadline, Infinity);
});

Deno.test("step() keeps statuses that come before its ConnectResponse [CONNECT-OTHER-MESSAGES]", () => {
  const car = connectingCar([FRONT]);
  assert.deepEqual(car.status(FRONT).lines, []);
  assert.deepEqual(car.modulesReturn().lines, [
    "ConnectResponse OK",
    "StatusResponse 0",
    "forward 0 7/1/front",
    "Command 0 7/1/front",
  ]);
});

Deno.test("step() ignores a redelivery of the Connect it works on [CONNECT-MESSAGE]", () => {
  const car = connectingCar([FRONT]);
  assert.deepEqual(car.connect([FRONT]).lines, []);
  assert.deepEqual(car.modulesReturn().lines, ["ConnectResponse OK"]);
});

Deno.test("step() awaits module_lost when a call ends because its host died [FAIL-REASONS]", () => {
  const car = waitingCar();
  car.outcome = () => "host_lost";
  assert.deepEqual(car.connect([FRONT]).lines, ["connect 7/1/front"]);
  const seen = car.input({ type: "module_lost", detail: "Module 7: killed" });
  assert.deepEqual(seen.failures.map(({ reason }) => reason), ["module_lost"]);
});

// Connect again

Deno.test("step() fails when a Connect with the same id comes in steps 2 and 3 [CONNECT-AGAIN]", () => {
  for (const car of [firstStatusesCar([FRONT]), firstCommandsCar([FRONT])]) {
    const seen = car.connect([FRONT], "s1");
    assert.deepEqual(seen.linesOf("disconnect", "ALREADY_LOGGED", "ended", "ConnectResponse"), [
      "disconnect timeout 7/1/front",
      "ALREADY_LOGGED s1",
      "ended protocol_violation",
    ]);
    assert.equal(car.session.kind, "waiting");
    assert.deepEqual(car.connect([FRONT], "s1").linesOf("ConnectResponse"), ["ConnectResponse OK"]);
  }
});

Deno.test("step() starts over with a Connect of another id in every step [CONNECT-NEW-SESSION]", () => {
  for (const car of [firstStatusesCar([FRONT]), firstCommandsCar([FRONT]), runningCar([FRONT])]) {
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

Deno.test("step() ignores late results of an old session [CONNECT-NEW-SESSION]", () => {
  const car = connectingCar([FRONT]);
  // The device may be with the module already: it has to leave before it comes again.
  assert.deepEqual(car.connect([FRONT], "s2").lines, [
    "withdraw",
    "disconnect timeout 7/1/front if connected",
    "ended new_session",
    "connect 7/1/front",
  ]);
  assert.deepEqual(car.moduleReturns(0).lines, []);
  assert.deepEqual(car.moduleReturns(0).published, [
    { kind: "connect_response", sessionId: "s2", type: 0 },
  ]);
});

Deno.test("step() keeps its session when another car's Connect comes on its topic [CONNECT-NEW-SESSION]", () => {
  const foreign = {
    kind: "connect",
    sessionId: "s2",
    company: "company",
    vehicleName: "another_car",
    devices: [FRONT],
  } as const;
  for (const car of [firstStatusesCar([FRONT]), firstCommandsCar([FRONT]), runningCar([FRONT])]) {
    const before = car.session;
    assert.deepEqual(car.message(foreign).noteCodes, ["ignored other_car"]);
    assert.equal(car.session, before);
  }
  // The gateway of a session that began under that name may come back under it.
  const misnamed = waitingCar();
  misnamed.message({ ...foreign, sessionId: "s1" });
  assert.deepEqual(misnamed.message(foreign).failures.map(({ reason }) => reason), ["new_session"]);
});

Deno.test("step() keeps its session when a Connect that cannot be used comes [CONNECT-NEW-SESSION]", () => {
  for (const car of [firstStatusesCar([FRONT]), firstCommandsCar([FRONT]), runningCar([FRONT])]) {
    const before = car.session;
    const seen = car.connect([], "s2");
    assert.deepEqual(seen.noteCodes, ["ignored bad_connect"]);
    assert.equal(car.session, before);
  }
});
