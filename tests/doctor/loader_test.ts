// What keeps libraries from being loaded, found where the loader would stumble.
import assert from "node:assert/strict";
import { type LoaderView, newestGlibc, planLoad } from "../../src/doctor/libraries/loader.ts";
import { parseLoaderCache, readLoaderCache } from "../../src/doctor/libraries/loader_cache.ts";
import { TempFolder } from "../support/temp.ts";
import { fixtures } from "./support.ts";

/** Copies the fixture with a text in it replaced by one of the same length. */
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

Deno.test("planLoad() finds nothing wrong with a library that loads", () => {
  const { problems, glibc, symbols } = planLoad(fixtures.module);
  assert.deepEqual(problems, []);
  assert.match(glibc ?? "", /^2\.\d+$/);
  // What the loader finds through it includes the libraries that it needs.
  assert.ok(symbols.has("pop_command") && symbols.has("malloc"));
});

Deno.test("planLoad() names the glibc that is needed and the one that is there", async () => {
  await using folder = await TempFolder.make();
  const { problems: [problem, ...more] } = planLoad(
    await withText(folder, /GLIBC_2\.(\d\d)/g, "GLIBC_9.$1"),
  );
  assert.equal(more.length, 0);
  assert.equal(problem?.kind, "version");
  assert.match(
    problem.message,
    /^it needs glibc 9\.\d+, this machine has 2\.\d+ \("libc\.so\.6"\)$/,
  );
  assert.match(problem.advice, /Build it on a system with glibc 2\.\d+ or older/);
});

Deno.test("planLoad() names libraries that are missing, also those behind others", async () => {
  await using folder = await TempFolder.make();
  const { problems } = planLoad(await withText(folder, "libc.so.6", "libq.so.6"));
  assert.deepEqual(problems.map(({ kind, message }) => ({ kind, message })), [{
    kind: "missing",
    message: 'it needs "libq.so.6", which is not where the loader looks',
  }]);
  const last = await compile(folder, "last");
  const middle = await compile(folder, "middle", last, "-Wl,-soname,libmiddle.so");
  const first = await compile(folder, "first", middle, "-Wl,-rpath,$ORIGIN");
  assert.deepEqual(planLoad(first).problems, []);
  await Deno.remove(last);
  assert.match(
    planLoad(first).problems[0]?.message ?? "",
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
  const view = (...libraryPath: string[]): LoaderView => ({
    cache: readLoaderCache(),
    libraryPath,
  });
  assert.equal(planLoad(outer, view()).problems[0]?.kind, "missing");
  assert.equal(planLoad(outer, view(foreign.path)).problems[0]?.kind, "missing");
  assert.deepEqual(planLoad(outer, view(foreign.path, folder.path)).problems, []);
});

Deno.test("planLoad() tells other machines, programs and unreadable files apart", async () => {
  await using folder = await TempFolder.make();
  const bytes = await Deno.readFile(fixtures.module);
  bytes[18] = 8;
  await Deno.writeFile(folder.file("foreign.so"), bytes);
  const kindOf = (path: string) => planLoad(path).problems[0]?.kind;
  assert.equal(kindOf(folder.file("foreign.so")), "architecture");
  assert.equal(kindOf(Deno.execPath()), "kind");
  assert.equal(kindOf(fixtures.notALibrary), "unreadable");
  assert.match(planLoad(fixtures.notALibrary).problems[0]?.advice ?? "", /build it again/);
});

Deno.test("parseLoaderCache() reads the index, also behind one of the older form", () => {
  const texts = new TextEncoder().encode("liba.so\0/x/liba.so\0");
  const index = new Uint8Array(48 + 24 + texts.length);
  index.set(new TextEncoder().encode("glibc-ld.so.cache1.1"));
  index.set(texts, 72);
  const view = new DataView(index.buffer);
  view.setUint32(20, 1, true);
  view.setUint32(48 + 4, 72, true);
  view.setUint32(48 + 8, 80, true);
  assert.deepEqual([...parseLoaderCache(index)], [["liba.so", ["/x/liba.so"]]]);
  const older = new Uint8Array([...new TextEncoder().encode("ld.so-1.7.0\0\0\0\0\0"), ...index]);
  assert.deepEqual([...parseLoaderCache(older)], [["liba.so", ["/x/liba.so"]]]);
  assert.equal(parseLoaderCache(new Uint8Array(100)).size, 0);
  assert.throws(() => parseLoaderCache(index.subarray(0, 50)), RangeError);
});

Deno.test("newestGlibc() compares numbers, not texts", () => {
  const versions = ["GLIBC_2.9", "GLIBC_2.34", "GLIBC_2.3.4", "GLIBC_PRIVATE", "GCC_3.0"];
  assert.equal(newestGlibc(versions), "2.34");
  assert.equal(newestGlibc(["GLIBC_PRIVATE"]), undefined);
});
