// Modules in TypeScript as users run them, from the source or in the compiled program: what they may
// do, how a reload replaces them, and the whole chain from a device to the server's module and back.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { BUTTON, CAR, gatewayDocument, GatewayProcess, say } from "./gateway_process.ts";
import { configDocument, ProgramProcess, ServerProcess } from "./server_process.ts";
import { PATIENT, Stage, subscribed } from "./stage.ts";

const EXAMPLES = fileURLToPath(new URL("../../examples/module-ts/", import.meta.url));

/** Tries what a module was not granted, and throws with what became of each. */
const NOSY = `
const secret: string = __SECRET__;
const literal = "data:application/javascript," + encodeURIComponent(
  "import x from 'file://" + secret + "' with { type: 'json' }; export default x",
);
const tries: Record<string, () => unknown> = {
  net: () => Deno.connect({ hostname: "127.0.0.1", port: 9 }),
  read: () => Deno.readTextFile(secret),
  write: () => Deno.writeTextFile(secret, "x"),
  run: () => new Deno.Command("true").output(),
  env: () => Deno.env.toObject(),
  ffi: () => Deno.dlopen("libc.so.6", {}),
  evaluated: () => (0, eval)("import(" + JSON.stringify(literal) + ")"),
  compiled: () => new Function("return import(" + JSON.stringify(literal) + ")")(),
  timer: () => setTimeout(("import(" + JSON.stringify(literal) + ")") as any, 0),
  worker: () => new Worker(literal, { type: "module" }),
};
export default class Nosy {
  static readonly moduleNumber = 1000;
  static isDeviceTypeSupported() {}
  async init() {
    const results: string[] = [];
    for (const [name, action] of Object.entries(tries)) {
      try {
        await action();
        results.push(name + " DONE");
      } catch (error) {
        results.push(name + " " + (error as Error).name);
      }
    }
    throw new Error(results.join(", "));
  }
  deviceConnected() {}
  deviceDisconnected() {}
  forwardStatus() {}
  forwardErrorMessage() {}
  commandAck() {}
}
`;

Deno.test("a script without permissions may do nothing, in the program as it is run", async () => {
  await using folder = await TempFolder.make();
  const secret = await folder.write("secret.json", "{}");
  const text = NOSY.replace("__SECRET__", JSON.stringify(secret));
  const module = { lib_path: await folder.write("nosy.ts", text) };
  const document = configDocument({ port: 9, cars: { [CAR]: { 1000: module } } });
  const config = await folder.write("config.json", JSON.stringify(document));
  await using doctor = new ProgramProcess(["doctor", config, "--init"]);
  await doctor.ended();
  const said = /init failed: (.*?) at /.exec(doctor.text)?.[1] ?? doctor.text;
  const refused = ["net", "read", "write", "run", "env", "ffi"].map((name) => `${name} NotCapable`);
  assert.match(said, new RegExp(`${refused.join(", ")}, `));
  assert.match(
    said,
    /evaluated TypeError, compiled NotCapable, timer (NotCapable|TypeError), worker TypeError$/,
  );
});

const VERSIONED = `
import { VERSION } from "./lib/version.ts";
export default class Versioned {
  static readonly moduleNumber: number = 1000;
  static isDeviceTypeSupported() {}
  constructor({ car }: { car: string }) { console.log(car + " has version " + VERSION); }
  deviceConnected() {}
  deviceDisconnected() {}
  forwardStatus() {}
  forwardErrorMessage() {}
  commandAck() {}
}
`;

