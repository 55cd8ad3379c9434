// Gateways' modules in shared libraries, in real hosts: every function, and every way to misbehave.
import assert from "node:assert/strict";
import { ModuleLoadError } from "../../../src/module/errors.ts";
import { connectHost } from "../../../src/module/process/connect_host.ts";
import { tryGatewayModule } from "../../../src/module/gateway/hosted_module.ts";
import type { GatewayCall } from "../../../src/module/gateway_call.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";
import { isAlive } from "../support.ts";
import { aggregate, bytes, fixtures, said, startModule } from "./support.ts";

Deno.test("A gateway's module gets every argument where the C interface has it", async () => {
  await using test = await startModule();
  const [status, current, fresh, command] = ["s", "cur", "new", "cmd"].map(bytes) as [
    ...[Uint8Array, Uint8Array, Uint8Array, Uint8Array],
  ];
  const calls: readonly (readonly [GatewayCall, string])[] = [
    [{ name: "is_device_type_supported", type: 1 }, "0"],
    [{ name: "is_device_type_supported", type: 99 }, "-1"],
    [{ name: "generate_first_command", type: 1 }, "0 generate_first_command"],
    [{ name: "status_data_valid", type: 1, status }, "0"],
    [{ name: "status_data_valid", type: 1, status: bytes("code -1") }, "-1"],
    [{ name: "command_data_valid", type: 1, command: bytes("code -10") }, "-10"],
    [{ name: "send_status_condition", type: 1, current, fresh }, "0"],
    [{ name: "send_status_condition", type: 1, current, fresh: bytes("code -11") }, "-11"],
    [{ name: "aggregate_status", type: 1, current, fresh }, "0 aggregate_status[cur][new]"],
    [
      { name: "generate_command", type: 1, fresh, current, command },
      "0 generate_command[new][cur][cmd]",
    ],
    [{ name: "aggregate_error", type: 1, message: null, status }, "0 aggregate_error[-][s]"],
    [{ name: "aggregate_error", type: 1, message: command, status }, "0 aggregate_error[cmd][s]"],
    [
      { name: "aggregate_error", type: 1, message: null, status: new Uint8Array() },
      "0 aggregate_error[-][-]",
    ],
    [{ name: "forward_command_on_receive", type: 1 }, "0"],
    [{ name: "forward_command_on_receive", type: 2 }, "-1"],
    [{ name: "generate_first_command", type: 104 }, "-11"],
  ];
  for (const [call, expected] of calls) assert.equal(await said(test.module, call), expected);
  const large = "x".repeat(1_000_000);
  assert.equal(await said(test.module, aggregate("b", large)), `0 aggregate_status[${large}][b]`);
  assert.equal(await said(test.module, "b"), "0 aggregate_status[a][b]");
  assert.deepEqual(test.logged, []);
});

Deno.test("A gateway's module may lack forward_command_on_receive, which says no then", async () => {
  await using test = await startModule({}, { module: 2, libPath: fixtures.gateway2 });
  assert.equal(await said(test.module, { name: "forward_command_on_receive", type: 1 }), "-1");
  assert.equal(await said(test.module, "b"), "0 aggregate_status[a][b]");
});

Deno.test("A gateway's module that makes nothing makes something empty, and is named once", async () => {
  await using test = await startModule();
  for (const word of ["null", "unset", "sizeless", "null"]) {
    assert.equal(await said(test.module, word), "0", word);
  }
  assert.equal(await said(test.module, { name: "generate_first_command", type: 100 }), "0");
  assert.deepEqual(
    test.logged,
    ["aggregate_status", "generate_first_command"].map((name) =>
      `WARNING -: Module 1000: ${name} returned OK without data, which counts as empty`
    ),
  );
});

Deno.test("What a gateway's module makes is given back, whatever it returns", async () => {
  await using test = await startModule({ spareHosts: 0 });
  assert.equal(await said(test.module, "b"), "0 aggregate_status[a][b]");
  assert.equal(await said(test.module, "partway"), "-1");
  assert.equal(await said(test.module, "huge"), "-1");
  assert.match(test.logged.join(), /aggregate_status failed: it made \d+ bytes: 16777216 at most/);
  assert.equal(await said(test.module, "balance"), "0 1");
});

