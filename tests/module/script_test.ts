// Modules in TypeScript and JavaScript in their hosts: what they may do, and what becomes of those
// that fail.
import assert from "node:assert/strict";
import type { ContextSpec } from "../../src/module/context.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { DEVICE, forward, openContext, scriptSpecOf, startHost, textOf } from "./support.ts";

/** A module of the parts that a test is about. */
function moduleOf({ top = "", members = "", status = "" }: Readonly<Record<string, string>>) {
  return `${top}
export default class Module {
  static readonly moduleNumber: number = 1000;
  static isDeviceTypeSupported(_type: number): boolean { return true; }
  ${members}
  forwardStatus(status: Uint8Array): unknown { ${status} }
  deviceConnected() {}
  deviceDisconnected() {}
  forwardErrorMessage() {}
  commandAck() {}
}
`;
}

/** What a status does, on line 6 of the module. */
const LINE = 6;

async function specOfText(
  folder: TempFolder,
  text: string,
  overrides: Partial<ContextSpec> = {},
): Promise<ContextSpec> {
  return await scriptSpecOf("car_a", await folder.write("module.ts", text), overrides);
}

/** Runs a text as JavaScript in a module and returns what it evaluates to. */
const EVALUATE = moduleOf({
  members: `
  #queue!: ReadableStreamDefaultController<unknown>;
  readonly commands = new ReadableStream({ start: (queue) => void (this.#queue = queue) });
  async #say(action: () => unknown) {
    let said: string;
    try {
      said = "did it: " + await action();
    } catch (error) {
      said = (error as Error).name;
    }
    const device = { type: 1, role: "front", name: "door" };
    this.#queue.enqueue({ device, data: new TextEncoder().encode(said) });
  }`,
  status: `
    const what = new TextDecoder().decode(status);
    const { Deno: D, process: p } = globalThis as any;
    const [name, argument] = what.split(" ");
    const actions: Record<string, () => unknown> = {
      connect: () => D.connect({ hostname: "127.0.0.1", port: Number(argument) }).then((c: any) => c.close()),
      fetch: () => fetch(argument!),
      read: () => D.readTextFile(argument),
      write: () => D.writeTextFile(argument, "x"),
      run: () => new D.Command("true").output(),
      env: () => D.env.get(argument),
      ffi: () => D.dlopen("libc.so.6", {}),
      sys: () => D.hostname(),
      kill: () => D.kill(D.pid, "SIGKILL"),
      listen: () => D.listen({ transport: "unix", path: argument }),
      eval: () => (0, eval)("1"),
      Function: () => new Function("return 1")(),
      AsyncFunction: () => (async () => {}).constructor("return 1")(),
      timer: () => setTimeout("globalThis.late = 1" as any, 0),
      immediate: () => (globalThis as any).setImmediate("globalThis.late = 1"),
      worker: () => new Worker("data:,", { type: "module" }),
      builtin: () => p.getBuiltinModule("node:vm"),
      post: () => (globalThis as any).postMessage({ id: 0, value: 1 }),
      internal: () => D[D.internal].core.ops,
    };
    return this.#say(actions[name!]!);`,
});

Deno.test("A script may do nothing but what it was granted", async () => {
  await using folder = await TempFolder.make();
  const granted = await folder.write("granted", "content");
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const permissions = { net: [`127.0.0.1:${port}`], read: [granted], env: ["PATH"] };
  await using test = await startHost({ kind: "script" });
  const spec = await specOfText(folder, EVALUATE);
  const [none, some] = await Promise.all([
    openContext(test.host, spec),
    openContext(test.host, { ...spec, permissions }),
  ]);
  const ask = async ({ context, commands }: typeof none, text: string) => {
    const answered = forward(context, text);
    const said = textOf((await commands.next(text)).data);
    assert.equal(await answered, "ok");
    return said;
  };
  const refused = [`connect ${port}`, `fetch http://127.0.0.1:${port}/`, `read ${granted}`]
    .concat(`write ${folder.file("new")}`, "run", "env PATH", "ffi", "sys", "kill")
    .concat(`listen ${folder.file("socket")}`, `fetch file://${granted}`);
  for (const what of refused) assert.equal(await ask(none, what), "NotCapable", what);
  const closed = [
    "eval",
    "Function",
    "AsyncFunction",
    "timer",
    "immediate",
    "worker",
    "builtin",
    "post",
  ];
  for (const what of [...closed, "internal"]) {
    assert.match(await ask(none, what), /^(NotCapable|TypeError)$/, what);
  }
  assert.equal(await ask(some, `connect ${port}`), "did it: undefined");
  (await listener.accept()).close();
  assert.equal(await ask(some, `read ${granted}`), "did it: content");
  assert.match(await ask(some, "env PATH"), /^did it: .*\/bin/);
  for (const what of ["env HOME", `read ${folder.file("module.ts")}`, "ffi", "run"]) {
    assert.equal(await ask(some, what), "NotCapable", what);
  }
});