mosquittoTest("a reload replaces a script that has changed, and no other car notices", async () => {
  await using stage = await Stage.set();
  await using folder = await TempFolder.make();
  await Deno.mkdir(folder.file("lib"));
  const version = (text: string) => folder.write("lib/version.ts", text);
  await version("export const VERSION: number = 1;");
  const changing = await folder.write("module.ts", VERSIONED);
  const other = await folder.write(
    "other.ts",
    VERSIONED.replace(/import .*\n/, "const VERSION = 0;"),
  );
  const cars = { changed: { 1000: { lib_path: changing } }, kept: { 1000: { lib_path: other } } };
  await using server = await ServerProcess.start({ port: stage.broker.port, cars });
  await Promise.all(Object.keys(cars).map((car) => subscribed(server, car)));
  await server.line(/changed has version 1/);
  const [changed, kept] = Object.keys(cars).map((car) =>
    stage.gateway(car, { rate: 20, clocks: PATIENT })
  );
  assert.ok(changed && kept);
  const [before, session] = await Promise.all([changed.running(), kept.running()]);

  const again = changed.nextSession();
  await version("export const VERSION: number = 2;");
  server.signal("SIGHUP");
  const reloaded = /Configuration re.*\(changed: module 1000 changed \(content of lib_path\)\)/;
  assert.match(await server.line(reloaded), /1 car untouched/);
  await server.line(/changed has version 2/);
  assert.notEqual(await again, before);

  await version("export const VERSION: = 3;");
  server.signal("SIGHUP");
  await server.line(/lib_path: Expected a module that can be run: .*lib\/version\.ts:1:\d+: /);
  await server.line(/Configuration not re/);

  const { answered } = kept.stats;
  await waitFor(() => kept.stats.answered > answered, "further answers");
  assert.equal(kept.sessionId, session);
  assert.deepEqual([kept.stats.unanswered, kept.stats.reconnects, kept.violations], [0, 0, []]);
});

mosquittoTest("a button lights an LED by way of modules in TypeScript at both ends", async () => {
  await using stage = await Stage.set();
  const cars = { [CAR]: { 1000: { lib_path: `${EXAMPLES}example_module.ts` } } };
  await using server = await ServerProcess.start({ port: stage.broker.port, cars });
  await subscribed(server, CAR);
  const document = await gatewayDocument(stage.broker.port);
  await using gateway = await GatewayProcess.start({
    ...document,
    "module-paths": { "1000": `${EXAMPLES}gateway_module.ts` },
  });
  await using button = await gateway.device(BUTTON);
  await using led = await gateway.device({ ...BUTTON, type: 1, role: "lamp", name: "Lamp" });
  assert.equal(await say(button, '{"pressed":true}'), "{}");
  await waitFor(
    async () => await say(led, '{"lit":false}') === '{"lit":true}',
    "the LED to be lit",
  );
});

/** Nobody listens there. */
const NO_BROKER = 9;

Deno.test("a gateway's reload replaces a script that has changed, under devices that stay", async () => {
  await using folder = await TempFolder.make();
  const answer = (text: string) =>
    folder.write("answer.ts", `export const ANSWER: string = ${JSON.stringify(text)};`);
  await answer("first");
  const example = await Deno.readTextFile(`${EXAMPLES}gateway_module.ts`);
  const module = await folder.write(
    "module.ts",
    `import { ANSWER } from "./answer.ts";\n${
      example.replace("return command;", "return new TextEncoder().encode(ANSWER);")
    }`,
  );
  const document = {
    ...await gatewayDocument(NO_BROKER),
    "module-paths": { "1000": module },
  };
  await using gateway = await GatewayProcess.start(document);
  await using button = await gateway.device(BUTTON);
  assert.equal(await say(button, '{"pressed":true}'), "first");
  await answer("second");
  assert.match(await gateway.reload(document), /modules 1000 started/);
  assert.equal(await say(button, '{"pressed":true}'), "second");
  await folder.write("answer.ts", "export const ANSWER = ;");
  assert.match(await gateway.reload(document), /Configuration not reloaded/);
  await gateway.line(/module-paths\.1000: Expected a module that can be run: .*answer\.ts:1:\d+: /);
  assert.equal(await say(button, '{"pressed":true}'), "second");
});
