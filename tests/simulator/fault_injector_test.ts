// What a misbehaving gateway puts on the wire, against a server that copes.
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { DriverFixture } from "./driver_fixture.ts";

const RATE = { rate: 0, window: 5 };

function counters(test: DriverFixture): number[] {
  return test.statuses.map((status) => status.messageCounter);
}

/** Statuses handed out one by one, so that the plan alone decides what is sent. */
function sendMany(test: DriverFixture, count: number): void {
  for (let i = 0; i < count; i++) {
    test.driver.send(test.device(0), new Uint8Array(1), {});
    test.talk();
  }
}

Deno.test("FaultInjector swaps a status with the next one, and loses none", () => {
  const test = new DriverFixture({ misbehavior: { reorder: 0.5 } }).start();
  sendMany(test, 100);
  test.pass(1_000);
  const sent = counters(test);
  assert.ok(test.stats.reordered > 20);
  assert.deepEqual(sent.toSorted((a, b) => a - b), Array.from({ length: 102 }, (_, i) => i + 1));
  assert.notDeepEqual(sent, sent.toSorted((a, b) => a - b));
  assert.ok(sent.every((counter, at) => Math.abs(counter - (at + 1)) <= 1), "by one place only");
  assert.equal(test.stats.answered, 100);
});

Deno.test("FaultInjector sends a status twice, and the second answer never comes", () => {
  const test = new DriverFixture({ misbehavior: { duplicate: 1 } }).start();
  sendMany(test, 10);
  assert.deepEqual(counters(test).slice(2, 8), [3, 3, 4, 4, 5, 5]);
  assert.equal(test.stats.duplicated, 10);
  assert.equal(test.stats.answered, 10);
  assert.equal(test.stats.violations, 0);
});

Deno.test("FaultInjector drops a status: its counter is missing, and nothing after it can be answered", () => {
  const test = new DriverFixture({ misbehavior: { drop: 0.3 }, seed: 3 }).start();
  sendMany(test, 20);
  assert.ok(test.stats.dropped > 0);
  assert.equal(test.driver.phase, "connected");
  test.pass(30_000);
  assert.equal(test.last("ended")?.reason, "status_unanswered");
  const { sent, answered, dropped, abandoned, unanswered } = test.stats;
  assert.equal(unanswered, 0, "none of it is the server's fault");
  assert.equal(answered + dropped + abandoned, sent);
});

Deno.test("FaultInjector leaves the connect sequence alone", () => {
  const test = new DriverFixture({ misbehavior: { drop: 1 } }).start();
  assert.equal(test.driver.phase, "connected");
});

Deno.test("FaultInjector never lets a held status block the window", () => {
  const test = new DriverFixture({ rate: 5, window: 1, misbehavior: { reorder: 1 } }).start();
  test.pass(10_000);
  assert.ok(test.stats.answered >= 48, `${test.stats.answered} answered`);
});

Deno.test("FaultInjector does the same for the same seed, whatever commands come in between", () => {
  fc.assert(
    fc.property(fc.nat({ max: 1_000 }), fc.array(fc.boolean(), { maxLength: 40 }), (seed, mix) => {
      const misbehavior = { drop: 0.02, reorder: 0.2, duplicate: 0.2 };
      const run = (withCommands: boolean) => {
        const test = new DriverFixture({ seed, misbehavior }).start();
        for (const isCommand of mix) {
          if (isCommand && withCommands) test.server.command(test.device(0), "x");
          test.talk();
          sendMany(test, 1);
        }
        return counters(test);
      };
      assert.deepEqual(run(true), run(false));
    }),
    { numRuns: 50 },
  );
});

Deno.test("GatewayDriver accounts for every status, whatever goes wrong", () => {
  const share = fc.double({ min: 0, max: 0.3, noNaN: true });
  fc.assert(
    fc.property(
      fc.nat(),
      fc.record({ drop: share, reorder: share, duplicate: share }),
      (seed, misbehavior) => {
        const options = { seed, misbehavior, reconnectEveryMs: 20_000, rate: 3, window: 5 };
        const test = new DriverFixture(options).start();
        for (let i = 0; i < 5; i++) {
          test.pass(15_000);
          if (test.driver.phase === "link") test.link();
          test.talk();
        }
        test.driver.drain();
        test.talk();
        test.driver.stop();
        const { sent, answered, dropped, abandoned, unanswered, violations } = test.stats;
        assert.equal(answered + dropped + abandoned + unanswered, sent);
        assert.equal(test.stats.latency.count, answered);
        assert.equal(unanswered, 0);
        assert.equal(violations, 0);
        assert.equal(test.clock.timers, 0);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("FaultInjector holds nothing back when the gateway drains", () => {
  const test = new DriverFixture({ ...RATE, misbehavior: { reorder: 1 } });
  test.server.answering = false;
  test.start();
  test.server.answering = true;
  test.driver.drain();
  test.talk();
  assert.equal(test.driver.inFlight, test.stats.sent - test.stats.answered);
  assert.deepEqual(counters(test).toSorted((a, b) => a - b).at(-1), test.stats.sent + 2);
});