Deno.test("What a gateway's module prints arrives as lines, and disturbs nothing", async () => {
  await using test = await startModule();
  assert.equal(await said(test.module, "print"), "0 aggregate_status[a][print]");
  await waitFor(() => test.printed.length === 2, "both lines");
  assert.deepEqual(test.printed.toSorted(), [
    "stderr: aggregate_status complains",
    "stdout: aggregate_status prints",
  ]);
});

for (
  const [word, reason] of [
    ["segv", "it was ended by SIGSEGV"],
    ["abort", "it was ended by SIGABRT"],
    ["exit", "it ended with exit status 3"],
    ["wild", "it was ended by SIGSEGV"],
  ] as const
) {
  Deno.test(`A gateway's module that does "${word}" fails that call, and others go on`, async () => {
    await using test = await startModule();
    const { module, logged } = test;
    const error = "ModuleHostError: Cannot call aggregate_status of module 1000: " +
      `the module host was lost: ${reason}`;
    assert.equal(await said(module, word), error);
    assert.match(
      logged.join("\n"),
      new RegExp(`Module host \\d+ of module 1000 was lost during aggregate_status: ${reason}`),
    );
    assert.equal(await said(module, "b"), "0 aggregate_status[a][b]");
    await waitFor(() => module.snapshot().hosts.length === 2, "the host to be replaced");
    assert.equal(module.snapshot().lostHosts, 1);
    assert.equal(module.snapshot().lastLoss, reason);
  });
}

Deno.test("Of calls that were in a host that crashed, only the one that did it fails", async () => {
  await using test = await startModule();
  const words = ["b1", "b2", "segv", "b3", "b4"];
  const results = await Promise.all(words.map((word) => said(test.module, word)));
  assert.deepEqual(
    results.map((text, index) => text === `0 aggregate_status[a][${words[index]}]`),
    [true, true, false, true, true],
  );
  assert.match(results[2] ?? "", /SIGSEGV/);
});

Deno.test("Calls of a host that was killed from outside are made again", async () => {
  await using folder = await TempFolder.make();
  await using test = await startModule();
  await waitFor(() => test.module.snapshot().hosts.length === 2, "the spare host");
  const file = folder.file("go_on");
  const call = said(test.module, `wait ${file}`);
  const [first] = test.module.snapshot().hosts;
  Deno.kill(first?.pid ?? 0, "SIGKILL");
  await waitFor(() => test.module.snapshot().lostHosts === 1, "the host to end");
  await Deno.writeTextFile(file, "");
  assert.equal(await call, `0 aggregate_status[a][wait ${file}]`);
});

Deno.test("A slow call delays no other, and its module is named once a spell", async () => {
  await using folder = await TempFolder.make();
  await using test = await startModule({ slowCallMs: 5, maxHosts: 3 });
  const { module, logged } = test;
  await waitFor(() => module.snapshot().hosts.length === 2, "the spare host");
  const file = folder.file("go_on");
  const slow = said(module, `wait ${file}`);
  const others = ["b1", "b2", "b3"].map((word) => said(module, word));
  assert.deepEqual(
    await Promise.all(others),
    ["b1", "b2", "b3"].map((word) => `0 aggregate_status[a][${word}]`),
  );
  await waitFor(() => module.snapshot().hosts.length === 3, "another spare host");
  const slower = said(module, `wait ${file}`);
  assert.equal(await said(module, "b4"), "0 aggregate_status[a][b4]");
  assert.ok(module.snapshot().hosts.filter(({ state }) => state === "slow").length >= 1);
  await Deno.writeTextFile(file, "");
  assert.match(await slow, /^0 /);
  assert.match(await slower, /^0 /);
  assert.equal(module.snapshot().isSlow, true);
  assert.equal(logged.length, 1, logged.join("\n"));
  assert.match(
    logged[0] ?? "",
    /^WARNING -: Module 1000 is slow: aggregate_status took \d+ ms, slow-call-ms is 5\. Calls for/,
  );
});

