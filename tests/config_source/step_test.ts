// The core of remote configuration in virtual time: what is used, tried, confirmed and given back.
import assert from "node:assert/strict";
import {
  AWAY,
  CONFIRM_MS,
  type Disk,
  document,
  emptyDisk,
  has,
  Killed,
  LOCAL,
  World,
} from "./world.ts";

const ONE = document("one", { version: 1 });
const TWO = document("two", { version: 2 });
const THREE = document("three", { version: 3 });

function cached({ good, previous }: Disk): readonly (string | undefined)[] {
  return [good?.hash, previous?.hash];
}

/** A disk on which documents have been confirmed, one after the other. */
function diskWith(...infos: readonly ReturnType<typeof document>[]): Disk {
  const disk = emptyDisk();
  const world = new World({ disk }).start(AWAY);
  world.pass(CONFIRM_MS);
  for (const info of infos) {
    world.poll(has(info));
    world.pass(CONFIRM_MS);
    assert.equal(disk.good?.hash, info.hash);
  }
  world.stop();
  return disk;
}

function live({ state: { live } }: World): string {
  return `${live?.origin} ${live?.info.hash}: ${live?.why}`;
}

function errors({ log }: World): string[] {
  return log.filter((line) => line.startsWith("error"));
}

Deno.test("a start takes what the source has, else the last good one, else the local file", () => {
  assert.equal(live(new World().start(has(ONE))), "remote one: the source has it");
  assert.equal(live(new World().start(AWAY)), "local local: it answered with 500");
  const disk = diskWith(ONE, TWO);
  assert.equal(live(new World({ disk }).start(AWAY)), "cache two: it answered with 500");
  assert.equal(
    live(new World({ disk, broken: ["two"] }).start(AWAY)),
    "previous one: it answered with 500",
  );
});

Deno.test("a start without any usable document gives up with every reason", () => {
  const world = new World({ mode: "only", broken: ["one"] }).start(has(ONE));
  assert.deepEqual(world.gaveUp, ["one is broken"]);
  assert.equal(world.state.live, null);
  const local = new World({ broken: ["local"] }).start(AWAY);
  assert.deepEqual(local.gaveUp, ["it answered with 500", "local is broken"]);
});

Deno.test("a document is cached only after its probation, with the one before", () => {
  const disk = emptyDisk();
  const world = new World({ disk }).start(has(ONE));
  world.pass(CONFIRM_MS - 1000);
  assert.deepEqual(cached(disk), [undefined, undefined]);
  world.pass(1000);
  assert.deepEqual(cached(disk), ["one", undefined]);
  world.poll(has(TWO));
  assert.deepEqual(world.applied, ["two"]);
  world.pass(CONFIRM_MS);
  assert.deepEqual(cached(disk), ["two", "one"]);
  assert.equal(disk.journal?.version, 2);
});

Deno.test("the same document, or the same configuration in another envelope, touches nothing", () => {
  const world = new World({ disk: diskWith(ONE) }).start(has(ONE));
  world.pass(CONFIRM_MS);
  const { log, effects } = world;
  for (let polls = 0; polls < 3; polls++) world.poll(has(ONE));
  assert.equal(world.effects, effects);
  world.poll(has(document("again", { version: 2, body: "one" })));
  assert.deepEqual(world.applied, []);
  assert.equal(world.disk.good?.hash, "again");
  assert.equal(world.disk.journal?.version, 2);
  assert.match(log.at(-1) ?? "", /nothing changes/);
});

Deno.test("a version that does not grow is refused, and said once", () => {
  const disk = diskWith(TWO);
  const world = new World({ disk }).start(AWAY);
  world.pass(CONFIRM_MS);
  for (let polls = 0; polls < 3; polls++) world.poll(has(ONE));
  world.poll(has(document("other", { version: 2 })));
  assert.deepEqual(world.applied, []);
  assert.deepEqual(errors(world), [
    "error: Configuration version 1 (one) of the source is refused: Expected a version above 2, the last good one: found 1",
    "error: Configuration version 2 (other) of the source is refused: Expected a version above 2, the last good one: found 2",
  ]);
  world.stop();
  // Nor at a start, and it is not said again.
  const again = new World({ disk }).start(has(ONE));
  assert.match(live(again), /^cache two: Expected a version above 2/);
  assert.deepEqual(errors(again), []);
});

