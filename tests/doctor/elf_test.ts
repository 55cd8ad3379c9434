// What is read from libraries' files, also from damaged ones and those of other machines.
import assert from "node:assert/strict";
import { describeLibrary } from "../../src/doctor/libraries/elf.ts";
import { ElfError } from "../../src/doctor/errors.ts";
import { SYMBOLS } from "../../src/module/host/abi.ts";
import { TempFolder } from "../support/temp.ts";
import { fixtures } from "./support.ts";

/** Copies the fixture, changed. */
async function patched(folder: TempFolder, change: (bytes: Uint8Array) => void): Promise<string> {
  const bytes = await Deno.readFile(fixtures.module);
  change(bytes);
  const path = folder.file(`${crypto.randomUUID()}.so`);
  await Deno.writeFile(path, bytes);
  return path;
}

Deno.test("describeLibrary() reads what a module is, has and needs", () => {
  const { native, shared, needed, symbols, runPath } = describeLibrary(fixtures.module);
  assert.ok(native && shared);
  assert.deepEqual(runPath, []);
  assert.deepEqual(needed.map(({ name }) => name), ["libc.so.6"]);
  assert.ok(needed[0]?.versions.some((version) => /^GLIBC_2\.\d+/.test(version)));
  for (const name of Object.keys(SYMBOLS)) assert.ok(symbols.has(name), name);
  assert.ok(!describeLibrary(fixtures.missingSymbol).symbols.has("pop_command"));
});

Deno.test("describeLibrary() does not take undefined symbols or programs for a library's own", () => {
  const { symbols } = describeLibrary(fixtures.module);
  assert.ok(!symbols.has("malloc") && !symbols.has("pthread_mutex_lock"));
  assert.equal(describeLibrary(Deno.execPath()).shared, false);
});

Deno.test("describeLibrary() names other architectures", async () => {
  await using folder = await TempFolder.make();
  const machines: [change: (bytes: Uint8Array) => void, name: string][] = [
    [(bytes) => bytes[18] = 183, "ARM64 (aarch64)"],
    [(bytes) => bytes[18] = 243, "RISC-V"],
    [(bytes) => bytes[18] = 8, "machine 8"],
    [(bytes) => void (bytes[4] = 1, bytes[18] = 3), "x86"],
    [(bytes) => void (bytes[4] = 1, bytes[18] = 40), "ARM (32 bit)"],
    [(bytes) => void (bytes[5] = 2, bytes[18] = 0, bytes[19] = 22), "S/390"],
  ];
  for (const [change, name] of machines) {
    const { architecture, native } = describeLibrary(await patched(folder, change));
    assert.deepEqual(
      { architecture, native },
      { architecture: name, native: name === "ARM64 (aarch64)" && Deno.build.arch === "aarch64" },
    );
  }
});

Deno.test("describeLibrary() refuses what is no ELF file, and names it", async () => {
  await using folder = await TempFolder.make();
  const reasons: [path: string, reason: RegExp][] = [
    [fixtures.notALibrary, /it is no ELF file/],
    [await folder.write("empty.so", ""), /the file is too short/],
    [folder.file("none.so"), /No such file/],
    [folder.path, /directory/],
    [await folder.pipe("pipe.so"), /it is no regular file/],
  ];
  for (const [path, reason] of reasons) {
    assert.throws(() => describeLibrary(path), (error) => {
      return error instanceof ElfError && reason.test(error.message) &&
        error.message.includes(path);
    });
  }
});

Deno.test("describeLibrary() survives files that are cut or damaged anywhere", async () => {
  await using folder = await TempFolder.make();
  const whole = await Deno.readFile(fixtures.module);
  const path = folder.file("damaged.so");
  let refused = 0;
  const judge = async (bytes: Uint8Array) => {
    await Deno.writeFile(path, bytes);
    try {
      describeLibrary(path);
    } catch (error) {
      assert.ok(error instanceof ElfError, String(error));
      refused++;
    }
  };
  for (let length = 0; length < 4096; length += 97) await judge(whole.subarray(0, length));
  assert.equal(refused, Math.ceil(4096 / 97));
  let seed = 1;
  for (let round = 0; round < 300; round++) {
    const bytes = whole.slice();
    for (let i = 0; i < 8; i++) {
      seed = (seed * 48_271) % 2_147_483_647;
      bytes[16 + seed % 3000] = seed >> 8;
    }
    await judge(bytes);
  }
});
