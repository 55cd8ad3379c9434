// What the machine must have: limits, clock, room for logs.
import assert from "node:assert/strict";
import { checkClock, judgeClock } from "../../src/doctor/clock.ts";
import { Findings } from "../../src/doctor/findings.ts";
import { checkLimits, judgeLimits, needsOf, shareFiles } from "../../src/doctor/limits.ts";
import { checkLogs, judgeSpace } from "../../src/doctor/logs.ts";
import { checkState } from "../../src/doctor/state.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { TempFolder } from "../support/temp.ts";
import { carOf, configOf, linesOf, withStatus } from "./support.ts";

const MIB = 1024 * 1024;
const HTTP = { address: "127.0.0.1", port: 0 };

Deno.test("needsOf() counts hosts as the server fills them", () => {
  const carWith = (count: number) => ({
    name: "car",
    modules: Array.from({ length: count }, () => carOf("x").modules).flat(),
  });
  const hosts = (...counts: number[]) => needsOf({ cars: counts.map(carWith) }).hosts;
  assert.equal(hosts(1), 1);
  assert.equal(hosts(...Array<number>(15).fill(1)), 1);
  assert.equal(hosts(...Array<number>(16).fill(1)), 2);
  assert.equal(hosts(8, 8), 2);
  assert.equal(hosts(16), 2);
  const { files, cars } = needsOf({ cars: Array.from({ length: 500 }, () => carWith(1)) });
  assert.equal(cars, 500);
  assert.ok(files > 500 && files < 1024, `${files}`);
});

Deno.test("judgeLimits() fails for files, warns for the rest and when it is close", () => {
  const needs = { cars: 1, hosts: 1, files: 90, threads: 90, bytes: 90 * MIB };
  const judge = (most: number | undefined) => {
    const times = (factor: number) => most === undefined ? undefined : most * factor;
    const machine = { files: most, threads: most, bytes: times(MIB), addresses: times(70e9 / 90) };
    return judgeLimits(needs, machine).list.map(({ status }) => status);
  };
  assert.deepEqual(judge(89), ["failed", "warning", "warning", "warning"]);
  assert.deepEqual(judge(100), ["warning", "warning", "warning", "warning"]);
  assert.deepEqual(judge(113), ["ok", "ok", "ok", "ok"]);
  assert.deepEqual(judge(Infinity), ["ok", "ok", "ok", "ok"]);
  assert.deepEqual(judge(undefined), ["skipped", "skipped", "skipped", "skipped"]);
});

Deno.test("checkLimits() reads this machine's limits", async () => {
  const { list } = await checkLimits(configOf(localBroker(1)));
  const subjects = ["open files", "threads", "memory", "address space"];
  assert.deepEqual(list.map(({ subject }) => subject), subjects);
  // Where there is a limit, this test would hardly run.
  assert.match(
    list[3]?.message ?? "",
    /^about 70 GB needed by each process, (\d+ GB there|no limit)$/,
  );
  assert.match(list[0]?.message ?? "", /^about 70 needed for 1 cars .*, (\d+ available|no limit)$/);
});

Deno.test("needsOf() counts what HTTP and an embedded broker take", () => {
  const cars = [carOf("x")];
  const plain = needsOf({ cars }).files;
  assert.equal(needsOf({ cars, http: HTTP }).files, plain + 48);
  assert.equal(needsOf({ cars }, true).files, plain + 2 + 16);
});

Deno.test("shareFiles() gives connections what cars and hosts leave, and says when it is too little", async () => {
  const config = { ...configOf(localBroker(1)), http: HTTP };
  const share = (limit: number | undefined, embedded = false) =>
    shareFiles(config, embedded, () => Promise.resolve(limit));
  const { files } = needsOf(config);
  assert.deepEqual(await share(10 * files), {
    warning: undefined,
    http: 16 + 9 * files / 3,
    broker: 18 + 9 * files,
  });
  const { http, broker, warning } = await share(200, true);
  assert.equal(warning, undefined);
  assert.ok(3 * (http ?? 0) + (broker ?? 0) <= 200 - files + 48);
  const low = await share(files - 1);
  assert.deepEqual([low.http, low.broker], [16, 18]);
  assert.match(
    low.warning ?? "",
    /^Open files: about 118 needed for 1 cars and 1 module hosts, 117 available\. Raise the limit: /,
  );
  assert.match((await share(files)).warning ?? "", /118 available/);
  assert.deepEqual(await share(undefined), {
    warning: undefined,
    http: undefined,
    broker: undefined,
  });
  assert.equal((await share(Infinity)).http, Infinity);
});