Deno.test("what is no document, wrongly signed or not usable is refused once, until it changes", () => {
  const world = new World({ disk: diskWith(ONE) }).start(AWAY);
  world.pass(CONFIRM_MS);
  const wrong = { kind: "refused", hash: "bad", version: 5, why: "wrong signature" } as const;
  for (let polls = 0; polls < 3; polls++) world.poll(wrong);
  assert.equal(errors(world).length, 1);
  world.broken.add("two");
  for (let polls = 0; polls < 3; polls++) world.poll(has(TWO));
  assert.deepEqual(world.applied, []);
  assert.equal(errors(world).length, 2);
  assert.match(errors(world)[1] ?? "", /version 2 \(two\) of the source is refused: two is broken/);
  assert.equal(live(world), "cache one: it answered with 500");
  world.poll(has(THREE));
  assert.deepEqual(world.applied, ["three"]);
});

Deno.test("half of the cars fail: the last good one returns, and the other stays away", () => {
  const world = new World({ disk: diskWith(ONE) }).start(AWAY);
  world.pass(CONFIRM_MS);
  world.healthy.two = 5;
  world.poll(has(TWO));
  world.pass(CONFIRM_MS - 1000);
  assert.equal(world.config, "two");
  world.pass(1000);
  assert.equal(world.config, "one");
  assert.equal(
    live(world),
    "cache one: version 2 (two) has failed: after 120 s, 5 of 10 cars were RUNNING, before 10",
  );
  for (let polls = 0; polls < 3; polls++) world.poll(has(TWO));
  assert.deepEqual(world.applied, ["two", "one"]);
  assert.equal(world.disk.good?.hash, "one");
  world.stop();
  const again = new World({ disk: world.disk }).start(has(TWO));
  assert.match(live(again), /^cache one: after 120 s, 5 of 10 cars/);
});

Deno.test("cars may come back late in their probation, but not only flap", () => {
  for (const [late, expected] of [[85_000, "two"], [95_000, "one"]] as const) {
    const world = new World({ disk: diskWith(ONE) }).start(AWAY);
    world.pass(CONFIRM_MS);
    world.healthy.two = 5;
    world.poll(has(TWO));
    world.pass(late);
    world.healthy.two = 10;
    world.pass(CONFIRM_MS - late);
    assert.equal(world.config, expected);
  }
});

Deno.test("the canary tries it first, then all cars", () => {
  const canary = document("two", { version: 2, labels: ["canary"] });
  const world = new World({ disk: diskWith(ONE) }).start(AWAY);
  world.pass(CONFIRM_MS);
  world.poll(has(canary));
  assert.deepEqual(world.applied, ["canary two"]);
  assert.equal(world.config, "one");
  world.pass(CONFIRM_MS);
  assert.deepEqual(world.applied, ["canary two", "two"]);
  assert.equal(world.disk.good?.hash, "one");
  world.pass(CONFIRM_MS);
  assert.equal(world.disk.good?.hash, "two");

  const failing = new World({ disk: diskWith(ONE) }).start(AWAY);
  failing.pass(CONFIRM_MS);
  failing.healthy.two = 0;
  failing.poll(has(canary));
  failing.pass(CONFIRM_MS);
  assert.deepEqual(failing.applied, ["canary two", "one"]);

  // No car differs: there is nothing that a canary could prove.
  const none = new World({ disk: diskWith(ONE) }).start(AWAY);
  none.pass(CONFIRM_MS);
  none.canaryCars = 0;
  none.poll(has(canary));
  assert.deepEqual(none.applied, ["canary two", "two"]);
});

Deno.test("three starts in 5 minutes that die before the end of a probation use the one before", () => {
  const disk = diskWith(ONE, TWO);
  for (let starts = 0; starts < 3; starts++) {
    assert.equal(new World({ disk, now: 2e9 + starts * 60_000 }).start(has(TWO)).config, "two");
  }
  const world = new World({ disk, now: 2e9 + 200_000 }).start(has(TWO));
  assert.equal(
    live(world),
    "previous one: 3 starts within 5 minutes died before it was confirmed: version 2 (two)",
  );
  world.pass(CONFIRM_MS);
  world.poll(has(TWO));
  assert.equal(world.config, "one");
  world.poll(has(THREE));
  assert.equal(world.config, "three");
});

Deno.test("starts that stop in order, or live long enough, are no loop", () => {
  const disk = diskWith(ONE, TWO);
  for (let starts = 0; starts < 5; starts++) new World({ disk }).start(has(TWO)).stop();
  for (let starts = 0; starts < 5; starts++) new World({ disk }).start(has(TWO)).pass(CONFIRM_MS);
  for (let starts = 0; starts < 5; starts++) {
    assert.equal(new World({ disk, now: 2e9 + starts * 151_000 }).start(has(TWO)).config, "two");
  }
});

Deno.test("without another document, what starts die of is tried again", () => {
  const disk = diskWith(ONE);
  for (let starts = 0; starts < 5; starts++) {
    assert.equal(new World({ disk, mode: "only" }).start(AWAY).config, "one");
  }
});

