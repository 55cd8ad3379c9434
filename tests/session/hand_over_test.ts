// Sessions that another process goes on with: devices are connected again, nothing is lost.
import assert from "node:assert/strict";
import { deviceKey } from "../../src/protocol/device.ts";
import { CommandResponseType, NO_BYTES } from "../../src/protocol/messages.ts";
import { connectedDevices, decode, encode } from "../../src/session/mod.ts";
import { values } from "../../src/session/queue.ts";
import {
  bytes,
  connectingCar,
  firstCommandsCar,
  firstStatusesCar,
  FRONT,
  LAMP,
  runningCar,
  TestCar,
} from "../car/support.ts";

Deno.test("take_over connects devices again before statuses that were not answered, in order", () => {
  const car = runningCar([FRONT, LAMP]);
  car.automatic = false;
  car.status(FRONT, { data: "a" });
  car.status(LAMP, { data: "b" });
  car.status(FRONT, { data: "c" });
  const taken = runningCar([FRONT, LAMP]);
  taken.automatic = false;
  taken.open.length = 0;
  taken.session = decode(encode(car.session, car.now), taken.now);
  const seen = taken.input({ type: "take_over", missed: [statusOf(car.counter, "d")] });
  assert.deepEqual(seen.lines, ["connect 7/1/front", "connect 8/1/lamp"]);
  assert.deepEqual(taken.modulesReturn(1).lines, []);
  // The second device is there: everything goes on.
  const rest = taken.modulesReturn(1);
  assert.deepEqual(rest.lines, [
    "forward 2 7/1/front a",
    "forward 3 8/1/lamp b",
    "forward 4 7/1/front c",
    "forward 5 7/1/front d",
  ]);
  function statusOf(messageCounter: number, data: string) {
    const { sessionId } = car;
    const common = { kind: "status", sessionId, deviceState: 1, messageCounter } as const;
    return { ...common, device: FRONT, statusData: bytes(data), errorMessage: NO_BYTES };
  }
});

Deno.test("take_over goes on without a device that its module refuses now, and ends without any", () => {
  for (const refused of [1, 2]) {
    const car = runningCar([FRONT, LAMP]);
    car.automatic = false;
    car.session = decode(encode(car.session, car.now), car.now);
    let left = refused;
    car.outcome = () => left-- > 0 ? "not_ok" : "ok";
    car.input({ type: "take_over", missed: [] });
    const seen = car.modulesReturn(2);
    assert.equal(car.session.kind, refused === 1 ? "running" : "waiting");
    assert.equal(seen.failures.length, refused - 1);
    if (car.session.kind === "running") {
      assert.deepEqual(car.session.devices.map(deviceKey), ["8/1/lamp"]);
    }
  }
});

Deno.test("take_over goes on with a connect sequence without devices that are refused now", () => {
  for (const make of [firstStatusesCar, firstCommandsCar]) {
    const car = make([FRONT, LAMP]);
    car.automatic = false;
    car.outcome = () => "not_ok";
    car.input({ type: "take_over", missed: [] });
    assert.deepEqual(car.modulesReturn(1).lines, []);
    assert.deepEqual(connectedDevices(car.session), ["8/1/lamp"]);
    assert.deepEqual(car.modulesReturn(1).linesOf("disconnect", "ended"), [
      "ended connect_incomplete",
    ]);
  }
});

Deno.test("take_over takes no result of a call that the other process made", () => {
  for (const kind of ["connecting", "running"] as const) {
    const car = kind === "running" ? runningCar([FRONT, LAMP]) : connectingCar([FRONT, LAMP]);
    car.automatic = false;
    if (kind === "running") car.status(FRONT);
    const old = car.open.splice(0);
    assert.ok(old.length > 0);
    car.input({ type: "take_over", missed: [] });
    const takeOld = () => {
      for (const result of old) assert.deepEqual(car.input(result).effects, [], kind);
    };
    takeOld();
    const later = car.modulesReturn(2).linesOf("ConnectResponse", "forward");
    assert.deepEqual(later, kind === "running" ? ["forward 2 7/1/front"] : ["ConnectResponse OK"]);
    // Nor for a call that was made again here.
    takeOld();
  }
});

Deno.test("take_over has all modules at hand, whatever the other process had", () => {
  const car = new TestCar();
  car.brokerUp();
  assert.deepEqual(car.input({ type: "take_over", missed: [] }).effects, []);
  assert.deepEqual(car.connect([FRONT]).linesOf("ConnectResponse"), ["ConnectResponse OK"]);
});

Deno.test("take_over holds the commands of modules that were held", () => {
  const car = runningCar([FRONT, LAMP], { maxUnansweredCommands: 1, maxWaitingCommands: 2 });
  for (const text of ["sent", "a", "b"]) car.command(FRONT, text);
  assert.deepEqual(car.input({ type: "take_over", missed: [] }).linesOf("hold"), ["hold 7"]);
});

Deno.test("take_over waits for no device that has left meanwhile, and disconnects it once", () => {
  const car = runningCar([FRONT, LAMP]);
  car.automatic = false;
  car.command(FRONT, "go");
  car.input({ type: "take_over", missed: [] });
  assert.deepEqual(car.status(LAMP, { data: "x" }).lines, []);
  assert.deepEqual(car.respond(2, CommandResponseType.DEVICE_NOT_CONNECTED).lines, [
    "disconnect announced 7/1/front",
  ]);
  assert.deepEqual(car.moduleReturns(1).lines, ["forward 2 8/1/lamp x"]);
  assert.deepEqual(car.input({ type: "restart" }).linesOf("disconnect"), [
    "disconnect timeout 8/1/lamp",
  ]);
});

Deno.test("take_over keeps commands that came here before, and has none twice", () => {
  const car = runningCar([FRONT], { maxUnansweredCommands: 1 });
  for (const data of ["a", "b", "c"]) {
    car.input({ type: "command", module: 7, command: { device: FRONT, data: bytes(data) } });
  }
  const session = decode(encode(car.session, car.now), car.now);
  // The connection was lost and is back: what is known of the session is from before the last command.
  car.input({ type: "command", module: 7, command: { device: FRONT, data: bytes("d") } });
  car.input({ type: "broker_lost", detail: "test" });
  car.input({ type: "take_over", session, missed: [] });
  const { ready, parked } = car.session.base.commands;
  const waiting = [...values(ready), ...parked].map(({ command }) => text(command.data));
  assert.deepEqual(waiting, ["b", "c", "d"]);
});

Deno.test("take_over tells equal commands of one moment apart by their ids", () => {
  const car = runningCar([FRONT], { maxUnansweredCommands: 1 });
  const give = (id: string) => {
    const command = { device: FRONT, data: bytes("same") };
    car.input({ type: "command", module: 7, command, id });
  };
  for (const id of ["1", "2"]) give(id);
  const session = decode(encode(car.session, car.now), car.now);
  give("3");
  car.input({ type: "broker_lost", detail: "test" });
  car.input({ type: "take_over", session, missed: [] });
  const { ready, parked } = car.session.base.commands;
  assert.deepEqual([...values(ready), ...parked].map(({ id }) => id), ["2", "3"]);
});

function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}
