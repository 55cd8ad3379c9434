// Commands out of modules, and the memory they come in.
import assert from "node:assert/strict";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import {
  connect,
  DEVICE,
  forward,
  openContext,
  recorded,
  specOf,
  startHost,
  textOf,
} from "./support.ts";

/** What was allocated and not given back, once the context is destroyed. */
async function balanceOf(path: string): Promise<string> {
  return (await Deno.readTextFile(path)).trim();
}

Deno.test("A command reaches its car with device and data; its memory is given back [MODULE-MEMORY]", async () => {
  await using folder = await TempFolder.make();
  const balance = folder.file("balance");
  await using test = await startHost();
  const { context, commands } = await openContext(
    test.host,
    specOf("car_a", { echo: 1, balance }),
  );
  for (let i = 0; i < 50; i++) {
    await forward(context, `status ${i}`);
    const { device, data } = await commands.next("the command");
    assert.deepEqual(device, DEVICE);
    assert.equal(textOf(data), `status ${i}`);
  }
  await waitFor(context.destroy(), "the context to be destroyed");
  assert.equal(await balanceOf(balance), "0");
});

Deno.test("10,000 commands at once arrive in order while calls go on [MODULE-CALLS]", async () => {
  await using folder = await TempFolder.make();
  const balance = folder.file("balance");
  await using test = await startHost();
  const config = { commands_at_start: 10_000, balance };
  const { context, commands } = await openContext(test.host, specOf("car_a", config));
  const other = await openContext(test.host, specOf("car_b"));
  for (let i = 0; i < 10_000; i++) {
    const { data } = await commands.next(`command ${i}`);
    assert.equal(textOf(data), String(i));
    if (i % 1000 === 0) {
      assert.deepEqual(await Promise.all([forward(context), forward(other.context)]), ["ok", "ok"]);
    }
  }
  await waitFor(context.destroy(), "the context to be destroyed");
  assert.equal(await balanceOf(balance), "0");
});

Deno.test("Commands without data, without role, with a name that is not UTF-8 arrive [COMMAND-DATA]", async () => {
  await using folder = await TempFolder.make();
  const balance = folder.file("balance");
  await using test = await startHost();
  const odd = { echo: 1, balance, pop_empty_data: 1, pop_empty_role: 1, pop_bad_name: 1 };
  const { context, commands } = await openContext(test.host, specOf("car_a", odd));
  await forward(context, "ignored");
  const { device, data } = await commands.next("the command");
  assert.equal(data.length, 0);
  assert.equal(device.deviceRole, "");
  assert.equal(device.deviceName, "bad\ufffd\ufffdname");
  await waitFor(context.destroy(), "the context to be destroyed");
  assert.equal(await balanceOf(balance), "0");
});

Deno.test("A command whose pop fails partway is given back all the same [MODULE-MEMORY]", async () => {
  await using folder = await TempFolder.make();
  const balance = folder.file("balance");
  const record = folder.file("record");
  await using test = await startHost();
  const config = { commands_at_start: 3, pop_fails_partway: 1, balance, record };
  const { context, commands } = await openContext(test.host, specOf("car_a", config));
  await waitFor(async () => (await recorded(record, "pop_command")).length >= 3, "three pops");
  await waitFor(context.destroy(), "the context to be destroyed");
  assert.equal(commands.size, 0);
  assert.equal(await balanceOf(balance), "0");
  assert.ok(test.logged.some((line) => /^WARNING car_a: pop_command failed.*-1/.test(line)));
});

Deno.test("A command that is too large is dropped and said; the next one arrives", async () => {
  await using folder = await TempFolder.make();
  const balance = folder.file("balance");
  await using test = await startHost();
  const large = { commands_at_start: 1, pop_bytes: 17 * 1024 * 1024, balance };
  const { context, commands } = await openContext(test.host, specOf("car_a", large));
  await waitFor(() => test.logged.some((line) => line.includes("Command dropped")), "a warning");
  assert.equal(commands.size, 0);
  await waitFor(context.destroy(), "the context to be destroyed");
  assert.equal(await balanceOf(balance), "0");
  const fits = { commands_at_start: 1, pop_bytes: 15 * 1024 * 1024 };
  const next = await openContext(test.host, specOf("car_b", fits));
  assert.equal((await next.commands.next("the command")).data.length, 15 * 1024 * 1024);
});

Deno.test("holdCommands() leaves commands in the module until releaseCommands()", async () => {
  await using test = await startHost();
  const { context, commands } = await openContext(test.host, specOf("car_a", { echo: 1 }));
  const other = await openContext(test.host, specOf("car_b", { echo: 1 }));
  await forward(context, "first");
  assert.equal(textOf((await commands.next("the first command")).data), "first");
  context.holdCommands();
  await connect(context);
  await forward(context, "second");
  // What a wait and a pop take, several times over: the neighbor's commands arrive meanwhile.
  for (const text of ["1", "2", "3", "4", "5"]) {
    await forward(other.context, text);
    assert.equal(textOf((await other.commands.next("the neighbor's command")).data), text);
  }
  assert.equal(commands.size, 0);
  context.releaseCommands();
  assert.equal(textOf((await commands.next("the second command")).data), "second");
});

Deno.test("A command of a module that is asked without waiting arrives [CONFIG-DOCUMENTED]", async () => {
  await using test = await startHost();
  const spec = specOf("car_a", { echo: 1 }, { waitTimeoutMs: 0 });
  const { context, commands } = await openContext(test.host, spec);
  for (const text of ["first", "second"]) {
    await forward(context, text);
    assert.equal(textOf((await commands.next("the command")).data), text);
  }
});

/** The pauses between the first waits of a record, in milliseconds. */
async function pausesBetweenWaits(record: string): Promise<number[]> {
  const lines = (await Deno.readTextFile(record)).split("\n");
  const begins = lines.map((line) => line.split(" "))
    .filter(([, , functionName]) => functionName === "wait_for_command")
    .map(([microseconds]) => Number(microseconds) / 1000);
  return begins.slice(1).map((ms, index) => ms - (begins[index] ?? NaN));
}

/** What the module does, what its waits are called with, and how many complaints that is worth. */
const MANNERS = [
  ["error", { wait_for_command_returns: -1 }, 1000, 1],
  ["nothing", { wait_always_ok: 1 }, 1000, 1],
  ["impatient", { wait_for_command_returns: -12 }, 60_000, 1],
  ["asked without waiting", {}, 0, 0],
  ["asked without waiting, slow", { wait_ms: 2 }, 0, 0],
] as const;

for (const [manner, config, waitTimeoutMs, complaints] of MANNERS) {
  Deno.test(`A module with the manner "${manner}" is asked less and less, and complained of at most once [MODULE-WAIT]`, async () => {
    await using folder = await TempFolder.make();
    const record = folder.file("record");
    await using test = await startHost();
    const spec = specOf("car_a", { record, ...config }, { waitTimeoutMs });
    const { context } = await openContext(test.host, spec);
    assert.equal(await forward(context), "ok");
    await waitFor(async () => (await recorded(record, "wait_for_command")).length > 6, "waits");
    const pauses = await pausesBetweenWaits(record);
    for (const [index, atMostMs] of [10, 20, 40, 80, 160, 320].entries()) {
      const pauseMs = pauses[index] ?? NaN;
      // The fifth that chance takes away, and what timers round.
      assert.ok(pauseMs > atMostMs * 0.8 - 2, `pause ${index}: ${pauseMs} ms`);
    }
    const complained = test.logged.filter((line) => line.startsWith("WARNING car_a:"));
    assert.equal(complained.length, complaints, complained.join("\n"));
  });
}
