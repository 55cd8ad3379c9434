// What the server says must cost no gateway a connect sequence, whatever fails [TELL-ONCE].
import assert from "node:assert/strict";
import fc from "../support/properties.ts";
import { type Fault, FAULTS, RecoveryWorld, type WorldOptions } from "./recovery_world.ts";

const worlds: fc.Arbitrary<WorldOptions> = fc.record({
  seed: fc.nat(),
  version: fc.constantFrom("1.3", "1.4"),
  rate: fc.constantFrom(0, 0.2, 1, 10),
  delayMs: fc.integer({ min: 0, max: 500 }),
  responseMs: fc.constantFrom(5_000, 10_000, 30_000),
});

interface Strike {
  readonly fault: Fault;
  readonly afterMs: number;
  readonly lastsMs: number;
  readonly command: boolean;
}

const strikes: fc.Arbitrary<Strike[]> = fc.array(
  fc.record({
    fault: fc.constantFrom(...FAULTS),
    afterMs: fc.oneof(fc.nat(3_000), fc.nat(60_000)),
    lastsMs: fc.oneof(fc.nat(2_000), fc.nat(40_000)),
    command: fc.boolean(),
  }),
  { minLength: 1, maxLength: 8 },
);

/** Longest way back after any faults: an answer is awaited for 30 s, and two attempts fail. */
const BACK_MS = 60_000;

Deno.test("no connect sequence fails because of what the server says, whatever fails when", () => {
  let sessions = 0;
  let failed = 0;
  fc.assert(
    fc.property(worlds, strikes, (options, list) => {
      const world = new RecoveryWorld(options);
      assert.notEqual(world.settle(BACK_MS), null, `${world}`);
      let longest = 0;
      for (const { fault, afterMs, lastsMs, command } of list) {
        world.timeline.run(afterMs);
        if (command) world.command();
        world.strike(fault, lastsMs);
        longest = Math.max(longest - afterMs, lastsMs);
      }
      world.timeline.run(longest);
      assert.notEqual(world.settle(BACK_MS), null, `not running again: ${world}`);
      assert.deepEqual(world.blames, []);
      sessions += world.sessions;
      failed += world.failedSequences;
    }),
    { numRuns: 300 },
  );
  // Or nothing was tried.
  assert.ok(sessions > 600, `${sessions} sessions`);
  assert.ok(failed > 100, `${failed} failed sequences, none of them blamed on the server`);
});

/** A fault by itself, with the gateway connected all the time or until it notices. */
interface Single {
  readonly fault: Fault;
  readonly longestMs: number;
  /** Beside what the messages take on their ways. */
  readonly backMs: (options: WorldOptions, lastsMs: number) => number;
}

/** A quiet gateway looks every 3 s whether it was told to reconnect, a busy one after a status. */
const lookMs = ({ rate }: WorldOptions) => rate >= 1 ? 1_000 / rate : 3_000;
/** From the broker's connection to normal communication, with the modules' calls. */
const SEQUENCE_MS = 500;
/** Messages one after the other: server and gateway connect and subscribe, a word, the sequence. */
const HOPS = 22;

const singles: readonly Single[] = [
  {
    fault: "server_restart",
    // More, and the gateway's window is full of statuses without an answer, or they are overdue.
    longestMs: 9_000,
    backMs: (options) => lookMs(options),
  },
  { fault: "module_lost", longestMs: 4_000, backMs: (options, ms) => ms + lookMs(options) },
  { fault: "operator_restart", longestMs: 0, backMs: (options) => lookMs(options) },
];

Deno.test("one fault costs no connect sequence, and the gateway is back when it has looked", () => {
  const faults = fc.constantFrom(...singles);
  const moments = fc.record({ afterMs: fc.nat(60_000), share: fc.double({ min: 0, max: 1 }) });
  fc.assert(
    fc.property(worlds, faults, moments, (options, single, { afterMs, share }) => {
      const { fault, longestMs, backMs } = single;
      const world = new RecoveryWorld(options);
      assert.notEqual(world.settle(BACK_MS), null, `${world}`);
      world.timeline.run(afterMs);
      const { failedSequences } = world;
      const lastsMs = Math.round((Number.isNaN(share) ? 0 : share) * longestMs);
      world.strike(fault, lastsMs);
      if (fault === "server_restart") world.timeline.run(lastsMs);
      const tookMs = world.settle(BACK_MS);
      const limitMs = backMs(options, lastsMs) + SEQUENCE_MS + HOPS * options.delayMs;
      assert.ok(tookMs !== null && tookMs <= limitMs, `${tookMs} ms, at most ${limitMs}: ${world}`);
      assert.equal(world.failedSequences, failedSequences);
    }),
    { numRuns: 300 },
  );
});

Deno.test("a car that was paused is back when its gateway has tried again", () => {
  fc.assert(
    fc.property(worlds, fc.nat(60_000), fc.nat(40_000), (options, afterMs, lastsMs) => {
      const world = new RecoveryWorld(options);
      assert.notEqual(world.settle(BACK_MS), null, `${world}`);
      world.timeline.run(afterMs);
      world.strike("pause", lastsMs);
      world.timeline.run(lastsMs);
      const tookMs = world.settle(BACK_MS);
      // One attempt is under way in vain, and the pause after it; 1.3 has not heard that it was
      // sent away, and may wait for answers of its session.
      const limitMs = (options.version === "1.3" ? 35_000 : 15_000) + SEQUENCE_MS +
        HOPS * options.delayMs;
      assert.ok(tookMs !== null && tookMs <= limitMs, `${tookMs} ms, at most ${limitMs}: ${world}`);
      assert.deepEqual(world.blames, []);
    }),
    { numRuns: 200 },
  );
});
