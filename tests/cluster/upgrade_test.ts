// Which versions may share a cluster, and what a mixed one does with a car.
import assert from "node:assert/strict";
import { runDrain } from "../../src/cli/drain.ts";
import { runUpgradeCheck } from "../../src/cli/upgrade_check.ts";
import {
  encodeCheckpoint,
  noTakeovers,
  readCheckpoint,
  type RunningCluster,
  upgradeVerdicts,
} from "../../src/cluster/mod.ts";
import { CHECKPOINT_FORMAT } from "../../src/cluster/checkpoint.ts";
import { createSession } from "../../src/session/mod.ts";
import { systemClock } from "../../src/time/mod.ts";
import { Peers } from "../../src/http/mod.ts";
import { VERSION } from "../../src/version.ts";
import { Fixture, KEY } from "../http/fixture.ts";
import { TempFolder } from "../support/temp.ts";

function member(id: string, checkpointFormat: number) {
  return { id, version: `1.${checkpointFormat}.0`, checkpointFormat };
}

Deno.test("a version joins those whose checkpoints it reads, one format back", () => {
  const members = [member("old", 1), member("same", 2), member("new", 3), member("ancient", 0)];
  const verdicts = upgradeVerdicts(members, { written: 2, readable: [1, 2] });
  assert.deepEqual(verdicts.map(({ id, moves }) => [id, moves]), [
    ["old", "forward"],
    ["same", "exact"],
    ["new", "refused"],
    ["ancient", "refused"],
  ]);
});

Deno.test("a new format takes over from the one before, and an old one tells the gateway", () => {
  const checkpoint = {
    epoch: 3,
    paused: true,
    session: createSession(),
    covered: [1],
    pending: [],
  };
  const old = encodeCheckpoint(checkpoint, 0);
  const body = () => ({ covered: [], pending: [], session: createSession() });
  const next = { [CHECKPOINT_FORMAT]: body, [CHECKPOINT_FORMAT + 1]: body };
  const read = readCheckpoint(old, 0, next);
  assert.ok(!("reason" in read) && read.epoch === 3);
  const text = new TextDecoder().decode(old);
  const written = text.replace(`[${CHECKPOINT_FORMAT},`, `[${CHECKPOINT_FORMAT + 1},`);
  const refused = readCheckpoint(new TextEncoder().encode(written), 0);
  assert.ok("reason" in refused);
  // What every version reads: who wrote it, and that the car is paused.
  assert.deepEqual([refused.reason, refused.epoch, refused.paused], ["newer_format", 3, true]);
});

/** The output of `upgrade-check` for a cluster of one instance. */
async function check(format: number, key = KEY) {
  const cluster: Pick<RunningCluster, "snapshot" | "drain" | "move"> = {
    snapshot: () => {
      const rest = { capacity: 1, labels: {}, url: null, draining: false };
      const self = { ...member("a", format), ...rest };
      return {
        self,
        joined: true,
        trouble: null,
        draining: false,
        members: [self],
        cars: [],
        owned: 0,
        takeovers: noTakeovers(),
      };
    },
    drain: () => Promise.resolve(),
    move: () => Promise.resolve(),
  };
  const peers = new Peers(undefined, systemClock);
  await using fixture = await Fixture.start({ cluster: { cluster, peers } });
  await using folder = await TempFolder.make();
  const apiKeyFile = await folder.write("key", `${key}\n`);
  const lines: string[] = [];
  const output = {
    out: (line: string) => void lines.push(line),
    err: (line: string) => void lines.push(line),
  };
  const status = await runUpgradeCheck({ url: fixture.operators.url, apiKeyFile }, output);
  return { status, lines };
}

Deno.test("drain waits until other instances have all its cars, or says how many nobody took", async () => {
  let owned = 2;
  const self = {
    ...member("a", CHECKPOINT_FORMAT),
    capacity: 1,
    labels: {},
    url: null,
    draining: false,
  };
  const car = (name: string) => ({
    car: name,
    owner: "a",
    epoch: 1,
    to: null,
    pinnedTo: null,
    here: null,
  });
  const drained: boolean[] = [];
  const cluster: Pick<RunningCluster, "snapshot" | "drain" | "move"> = {
    snapshot: () => {
      // Another instance takes one each time that somebody looks.
      if (drained.length > 0) owned--;
      return {
        self,
        joined: true,
        trouble: null,
        draining: false,
        members: [self],
        cars: Array.from({ length: Math.max(0, owned) }, (_, index) => car(`car_${index}`)),
        owned,
        takeovers: noTakeovers(),
      };
    },
    drain: (draining) => {
      drained.push(draining);
      return Promise.resolve();
    },
    move: () => Promise.resolve(),
  };
  await using fixture = await Fixture.start({
    cluster: { cluster, peers: new Peers(undefined, systemClock) },
  });
  await using folder = await TempFolder.make();
  const apiKeyFile = await folder.write("key", `${KEY}\n`);
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const drain = (seconds: number) =>
    runDrain({ url: fixture.operators.url, apiKeyFile, seconds }, { out: say, err: say });
  assert.equal(await drain(3600), 0);
  owned = 1_000;
  assert.equal(await drain(0), 1);
  assert.deepEqual(drained, [true, true]);
  assert.equal(lines[0], "Drained: other instances have all its cars");
  assert.match(lines[1] ?? "", /^Not drained: 99\d cars were not taken within 0 s$/);
});

Deno.test("upgrade-check says whether this version may join", async () => {
  const same = await check(CHECKPOINT_FORMAT);
  assert.deepEqual(same, {
    status: 0,
    lines: [
      '"a", version 1.1.0: cars change hands in both directions, and no gateway notices',
      `May join: version ${VERSION}, format ${CHECKPOINT_FORMAT} of checkpoints`,
    ],
  });
  const newer = await check(CHECKPOINT_FORMAT + 1);
  assert.equal(newer.status, 1);
  assert.match(newer.lines[0] ?? "", /cannot read its checkpoints/);
  const refused = await check(CHECKPOINT_FORMAT, "another key of the API");
  assert.equal(refused.status, 1);
  assert.match(refused.lines[0] ?? "", /the API key is refused/);
  const missing = { url: "http://127.0.0.1:1", apiKeyFile: "/nowhere" };
  const said: string[] = [];
  const say = (line: string) => void said.push(line);
  assert.equal(await runUpgradeCheck(missing, { out: say, err: say }), 1);
  assert.match(said[0] ?? "", /^Cannot read "\/nowhere"/);
});
