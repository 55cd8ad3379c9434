// Libraries tried in real module hosts: whatever they do only fails their own check.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import type { CarConfig } from "../../src/config/resolve/config.ts";
import type { Finding } from "../../src/doctor/findings.ts";
import { readScript } from "../../src/script/mod.ts";
import { checkLibraries } from "../../src/doctor/libraries.ts";
import { refusedGatewayLibraries } from "../../src/doctor/refused_libraries.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { carOf, configOf, fixtures, NEVER, withStatus } from "./support.ts";

async function check(cars: readonly CarConfig[], init = false, callMs = 5_000): Promise<Finding[]> {
  const config = configOf(localBroker(1), cars);
  const timeouts = { ...config.timeouts, moduleCallMs: callMs };
  const options = { config: { ...config, timeouts }, init, signal: NEVER };
  const found = await waitFor(checkLibraries(options), "the libraries' checks", 120_000);
  return found.flatMap(({ list }) => list);
}

Deno.test("checkLibraries() tries a common library once, and does not call init", async () => {
  await using folder = await TempFolder.make();
  const record = folder.file("calls");
  const findings = await check([carOf("a", fixtures.module, { record }), carOf("b")]);
  assert.deepEqual(withStatus(findings, "failed"), []);
  const [found, functions, loads, ...more] = withStatus(findings, "ok");
  assert.equal(more.length, 0);
  assert.match(
    found ?? "",
    /^Found, .*, glibc 2\.\d+ or newer, 1 needed library found; loads in an image on \S+$/,
  );
  assert.match(
    functions ?? "",
    /^Has the 12 functions the server calls: get_module_number, .*pop_command/,
  );
  assert.equal(loads, "Loads in a module host, is module 1000 (2 cars)");
  assert.match(withStatus(findings, "skipped")[0] ?? "", /init was not called for 2 modules/);
  await assert.rejects(Deno.stat(record), Deno.errors.NotFound);
});

Deno.test("checkLibraries() names missing functions, wrong numbers and files that are not libraries", async () => {
  const findings = await check([
    carOf("a", fixtures.missingSymbol),
    carOf("b", fixtures.module, {}, 7),
    carOf("c", fixtures.notALibrary),
  ]);
  assert.deepEqual(withStatus(findings, "failed").sort(), [
    'Module 1000 (car a): the library has no function "pop_command"',
    "Module 7 (car b): the library is module 1000, the configuration says 7",
    "The library cannot be loaded: it is not an ELF file",
  ]);
  assert.ok(findings.every(({ status, advice }) => status !== "failed" || advice !== undefined));
});

Deno.test("checkLibraries() calls init of every car, and survives what it does", async () => {
  const findings = await check(
    [
      carOf("well"),
      carOf("null", fixtures.module, { init_null: "1" }),
      carOf("crash", fixtures.module, { crash_in: "init" }),
      carOf("destroyed", fixtures.module, { crash_in: "destroy", crash_how: "abort" }),
      carOf("hang", fixtures.module, { crash_in: "init", crash_how: "hang" }),
      carOf("well_too"),
    ],
    true,
    8_000,
  );
  const modules = findings.filter(({ check }) => check === "modules");
  const statuses = Object.fromEntries(modules.map(({ subject, status }) => [subject, status]));
  assert.deepEqual(statuses, {
    "car well, module 1000": "ok",
    "car null, module 1000": "failed",
    "car crash, module 1000": "failed",
    "car destroyed, module 1000": "failed",
    "car hang, module 1000": "failed",
    "car well_too, module 1000": "ok",
  });
  const messages = withStatus(modules, "failed").join("\n");
  for (const reason of [/init returned NULL/, /SIGSEGV/, /SIGABRT/, /init of .* not come back/]) {
    assert.match(messages, reason);
  }
});