Deno.test("What a script throws and rejects is a failed call, logged with its place", async () => {
  await using folder = await TempFolder.make();
  await using test = await startHost({ kind: "script" });
  const text = moduleOf({
    status: `if (status.length === 1) throw new RangeError("too short");
    if (status.length === 2) return Promise.reject(new Error("later"));
    // What is no answer need not fit through a channel.
    return status.length === 3 ? false : () => {};`,
  });
  const spec = await specOfText(folder, text);
  const { context } = await openContext(test.host, spec);
  assert.equal(await forward(context, "1"), "not_ok");
  assert.match(
    test.logged.join("\n"),
    new RegExp(`car_a: forward_status failed: RangeError: too short at ${spec.libPath}:${LINE}:`),
  );
  assert.equal(await forward(context, "22"), "not_ok");
  assert.equal(await forward(context, "333"), "not_ok");
  assert.equal(await forward(context, "4444"), "ok");
});

const FATAL = [
  ["void Promise.reject(new Error('lost'))", /has an unhandled rejection: Error: lost at .*:6:/],
  [
    "setTimeout(() => { throw new Error('late') }, 0)",
    /has an uncaught error: Error: late at .*:6:/,
  ],
  ["Deno.exit(3)", /ended itself: exit 3/],
  ["(globalThis as any).process.exit(3)", /ended itself: exit/],
  ["self.close()", /ended itself: exit 0/],
] as const;

for (const [status, reason] of FATAL) {
  Deno.test(`A script with "${status}" loses its own contexts, and says why`, async () => {
    await using folder = await TempFolder.make();
    await using test = await startHost({ kind: "script" });
    const spec = await specOfText(folder, moduleOf({ status }));
    const other = await folder.write("other.ts", moduleOf({}));
    const failing = await openContext(test.host, spec);
    const neighbor = await openContext(test.host, await scriptSpecOf("car_b", other));
    failing.context.forwardStatus(DEVICE, new Uint8Array(1), () => {});
    const lost = await waitFor(failing.lost, "the context to be lost");
    assert.match(lost.reason, reason);
    assert.ok(lost.reason.includes(`"${spec.libPath}"`), lost.reason);
    assert.equal(lost.blame, "likely");
    // The process is shared; its end says nothing about other modules.
    assert.equal((await waitFor(neighbor.lost, "the neighbor to be lost")).blame, "none");
  });
}

Deno.test("A script that never comes back is killed like a library that hangs", async () => {
  await using folder = await TempFolder.make();
  await using test = await startHost({ kind: "script", moduleCallTimeoutMs: 3000 });
  const spec = await specOfText(folder, moduleOf({ status: "for (;;);" }));
  const { context, lost } = await openContext(test.host, spec);
  context.forwardStatus(DEVICE, new Uint8Array(1), () => {});
  const { reason, blame } = await waitFor(lost, "the context to be lost");
  assert.match(reason, /^forward_status of module 1000 of car "car_a" has not come back/);
  assert.equal(blame, "likely");
});

const UNUSABLE: readonly (readonly [what: string, text: string, expected: RegExp])[] = [
  ["has no default export", "export class Module {}", /class as its default export: it has none/],
  ["exports no class", "export default () => 1;", /default export: it has one of type function/],
  [
    "lacks methods",
    "export default class { static moduleNumber = 1000; commandAck() {} }",
    /lacks the methods static isDeviceTypeSupported, deviceConnected, deviceDisconnected, forwardSt/,
  ],
  [
    "has no number",
    moduleOf({}).replace("moduleNumber: number = 1000", "other = 1"),
    /"static readonly moduleNumber", a whole number: undefined/,
  ],
  ["has another number", moduleOf({}).replace("1000", "7"), /is module 7, the configuration says/],
  [
    "throws when it is imported",
    moduleOf({ top: "\n\nthrow new TypeError('not today');" }),
    /TypeError: not today at .*module\.ts:3:/,
  ],
  [
    "throws in its constructor",
    moduleOf({ members: "constructor() { throw new Error('no car'); }" }),
    /init failed: Error: Error: no car at .*module\.ts:5:/,
  ],
  [
    "rejects in init",
    moduleOf({ members: "async init() { await null; throw new Error('no database'); }" }),
    /init failed: Error: Error: no database at .*module\.ts:5:/,
  ],
  ["exits while it is imported", moduleOf({ top: "Deno.exit(1);" }), /it ended itself: exit 1/],
];

Deno.test("A script that cannot be used is refused with the reason", async (t) => {
  await using folder = await TempFolder.make();
  await using test = await startHost({ kind: "script" });
  for (const [what, text, expected] of UNUSABLE) {
    await t.step(`because it ${what}`, async () => {
      const making = openContext(test.host, await specOfText(folder, text));
      await assert.rejects(making, { name: "ModuleLoadError", message: expected });
    });
  }
});