Deno.test("a wrong clock changes no choice, and lets a loop of starts be seen", () => {
  const disk = diskWith(ONE, TWO);
  for (const now of [0, 1000, 2000]) {
    assert.equal(new World({ disk, now }).start(has(TWO)).config, "two");
  }
  assert.equal(new World({ disk, now: 0 }).start(has(TWO)).config, "one");
  const later = new World({ disk: diskWith(ONE), now: 9e12 }).start(has(TWO));
  later.pass(CONFIRM_MS);
  assert.equal(later.disk.good?.hash, "two");
});

Deno.test("a full disk costs the cache, which is written when there is room again", () => {
  const disk = diskWith(ONE);
  const world = new World({ disk }).start(AWAY);
  world.pass(CONFIRM_MS);
  disk.isFull = true;
  world.poll(has(TWO));
  world.pass(CONFIRM_MS);
  assert.equal(world.config, "two");
  assert.equal(disk.good?.hash, "one");
  world.poll(has(TWO));
  disk.isFull = false;
  world.poll(has(TWO));
  assert.deepEqual(cached(disk), ["two", "one"]);
  assert.equal(disk.journal?.version, 2);
  const { effects } = world;
  world.poll(has(TWO));
  assert.equal(world.effects, effects);
});

Deno.test("killed before any effect, a server comes back with a document that was good or new", () => {
  let kills = 0;
  for (let dieBefore = 0;; dieBefore++) {
    const disk = diskWith(ONE);
    const world = new World({ disk, dieBefore });
    let isDead = false;
    try {
      world.start(AWAY);
      world.pass(CONFIRM_MS);
      world.poll(has(TWO));
      world.pass(CONFIRM_MS);
    } catch (error) {
      assert.ok(error instanceof Killed);
      isDead = true;
    }
    const away = new World({ disk: structuredClone(disk) }).start(AWAY);
    assert.ok(["one", "two"].includes(away.config), away.config);
    const again = new World({ disk }).start(has(TWO));
    assert.equal(again.config, "two");
    again.pass(CONFIRM_MS);
    assert.deepEqual(cached(disk), ["two", "one"]);
    if (!isDead) break;
    kills++;
  }
  assert.ok(kills > 8, `${kills} kills`);
});

Deno.test("a document that kills the server at once is left out after three deaths", () => {
  const disk = diskWith(ONE);
  const starts: string[] = [];
  for (let start = 0; start < 6; start++) {
    const world = new World({ disk }).start(has(TWO));
    starts.push(world.config);
  }
  assert.deepEqual(starts, ["two", "two", "two", "one", "one", "one"]);
});

Deno.test("a pin holds a document, and over a restart; without it the source is followed again", () => {
  const disk = diskWith(ONE, TWO);
  const world = new World({ disk }).start(has(TWO));
  world.pin("previous");
  assert.equal(live(world), "previous one: pinned by desk");
  world.poll(has(THREE));
  assert.equal(world.config, "one");
  world.stop();
  const again = new World({ disk }).start(has(THREE));
  assert.equal(live(again), "previous one: pinned by desk");
  again.pin(null);
  again.pass(CONFIRM_MS);
  again.poll(has(THREE));
  assert.equal(again.config, "three");
  again.pin("local");
  assert.equal(live(again), "local local: pinned by desk");
  assert.equal(again.state.journal.pin?.hash, LOCAL.hash);
});

Deno.test("a start with a new document counts the cars that were RUNNING at the last stop", () => {
  const disk = diskWith(ONE);
  const world = new World({ disk }).start(has(TWO));
  world.healthy.two = 4;
  world.pass(CONFIRM_MS);
  assert.equal(world.config, "one");
  assert.match(live(world), /^cache one: .*4 of 10 cars were RUNNING, before 10/);
  // A share of yesterday says nothing.
  const late = new World({ disk: diskWith(ONE), now: 1e12 }).start(has(TWO));
  late.healthy.two = 4;
  late.pass(CONFIRM_MS);
  assert.equal(late.config, "two");
});

Deno.test("another source has versions of its own", () => {
  const disk = diskWith(THREE);
  assert.ok(disk.journal);
  disk.journal = { ...disk.journal, url: "https://other.example" };
  assert.equal(new World({ disk }).start(has(ONE)).config, "one");
});

Deno.test("a return that is refused is tried again", () => {
  const world = new World({ disk: diskWith(ONE) }).start(AWAY);
  world.pass(CONFIRM_MS);
  world.healthy.two = 0;
  world.broken.add("one");
  world.poll(has(TWO));
  world.pass(CONFIRM_MS);
  assert.equal(world.config, "two");
  assert.match(errors(world).at(-1) ?? "", /Cannot return to configuration version 1 \(one\)/);
  world.broken.delete("one");
  world.poll(AWAY);
  assert.equal(world.config, "one");
});