Deno.test("checkLibraries() survives a library that crashes while it is loaded, and reports it", async () => {
  await using folder = await TempFolder.make();
  const source = await folder.write(
    "crash.c",
    `#include "${import.meta.dirname}/../fixtures/fixture_module.c"
__attribute__((constructor)) static void crash(void) {
  fprintf(stderr, "cannot log in: password=hunter2\\n");
  abort();
}
`,
  );
  const library = folder.file("crash.so");
  const args = ["-std=c11", "-fPIC", "-shared", "-pthread", "-o", library, source];
  const { success, stderr } = await new Deno.Command("cc", { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  const findings = await check([carOf("a", library), carOf("b")], true);
  const [failed, ...more] = withStatus(findings, "failed");
  assert.equal(more.length, 0);
  assert.match(failed ?? "", /^Module 1000 \(car a\): the host died: .*SIGABRT.*cannot log in/);
  assert.doesNotMatch(failed ?? "", /hunter2/);
  assert.match(
    withStatus(findings, "skipped")[0] ?? "",
    /init was not called: the library is unusable/,
  );
  assert.ok(withStatus(findings, "ok").includes("init returned a context, destroy ended it"));
});

Deno.test("refusedGatewayLibraries() names libraries that a gateway cannot use, and only those", async () => {
  const { gateway, gateway2, gatewayMissing, gatewayCrash, notALibrary } = fixtures;
  const usable = [{ module: 1000, libPath: gateway }, { module: 2, libPath: gateway2 }];
  assert.deepEqual(await waitFor(refusedGatewayLibraries(usable), "the libraries' checks"), []);
  const refused = await waitFor(
    refusedGatewayLibraries([
      ...usable,
      { module: 3, libPath: gateway },
      ...[gatewayMissing, gatewayCrash, notALibrary].map((libPath) => ({ module: 1000, libPath })),
    ]),
    "the libraries' checks",
  );
  const of = (module: number, path: string) => `Cannot load module ${module} from "${path}": `;
  assert.deepEqual(refused.map(({ message }) => message.replace(/it is not an ELF.*/, "...")), [
    `${of(3, gateway)}the library is module 1000, the configuration says 3`,
    `${of(1000, gatewayMissing)}the library has no function "aggregate_status"`,
    `${of(1000, gatewayCrash)}the host died: it was ended by SIGABRT`,
    `${of(1000, notALibrary)}...`,
  ]);
});

Deno.test("checkLibraries() tries scripts in hosts of their own, and names what they may do", async () => {
  await using folder = await TempFolder.make();
  const path = fileURLToPath(
    new URL("../../examples/module-ts/example_module.ts", import.meta.url),
  );
  const scripted = async (
    name: string,
    libPath: string,
    more: Partial<CarConfig["modules"][number]> = {},
  ) => {
    const { modules: [module] } = carOf(name, libPath);
    assert.ok(module);
    return { name, modules: [{ ...module, script: await readScript(libPath), ...more }] };
  };
  const broken = await folder.write("broken.ts", "export default class { commandAck() {} }");
  const findings = await check([
    await scripted("plain", path, { permissions: { net: ["a.example:1"], env: ["A", "B"] } }),
    await scripted("numbered", path, { id: 7 }),
    await scripted("broken", broken),
    carOf("native"),
  ], true);
  const ok = withStatus(findings, "ok");
  assert.ok(ok.includes("Found, a script of one file, may use net a.example:1; env A, B"));
  assert.ok(ok.includes("Found, a script of one file, may do nothing else"));
  assert.ok(ok.includes("Loads in a module host, is module 1000 (car plain)"));
  assert.ok(ok.includes("Loads in a module host, is module 1000 (car native)"));
  const failed = withStatus(findings, "failed").sort();
  assert.match(failed[0] ?? "", /^Module 1000 \(car broken\): its class lacks the methods static /);
  assert.match(failed[1] ?? "", /^Module 7 \(car numbered\): the library is module 1000/);
  assert.equal(failed.length, 2);
});
