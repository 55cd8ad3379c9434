// What a defect in one part of a car, ours or not, does to the rest of it: as little as can be.
import assert from "node:assert/strict";
import { DeviceState } from "../../src/protocol/messages.ts";
import { MemoryTransport } from "../support/memory_transport.ts";
import { settled } from "../support/virtual_clock.ts";
import { CarFixture } from "./car_fixture.ts";
import { bytes, FRONT, LAMP } from "./support.ts";

Deno.test("Car goes on when a subscriber throws: everything is done all the same", async () => {
  const test = await new CarFixture({
    subscribers: [{
      onTurn: () => {
        throw new Error("blind");
      },
    }],
  }).up().run([FRONT]);
  test.status(FRONT);
  await settled();
  assert.deepEqual(test.answers, [1]);
  const [text, ...more] = test.log.texts("CRITICAL");
  assert.match(text ?? "", /^Defect in a subscriber: Error: blind/);
  assert.deepEqual(more, []);
});

Deno.test("Car answers a status whose module call could not even be made", async () => {
  const test = await new CarFixture().up().run([FRONT, LAMP]);
  const context = test.context(7);
  context.onCall = () => {
    throw new Error("torn");
  };
  test.status(FRONT);
  test.status(LAMP);
  await settled();
  assert.deepEqual(test.answers, [2, 3]);
  context.onCall = () => {};
  test.status(FRONT);
  await settled();
  assert.deepEqual(test.answers, [2, 3, 4]);
  assert.match(test.log.texts("CRITICAL")[0] ?? "", /^Defect in forward: Error: torn/);
});

Deno.test("Car refuses a device whose module cannot even be asked, and serves the others", async () => {
  const test = new CarFixture().up();
  test.context(7).onCall = () => {
    throw new Error("torn");
  };
  test.connect([FRONT, LAMP]);
  await settled();
  assert.deepEqual(test.published, [{ kind: "connect_response", sessionId: "s1", type: 0 }]);
  assert.deepEqual(test.car.snapshot().devices, ["8/1/lamp"]);
});

Deno.test("Car carries out the rest when one publish throws", async () => {
  const transport = new MemoryTransport();
  const test = await new CarFixture({ transport }).up().run([FRONT]);
  let torn = true;
  transport.onPublish = () => {
    if (torn) throw new Error("torn");
  };
  test.status(FRONT, { state: DeviceState.DISCONNECT });
  await settled();
  torn = false;
  // The answer was lost; that the device has left, and that this ends the session, was not.
  assert.equal(test.context(7).calls.at(-1), "disconnect 0 7/1/front");
  assert.equal(test.car.state, "CONNECTED");
  await test.run([FRONT], "s2");
});

Deno.test("Car throws nothing at its transport when that cannot be paused or resumed", async () => {
  class Stubborn extends MemoryTransport {
    override pause(): void {
      throw new Error("no pause");
    }
    override resume(): void {
      throw new Error("no resume");
    }
  }
  const test = await new CarFixture({
    transport: new Stubborn(),
    settings: { maxWaitingStatuses: 1 },
  }).up().run([FRONT]);
  const context = test.context(7);
  context.automatic = false;
  for (let i = 0; i < 70; i++) test.status(FRONT);
  for (let i = 0; i < 70; i++) context.finish();
  assert.equal(test.answers.length, 70);
  assert.equal(test.log.texts("CRITICAL").length, 1);
  assert.equal(test.clock.timers, 1);
});

Deno.test("Car.stop() resolves when the transport does not stop cleanly", async () => {
  class Clinging extends MemoryTransport {
    override stop(): Promise<void> {
      return Promise.reject(new Error("clings"));
    }
  }
  const test = new CarFixture({ transport: new Clinging() }).up();
  await test.car.stop();
  assert.match(test.log.texts("CRITICAL")[0] ?? "", /stopping the transport: Error: clings/);
});

Deno.test("Car tries a deadline that a defect keeps from being dealt with once a second, not in a busy loop", async () => {
  const test = await new CarFixture().up().run([FRONT]);
  let looks = 0;
  let broken = false;
  const device = {
    ...FRONT,
    get deviceRole() {
      if (!broken) return FRONT.deviceRole;
      looks++;
      throw new Error("torn");
    },
  };
  test.context(7).listener.onCommand({ device, data: bytes("go") });
  broken = true;
  await test.clock.advance(10_000);
  assert.equal(looks, 1);
  assert.equal(test.clock.timers, 1);
  await test.clock.advance(5_000);
  assert.equal(looks, 6);
  assert.equal(test.log.texts("CRITICAL").length, 1);
  broken = false;
  await test.clock.advance(1_000);
  assert.equal(test.car.state, "CONNECTED");
  assert.equal(test.clock.timers, 0);
});

Deno.test("Car takes inputs that its own effects cause after them, not between them", async () => {
  const transport = new MemoryTransport();
  const done: string[] = [];
  const test = new CarFixture({
    transport,
    subscribers: [{
      onTurn: ({ effects }) =>
        void done.push(...effects.map(({ type }) => type).filter((type) => type !== "note")),
    }],
  }).up();
  test.connect([FRONT, LAMP]);
  await settled();
  test.status(FRONT, { state: DeviceState.CONNECTING });
  // The gateway answers its first command from within the publish, before the second one has left.
  transport.onPublish = () => {
    if (test.published.at(-1)?.kind !== "command") return;
    transport.onPublish = () => {};
    test.respond(0, 1);
  };
  done.length = 0;
  test.status(LAMP, { state: DeviceState.CONNECTING });
  assert.deepEqual(done, [
    "publish",
    "forward",
    "forward",
    "publish",
    "publish",
    "disconnect_device",
  ]);
});