Deno.test("A call that hangs is ended with its host, and its module is named", async () => {
  await using test = await startModule({ slowCallMs: 10, callTimeoutMs: 300 });
  const { module, logged } = test;
  const hung = said(module, "hang");
  assert.match(
    await hung,
    /^ModuleHostError: Cannot call aggregate_status of module 1000: the module host was killed: aggregate_status has not come back for \d+ ms$/,
  );
  assert.match(logged.join("\n"), /Module 1000 is slow: aggregate_status/);
  assert.match(logged.join("\n"), /Module host \d+ of module 1000 was lost: aggregate_status has/);
});

Deno.test("Hosts end with their module, also during a call", async () => {
  await using test = await startModule();
  await waitFor(() => test.module.snapshot().hosts.length === 2, "the spare host");
  const pids = test.module.snapshot().hosts.map(({ pid }) => pid);
  const call = said(test.module, "hang");
  await waitFor(test.module.stop(), "the module to stop");
  assert.match(await call, /Cannot call aggregate_status of module 1000: it is stopped$/);
  assert.match(await said(test.module, "b"), /it is stopped$/);
  assert.deepEqual(pids.filter(isAlive), []);
  assert.deepEqual(test.module.snapshot().hosts, []);
});

/** What is wrong with a library, as what, and what is said of it. */
const UNUSABLE = [
  [fixtures.gateway, 2, "number", /the library is module 1000, the configuration says 2$/],
  [fixtures.gatewayMissing, 1000, "symbol", /the library has no function "aggregate_status"$/],
  [fixtures.module, 1000, "symbol", /no function "generate_first_command", "status_data_valid", /],
  [fixtures.gatewayCrash, 1000, "host", /the host died: it was ended by SIGABRT$/],
  [fixtures.notALibrary, 1000, "library", /invalid ELF header/],
  ["/nowhere/module.so", 1000, "library", /cannot open/],
] as const;

for (const [libPath, module, kind, detail] of UNUSABLE) {
  Deno.test(`tryGatewayModule() says why not: ${kind} ${detail.source}`, async () => {
    const error = await tryGatewayModule({ module, libPath }, { startTimeoutMs: 60_000 });
    assert.ok(error instanceof ModuleLoadError);
    assert.equal(error.kind, kind);
    assert.match(error.message, detail);
    assert.ok(error.message.startsWith(`Cannot load module ${module} from "${libPath}": `));
  });
}

Deno.test("A library that never comes back from being loaded ends with its host", async () => {
  const pids: number[] = [];
  const start = startModule(
    { startTimeoutMs: 500 },
    { libPath: fixtures.gatewayHang },
    async (options) => {
      const connected = await connectHost({ ...options, startTimeoutMs: 60_000 });
      pids.push(connected.process.pid);
      return connected;
    },
  );
  await assert.rejects(waitFor(start, "the start to fail"), /it is not loaded after 500 ms$/);
  assert.equal(pids.length, 1);
  assert.deepEqual(pids.filter(isAlive), []);
});

Deno.test("tryGatewayModule() accepts a library, with or without the optional function", async () => {
  assert.equal(await tryGatewayModule({ module: 1000, libPath: fixtures.gateway }), null);
  assert.equal(await tryGatewayModule({ module: 2, libPath: fixtures.gateway2 }), null);
});

Deno.test("tryGatewayModule() refuses a library whose end is missing, without loading it", async () => {
  await using folder = await TempFolder.make();
  const libPath = folder.file("cut.so");
  const whole = await Deno.readFile(fixtures.gateway);
  await Deno.writeFile(libPath, whole.subarray(0, 9000));
  const error = await tryGatewayModule({ module: 1000, libPath });
  assert.match(error?.message ?? "", /it is truncated: it has 9000 of at least \d+ bytes/);
});
