// What is read from libraries' headers, also from damaged ones.
import assert from "node:assert/strict";
import { readElf, truncationOf } from "../../src/module/elf.ts";
import { fixtures } from "./support.ts";
import { TempFolder } from "../support/temp.ts";

Deno.test("readElf() says what a file is, and that it is whole", () => {
  const machine = Deno.build.arch === "aarch64" ? 183 : 62;
  const expected = { bits: 64, littleEndian: true, machine, truncation: undefined };
  assert.deepEqual(readElf(fixtures.module), expected);
});

Deno.test("readElf() says what is missing at the end, down to one byte", async () => {
  await using folder = await TempFolder.make();
  const bytes = await Deno.readFile(fixtures.module);
  const path = folder.file("cut.so");
  let promised = 0;
  for (let length = bytes.length; length > 0 && promised === 0; length -= 16) {
    await Deno.writeFile(path, bytes.subarray(0, length));
    promised = Number(/at least (\d+)/.exec(truncationOf(path) ?? "")?.[1] ?? 0);
  }
  for (const [length, whole] of [[promised, true], [promised - 1, false]] as const) {
    await Deno.writeFile(path, bytes.subarray(0, length));
    assert.equal(truncationOf(path) === undefined, whole);
  }
});

Deno.test("readElf() refuses what is not an ELF file", async () => {
  await using folder = await TempFolder.make();
  const reasons: [path: string, reason: RegExp][] = [
    [fixtures.notALibrary, /it is not an ELF file/],
    [await folder.write("empty.so", ""), /the file is too short/],
    [folder.file("none.so"), /No such file/],
    [folder.path, /directory/],
    [await folder.pipe("pipe.so"), /it is not a regular file/],
  ];
  for (const [path, reason] of reasons) assert.throws(() => readElf(path), reason);
});

Deno.test("truncationOf() detects pipes, and leaves other problems to the loader", async () => {
  await using folder = await TempFolder.make();
  assert.equal(truncationOf(await folder.pipe("pipe.so")), "it is not a regular file");
  assert.equal(truncationOf(folder.file("none.so")), undefined);
  assert.equal(truncationOf(fixtures.notALibrary), undefined);
});

Deno.test("readElf() survives files that are cut or damaged anywhere", async () => {
  await using folder = await TempFolder.make();
  const whole = await Deno.readFile(fixtures.module);
  const path = folder.file("damaged.so");
  const isWhole = async (bytes: Uint8Array) => {
    await Deno.writeFile(path, bytes);
    try {
      return readElf(path).truncation === undefined;
    } catch (error) {
      assert.ok(error instanceof RangeError, String(error));
      return false;
    }
  };
  for (let length = 0; length < 4096; length += 97) {
    assert.equal(await isWhole(whole.subarray(0, length)), false);
  }
  let seed = 1;
  for (let round = 0; round < 300; round++) {
    const bytes = whole.slice();
    for (let i = 0; i < 8; i++) {
      seed = (seed * 48_271) % 2_147_483_647;
      bytes[16 + seed % 1000] = seed >> 8;
    }
    await isWhole(bytes);
  }
});