Deno.test("judgeClock() warns of clocks that were not set or are not kept", async () => {
  const statuses = (date: string, kept: boolean | undefined) =>
    judgeClock(new Date(date), kept).list.map(({ status }) => status);
  assert.deepEqual(statuses("1970-01-01", true), ["warning", "ok"]);
  assert.deepEqual(statuses("2025-01-01", false), ["ok", "warning"]);
  assert.deepEqual(statuses("2025-01-01", undefined), ["ok", "skipped"]);
  assert.deepEqual(withStatus((await checkClock()).list, "failed"), []);
});

Deno.test("checkLogs() tries to write, and leaves nothing behind", async () => {
  await using folder = await TempFolder.make();
  const config = configOf(localBroker(1));
  const check = async (directory: string, use = true) => {
    const file = { ...config.logging.file, use, directory };
    const logging = { ...config.logging, file };
    return linesOf((await checkLogs({ ...config, logging })).list);
  };
  assert.match((await check(folder.path))[0] ?? "", /^ok .*: Can be written$/);
  assert.match(
    (await check(folder.file("a/b")))[0] ?? "",
    /^ok .*: Does not exist yet, can be created/,
  );
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  const file = await folder.write("file", "");
  assert.match(
    (await check(`${file}/logs`))[0] ?? "",
    /^failed .*: Cannot write log files: part of its path is a file$/,
  );
  assert.match(
    (await check("/proc/none"))[0] ?? "",
    /^failed .*: Cannot write log files: /,
  );
  assert.match((await check(folder.path, false))[0] ?? "", /^skipped/);
});

Deno.test("checkState() tries to write, reads what is kept, and leaves nothing behind", async () => {
  await using folder = await TempFolder.make();
  const config = configOf(localBroker(1));
  const check = async (stateDir?: string) =>
    linesOf((await checkState({ ...config, ...(stateDir && { stateDir }) })).list).join("\n");
  assert.match(await check(), /^skipped .*: Nothing survives a restart/);
  assert.match(await check(folder.path), /^ok .*: Can be written$/);
  assert.match(await check(folder.file("a/b")), /^ok .*: Does not exist yet, can be created/);
  assert.deepEqual([...Deno.readDirSync(folder.path)], []);
  assert.match(await check("/proc/none"), /^failed .*: Cannot keep state: /);
  await folder.write("history.json", '{"format": 1, "cars": ');
  assert.match(await check(folder.path), /warning .*: Cannot read ".*history\.json": not JSON/);
  await folder.write("pauses.json", "{}");
  assert.match(await check(folder.path), /failed .*: Cannot read ".*pauses\.json": format: /);
});

Deno.test("checkState() reads each document as the server does, and sees what others left behind", async () => {
  await using folder = await TempFolder.make();
  const config = configOf(localBroker(1));
  const check = async () => {
    const { list } = await checkState({ ...config, stateDir: folder.path });
    return list.filter(({ status }) => status !== "ok")
      .map(({ subject, status, message }) => `${status} ${subject.split("/").at(-1)}: ${message}`);
  };
  await folder.write("pauses.json", '{"format": 1, "pauses": {}}');
  await folder.write("lock", "");
  await folder.write("pauses.json.new", "left by a crash");
  assert.deepEqual(await check(), []);
  await folder.write("actions.json", '{"format": 1, "actions": [{"id": 1}]}');
  await folder.write("log_ins.json", '{"format": 2}');
  await folder.write("history.json.set-aside", "");
  await Deno.mkdir(folder.file("actions.json.new"));
  const path = (name: string) => JSON.stringify(folder.file(name));
  assert.deepEqual((await check()).map((line) => line.replace(/actions\.0.*/, "actions.0")), [
    `warning log_ins.json: Cannot read ${path("log_ins.json")}: ` +
    "another version of the server wrote it, in format 2",
    `warning actions.json: Cannot read ${path("actions.json")}: actions.0`,
    "warning history.json.set-aside: Could not be used at an earlier start",
    "failed actions.json.new: Cannot be written: it is no regular file",
  ]);
});

Deno.test("judgeSpace() compares what is free with what logs may take", () => {
  const judge = (free: number, wanted: number) => {
    const findings = new Findings("logs");
    judgeSpace("/logs", free, wanted, findings);
    return findings.list[0]?.status;
  };
  assert.equal(judge(60 * MIB, 60 * MIB), "ok");
  assert.equal(judge(59 * MIB, 60 * MIB), "warning");
  assert.equal(judge(1024 * MIB, 0), "ok");
  assert.equal(judge(1023 * MIB, 0), "warning");
});