Deno.test("A script whose imports never end is refused", async () => {
  await using folder = await TempFolder.make();
  await using test = await startHost({ kind: "script", moduleCallTimeoutMs: 3000 });
  for (const top of ["for (;;);", "await new Promise(() => {});"]) {
    const making = openContext(test.host, await specOfText(folder, moduleOf({ top })));
    await assert.rejects(making, { message: /is not loaded after 3000 ms: its imports never end/ });
  }
});

Deno.test("The commands of a script are handed out one after the other, and errors among them are logged", async () => {
  await using folder = await TempFolder.make();
  await using test = await startHost({ kind: "script" });
  const text = moduleOf({
    members: `#round = 0;
  async *commands() {
    const device = { type: 1, role: "front", name: "door" };
    this.#round++;
    for (const byte of [1, 2, 3]) yield { device, data: new Uint8Array([this.#round, byte]) };
    if (this.#round === 1) yield { device, data: "no bytes" };
    if (this.#round === 1) throw new Error("out of commands");
  }`,
  });
  const { context, commands } = await openContext(test.host, await specOfText(folder, text));
  const seen: number[][] = [];
  while (seen.length < 6) seen.push([...(await commands.next("a command")).data]);
  assert.deepEqual(seen, [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]);
  const logged = test.logged.join("\n");
  assert.match(logged, /wait_for_command failed: Expected commands to have \{device: /);
  await waitFor(context.destroy(), "the context to be destroyed");
});

Deno.test("Contexts of another version of a script are other modules", async () => {
  await using folder = await TempFolder.make();
  await using test = await startHost({ kind: "script" });
  const top = "let count = 0;";
  const status = "return ++count === 1;";
  const first = await specOfText(folder, moduleOf({ top, status }));
  const one = await openContext(test.host, first);
  const other = await openContext(test.host, { ...first, car: "car_b" });
  assert.equal(await forward(one.context), "ok");
  assert.equal(await forward(other.context), "not_ok", "contexts share what is global");
  const second = await specOfText(folder, moduleOf({ top: "let count = 0; // changed", status }));
  assert.notEqual(second.script?.hash, first.script?.hash);
  const changed = await openContext(test.host, { ...second, car: "car_c" });
  assert.equal(await forward(changed.context), "ok");
  assert.equal(await forward(one.context), "not_ok", "the old version goes on");
});

Deno.test("What a script prints goes to the log, and its stack traces name its own files", async () => {
  await using folder = await TempFolder.make();
  await using test = await startHost({ kind: "script" });
  const status = "console.log('printed', status.length); console.error(new Error('traced'));";
  const spec = await specOfText(folder, moduleOf({ status }));
  const { context } = await openContext(test.host, spec);
  assert.equal(await forward(context, "12345"), "ok");
  const lines = [];
  while (lines.length < 3) lines.push(await test.printed.next("a line"));
  assert.ok(lines.includes("stdout: printed 5"), lines.join("\n"));
  assert.ok(lines.some((line) => line.includes(`forwardStatus (${spec.libPath}:${LINE}:`)));
});

Deno.test("A script of several files runs as its imports say, cycles included", async () => {
  await using folder = await TempFolder.make();
  await Deno.mkdir(folder.file("lib"));
  await folder.write("data.json", '{ "answer": 42 }');
  await folder.write(
    "lib/first.ts",
    `import { second } from "./second.mjs";
export enum Color { Red = "red" }
export const first = (depth: number): string => depth > 0 ? "first " + second(depth - 1) : "end";
export default class { constructor(readonly name: string) {} }`,
  );
  await folder.write(
    "lib/second.mjs",
    `import { first } from "./first.ts";
export const later = await Promise.resolve("awaited");
export function second(depth) { return "second " + first(depth - 1); }`,
  );
  await folder.write(
    "lib/index.js",
    'export * from "./first.ts"; export * as two from "./second.mjs";',
  );
  const top = `import Named, { Color, type Color as Type } from "./lib/first.ts";
import { first, two } from "./lib/index.js";
import data from "./data.json" with { type: "json" };
import * as path from "node:path";
import { EventEmitter } from "node:events";
import type { Nothing } from "./none.ts";
const color: Type | Nothing = Color.Red;
`;
  const status = `
    const lazy = import("./lib/second.mjs");
    console.log(new Named("name").name, color, first(2), two.later, data.answer,
      path.basename("/a/b"), new EventEmitter().listenerCount("x"));
    return lazy.then(({ later }) => { console.log("lazy", later); });`;
  await using test = await startHost({ kind: "script" });
  const { context } = await openContext(
    test.host,
    await specOfText(folder, moduleOf({ top, status })),
  );
  assert.equal(await forward(context), "ok");
  assert.equal(
    await test.printed.next("a line"),
    "stdout: name red first second end awaited 42 b 0",
  );
  assert.equal(await test.printed.next("another line"), "stdout: lazy awaited");
});
