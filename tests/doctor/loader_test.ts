// What keeps libraries from being loaded, found where the loader would stumble.
import assert from "node:assert/strict";
import { IMAGE_VARIANTS, newestOf, planLoad, variantFor } from "../../src/doctor/loader/mod.ts";
import { TempFolder } from "../support/temp.ts";
import { fixtures } from "./support.ts";

/** Copies the fixture with a string in it replaced by one of the same length. */
async function withText(folder: TempFolder, from: string | RegExp, to: string): Promise<string> {
  const text = new TextDecoder("latin1").decode(await Deno.readFile(fixtures.module));
  const changed = text.replaceAll(from, to);
  assert.ok(changed !== text && changed.length === text.length);
  const path = folder.file(`${crypto.randomUUID()}.so`);
  const bytes = Uint8Array.from(
    await Deno.readFile(fixtures.module),
    (byte, index) => changed[index] === text[index] ? byte : changed.charCodeAt(index),
  );
  await Deno.writeFile(path, bytes);
  return path;
}

async function compile(folder: TempFolder, name: string, ...flags: string[]): Promise<string> {
  const source = await folder.write(`${name}.c`, `int ${name}(void) { return 1; }\n`);
  const path = folder.file(`lib${name}.so`);
  const args = ["-shared", "-fPIC", "-Wl,--no-as-needed", "-o", path, source, ...flags];
  const { success, stderr } = await new Deno.Command("cc", { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return path;
}

async function messagesOf(path: string): Promise<string[]> {
  return (await planLoad(path)).problems.map(({ message }) => message);
}

Deno.test("planLoad() finds nothing wrong with a library that loads", async () => {
  const { glibc, variant, ...plan } = await planLoad(fixtures.module);
  const architecture = Deno.build.arch === "aarch64" ? "ARM64 (aarch64)" : "x86-64";
  const rest = { problems: [], needed: 1, glibcxx: undefined };
  assert.deepEqual(plan, { native: true, architecture, ...rest });
  assert.ok(variant !== undefined);
  assert.match(glibc ?? "", /^2\.\d+$/);
});

Deno.test("planLoad() names the glibc that a library needs itself, not what glibc's own parts do", async () => {
  await using folder = await TempFolder.make();
  const { glibc, needed } = await planLoad(await compile(folder, "plain"));
  assert.equal(glibc, Deno.build.arch === "aarch64" ? "2.17" : "2.2.5");
  assert.equal(needed, 1);
});

Deno.test("planLoad() names the glibc that is needed and the one that is there", async () => {
  await using folder = await TempFolder.make();
  const { problems: [problem, ...more] } = await planLoad(
    await withText(folder, /GLIBC_2\.(\d\d)/g, "GLIBC_9.$1"),
  );
  assert.equal(more.length, 0);
  assert.match(
    problem?.message ?? "",
    /^it needs glibc 9\.\d+, this machine has 2\.\d+ \("libc\.so\.6"\)$/,
  );
  assert.match(problem?.advice ?? "", /Build it on a system with glibc 2\.\d+ or older/);
});

Deno.test("planLoad() names versions that other libraries lack, and who needs them", async () => {
  await using folder = await TempFolder.make();
  const script = await folder.write("inner.map", "INNER_1 { global: inner; };\n");
  const versioned = `-Wl,-soname,libinner.so,--version-script=${script}`;
  const inner = await compile(folder, "inner", versioned);
  const source = await folder.write(
    "uses.c",
    "int inner(void); int uses(void) { return inner(); }",
  );
  const middle = await compile(folder, "middle", source, inner, "-Wl,-soname,libmiddle.so");
  const outer = await compile(folder, "outer", middle, "-Wl,-rpath,$ORIGIN");
  using _path = libraryPath(folder.path);
  assert.deepEqual(await messagesOf(outer), []);
  await folder.write("inner.map", "INNER_2 { global: inner; };\n");
  await compile(folder, "inner", versioned);
  assert.deepEqual(await messagesOf(outer), [
    `"${middle}", which it needs, needs INNER_1 of "libinner.so", ` +
    "which the one on this machine does not have",
  ]);
});

Deno.test("planLoad() names libraries that are missing, also those behind others", async () => {
  await using folder = await TempFolder.make();
  assert.deepEqual(await messagesOf(await withText(folder, "libc.so.6", "libq.so.6")), [
    'it needs "libq.so.6", which is not where the loader looks',
  ]);
  const last = await compile(folder, "last");
  const middle = await compile(folder, "middle", last, "-Wl,-soname,libmiddle.so");
  const first = await compile(folder, "first", middle, "-Wl,-rpath,$ORIGIN");
  assert.deepEqual(await messagesOf(first), []);
  await Deno.remove(last);
  assert.match(
    (await messagesOf(first)).join(),
    /^".*libmiddle\.so", which it needs, needs ".*liblast\.so"/,
  );
});

Deno.test("planLoad() looks where LD_LIBRARY_PATH says, and passes over other machines", async () => {
  await using folder = await TempFolder.make();
  await using foreign = await TempFolder.make();
  const inner = await compile(folder, "inner", "-Wl,-soname,libinner.so");
  const outer = await compile(folder, "outer", inner);
  const bytes = await Deno.readFile(inner);
  bytes[18] = 8;
  await Deno.writeFile(foreign.file("libinner.so"), bytes);
  const missing = ['it needs "libinner.so", which is not where the loader looks'];
  assert.deepEqual(await messagesOf(outer), missing);
  {
    using _path = libraryPath(foreign.path);
    assert.deepEqual(await messagesOf(outer), missing);
  }
  using _path = libraryPath(`${foreign.path}:${folder.path}`);
  assert.deepEqual(await messagesOf(outer), []);
});

Deno.test("planLoad() distinguishes other machines from unreadable files, with advice", async () => {
  await using folder = await TempFolder.make();
  const planOf = async (change: (bytes: Uint8Array) => void) => {
    const bytes = await Deno.readFile(fixtures.module);
    change(bytes);
    const path = folder.file("changed.so");
    await Deno.writeFile(path, bytes);
    return await planLoad(path);
  };
  const machines: [change: (bytes: Uint8Array) => void, name: string][] = [
    [(bytes) => bytes[18] = 243, "RISC-V"],
    [(bytes) => bytes[18] = 8, "machine 8"],
    [(bytes) => void (bytes[4] = 1, bytes[18] = 3), "x86"],
    [(bytes) => void (bytes[4] = 1, bytes[18] = 40), "ARM (32 bit)"],
    [(bytes) => void (bytes[5] = 2, bytes[18] = 0, bytes[19] = 22), "S/390"],
  ];
  for (const [change, name] of machines) {
    const { native, problems: [problem] } = await planOf(change);
    assert.equal(native, false);
    assert.ok(problem?.message.startsWith(`it is built for ${name}, this machine is `), name);
  }
  const { native, problems: [problem] } = await planLoad(fixtures.notALibrary);
  assert.equal(native, false);
  assert.equal(problem?.message, "it is not an ELF file");
  assert.match(problem.advice, /build it again/);
  const { problems: [absent] } = await planLoad(folder.file("none.so"));
  assert.match(absent?.message ?? "", /No such file/);
  assert.match(absent?.advice ?? "", /Let the user that runs the server read/);
});

Deno.test("planLoad() survives files that end the loader, and quotes its message", async () => {
  await using folder = await TempFolder.make();
  const objectFile = folder.file("object.o");
  const source = await folder.write("object.c", "int object(void) { return 1; }\n");
  const args = ["-c", "-o", objectFile, source];
  assert.ok((await new Deno.Command("cc", { args }).output()).success);
  assert.match((await messagesOf(objectFile)).join(), /^the loader says: .*ET_DYN/);
  const whole = await Deno.readFile(fixtures.module);
  let seed = 1;
  for (let round = 0; round < 20; round++) {
    const bytes = whole.slice();
    for (let i = 0; i < 8; i++) {
      seed = (seed * 48_271) % 2_147_483_647;
      bytes[64 + seed % 3000] = seed >> 8;
    }
    await Deno.writeFile(folder.file("damaged.so"), bytes);
    await planLoad(folder.file("damaged.so"));
  }
});

/** Sets `LD_LIBRARY_PATH` for a while. */
function libraryPath(path: string): Disposable {
  Deno.env.set("LD_LIBRARY_PATH", path);
  return { [Symbol.dispose]: () => Deno.env.delete("LD_LIBRARY_PATH") };
}

Deno.test("newestOf() compares numbers, not strings", () => {
  const versions = ["GLIBC_2.9", "GLIBC_2.34", "GLIBC_2.3.4", "GLIBC_PRIVATE", "GCC_3.0"];
  assert.equal(newestOf("GLIBC", versions), "2.34");
  assert.equal(newestOf("GLIBCXX", versions), undefined);
  assert.equal(newestOf("GLIBC", ["GLIBC_PRIVATE"]), undefined);
});

Deno.test("variantFor() names the oldest image whose runtimes have every version", () => {
  const [old, recent] = IMAGE_VARIANTS;
  assert.equal(variantFor([]), old);
  assert.equal(variantFor(["GLIBC_2.36", "GLIBCXX_3.4.30", "CXXABI_1.3.13", "X_9"]), old);
  // What GCC 13 and 14 need.
  assert.equal(variantFor(["GLIBCXX_3.4.9", "GLIBCXX_3.4.32"]), recent);
  assert.equal(variantFor(["CXXABI_1.3.15"]), recent);
  assert.equal(variantFor(["GLIBC_2.38"]), recent);
  assert.equal(variantFor(["GLIBC_2.99"]), undefined);
});
