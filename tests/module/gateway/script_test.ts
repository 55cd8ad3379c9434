// Gateways' modules in TypeScript, in real hosts: what they answer, and what becomes of those that fail.
import assert from "node:assert/strict";
import { startModule as startLogged } from "../../../src/app/gateway/mod.ts";
import { ModuleLoadError } from "../../../src/module/errors.ts";
import type { HostedModuleOptions } from "../../../src/module/gateway/model.ts";
import { readScript } from "../../../src/script/mod.ts";
import { TempFolder } from "../../support/temp.ts";
import { waitFor } from "../../support/wait.ts";
import { listLog } from "../support.ts";
import { said, startModule } from "./support.ts";

/** A module whose `aggregateStatus` does what a test is about. */
function moduleOf(aggregate: string, members = ""): string {
  return `export default class {
  static readonly moduleNumber = 1000;
  static isDeviceTypeSupported(type: number): boolean { return type === 0; }
  aggregateStatus(type: number, current: Uint8Array, fresh: Uint8Array): unknown { ${aggregate} }
  ${members}
  generateFirstCommand() { return new Uint8Array(); }
  statusDataValid() { return true; }
  commandDataValid() { return true; }
  sendStatusCondition() { return true; }
  generateCommand() { return new Uint8Array(); }
  aggregateError() { return new Uint8Array(); }
}
`;
}

async function start(folder: TempFolder, text: string, options?: HostedModuleOptions) {
  const libPath = await folder.write("module.ts", text);
  return await startModule(options, { libPath, script: await readScript(libPath) });
}

Deno.test("A gateway's script answers asynchronously, and may lack forwardCommandOnReceive", async () => {
  await using folder = await TempFolder.make();
  const forward = { name: "forward_command_on_receive", type: 0 } as const;
  await using test = await start(folder, moduleOf("return Promise.resolve(fresh);"));
  assert.equal(await said(test.module, "fresh"), "0 fresh");
  assert.equal(await said(test.module, forward), "-1");
  assert.equal(await said(test.module, { name: "generate_first_command", type: 0 }), "0");
  const members = "async forwardCommandOnReceive(type: number) { return type === 0; }";
  await using other = await start(folder, moduleOf("return fresh;", members));
  assert.equal(await said(other.module, forward), "0");
  assert.equal(await said(other.module, { ...forward, type: 1 }), "-1");
});

Deno.test("A call that a gateway's script fails is rejected with the place, and the next one is made", async () => {
  await using folder = await TempFolder.make();
  const text = moduleOf(
    "if (fresh.length > 1) throw new RangeError('too long'); return fresh.length > 0 ? 1 : fresh;",
  );
  await using test = await start(folder, text);
  assert.match(await said(test.module, "long"), /RangeError: too long at .*module\.ts:4:/);
  assert.match(await said(test.module, "x"), /Expected aggregateStatus to return a Uint8Array: 1/);
  assert.equal(await said(test.module, ""), "0");
});

Deno.test("A gateway's script may do nothing but what it was granted", async () => {
  await using folder = await TempFolder.make();
  const file = await folder.write("file", "content");
  const text = moduleOf("return Deno.readFile(new TextDecoder().decode(fresh));");
  await using test = await start(folder, text);
  assert.match(await said(test.module, file), /NotCapable: Requires read access/);
  const libPath = folder.file("module.ts");
  const granted = { libPath, script: await readScript(libPath), permissions: { read: [file] } };
  await using other = await startModule({}, granted);
  assert.equal(await said(other.module, file), "0 content");
});

Deno.test("A gateway's script that cannot go on says why, and its calls fail", async () => {
  await using folder = await TempFolder.make();
  const text = moduleOf("void Promise.reject(new Error('lost')); return new Promise(() => {});");
  await using test = await start(folder, text, { spareHosts: 0 });
  assert.match(await said(test.module, "x"), /has an unhandled rejection: Error: lost at .*:4:/);
  assert.match(test.module.snapshot().lastLoss ?? "", /has an unhandled rejection/);
});

Deno.test("A gateway's script that never returns is killed, and calls go on in another host", async () => {
  await using folder = await TempFolder.make();
  const text = moduleOf("while (fresh.length > 1); return fresh;");
  await using test = await start(folder, text, { callTimeoutMs: 3000 });
  assert.match(await said(test.module, "loop"), /aggregate_status has not come back for/);
  assert.equal(await said(test.module, "x"), "0 x");
});

Deno.test("A gateway's script that cannot be used is refused with the reason", async () => {
  await using folder = await TempFolder.make();
  const refused = async (text: string, expected: RegExp) => {
    const starting = start(folder, text);
    await assert.rejects(waitFor(starting, "the refusal"), (error) => {
      assert.ok(error instanceof ModuleLoadError);
      assert.match(error.message, expected);
      return true;
    });
  };
  await refused("export default class {}", /lacks the methods static isDeviceTypeSupported, gen/);
  await refused(moduleOf("").replace("1000", "3"), /is module 3, the configuration says 1000/);
  const members = "constructor() { throw new Error('no file'); }";
  await refused(moduleOf("", members), /class cannot be used: Error: no file at .*module\.ts:5:/);
});

Deno.test("What a gateway's module prints is logged whole, with the module's number", async () => {
  await using folder = await TempFolder.make();
  const printed = `"quoted" ${"x".repeat(1_000)}`;
  const text = moduleOf(`console.log(${JSON.stringify(printed)}); return fresh;`);
  const path = await folder.write("module.ts", text);
  const lines: string[] = [];
  const limits = {
    slowCallMs: 20_000,
    callTimeoutMs: 60_000,
    maxHosts: 1,
    spareHosts: 0,
    maxHostMemoryBytes: 0,
  };
  const order = { number: 1000, path, limits, script: await readScript(path) };
  const module = await startLogged(order, { log: listLog(lines) });
  try {
    assert.equal(await said(module, "fresh"), "0 fresh");
    const isLogged = () => lines.some((line) => line.includes("stdout"));
    await waitFor(isLogged, "the line to be logged");
  } finally {
    await waitFor(module.stop(), "the module to stop");
  }
  assert.ok(lines.includes(`INFO -: [module 1000 stdout] ${printed}`), lines.join("\n"));
});
