// Files that never end, never answer, or are no files.
import assert from "node:assert/strict";
import {
  describeFileError,
  FileError,
  fileKind,
  type FileSystem,
  readText,
  requireRegularFile,
} from "../../src/text/read_file.ts";
import { TempFolder } from "../support/temp.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";

/** Why a file cannot be read, as its users say it. */
function reasonOf(reading: Promise<string>): Promise<string> {
  return reading.then((text) => `read: ${text}`, describeFileError);
}

Deno.test("readText() reads regular files and nothing else", async () => {
  await using folder = await TempFolder.make();
  using _listener = Deno.listen({ transport: "unix", path: folder.file("socket") });
  await Deno.writeFile(folder.file("bytes"), new Uint8Array([0xff]));
  await folder.write("marked", "\ufeffx");
  await Deno.symlink(await folder.write("text", "řádek\n"), folder.file("link"));
  const expected = {
    [folder.file("link")]: "read: řádek\n",
    [folder.file("marked")]: "read: \ufeffx",
    [folder.path]: "is a directory, not a regular file",
    [await folder.pipe("pipe")]: "is a pipe, not a regular file",
    [folder.file("socket")]: "is a socket, not a regular file",
    "/dev/zero": "is a device, not a regular file",
    [folder.file("none")]: "no such file",
    [folder.file("bytes")]: "is not UTF-8 text",
  };
  for (const [path, reason] of Object.entries(expected)) {
    assert.equal(await reasonOf(readText(path)), reason);
  }
});

Deno.test("readText() reads up to the limit, and not a byte more", async () => {
  await using folder = await TempFolder.make();
  for (const maxBytes of [0, 1, 100_000, 200_000]) {
    const path = await folder.write("file", "x".repeat(maxBytes));
    assert.equal((await readText(path, { maxBytes })).length, maxBytes);
    await Deno.writeTextFile(path, "x", { append: true });
    assert.equal(await reasonOf(readText(path, { maxBytes })), `has more than ${maxBytes} bytes`);
  }
  const large = folder.file("large");
  await Deno.writeTextFile(large, "");
  await Deno.truncate(large, 64 * 1024 * 1024 + 1);
  assert.equal(await reasonOf(readText(large)), "has more than 67108864 bytes");
});

Deno.test("readText() gives a file up that is not read in time, and closes it", async () => {
  await using folder = await TempFolder.make();
  const path = await folder.write("file", "text");
  const clock = new VirtualClock();
  const stat = Promise.withResolvers<Deno.FileInfo>();
  const opened = Promise.withResolvers<Deno.FsFile>();
  const slow = (part: Partial<FileSystem>) => ({ clock, system: { ...Deno, ...part } });
  const silent = readText(path, slow({ stat: () => stat.promise }));
  const kind = fileKind(path, slow({ stat: () => stat.promise }));
  const opening = Promise.withResolvers<void>();
  const open = () => {
    opening.resolve();
    return opened.promise;
  };
  const late = readText(path, slow({ open }));
  const failed = [silent, late].map((reading) => assert.rejects(reading, FileError));
  await opening.promise;
  await clock.advance(9_999);
  assert.equal(clock.timers, 3);
  await clock.advance(1);
  await Promise.all(failed);
  assert.equal(await reasonOf(silent), "was not read within 10000 ms");
  assert.equal(await kind, "unresponsive");
  assert.equal(clock.timers, 0);
  // The answers come after all: nothing is left open, and the caller does not notice.
  stat.reject(new Error("too late"));
  const file = await Deno.open(path);
  const closed = Promise.withResolvers<void>();
  opened.resolve(Object.assign(file, {
    [Symbol.dispose]: () => {
      file.close();
      closed.resolve();
    },
  }));
  await closed.promise;
});

Deno.test("readText() opens nothing once it has been given up", async () => {
  await using folder = await TempFolder.make();
  const path = await folder.write("file", "text");
  const clock = new VirtualClock();
  const answered = Promise.withResolvers<void>();
  const opened: unknown[] = [];
  const system = {
    stat: async () => {
      await answered.promise;
      return await Deno.stat(path);
    },
    open: (file: string | URL) => {
      opened.push(file);
      return Deno.open(file);
    },
  };
  const failed = assert.rejects(readText(path, { clock, system, deadlineMs: 5 }), FileError);
  await clock.advance(5);
  await failed;
  answered.resolve();
  // The answer arrives in a turn of its own; what would follow comes before that of a later question.
  await Deno.stat(path);
  await settled();
  assert.deepEqual(opened, []);
});

Deno.test("fileKind() distinguishes files, folders and pipes", async () => {
  await using folder = await TempFolder.make();
  assert.equal(await fileKind(await folder.write("file", "")), "file");
  assert.equal(await fileKind(folder.path), "directory");
  assert.equal(await fileKind(await folder.pipe("pipe")), "other");
  assert.equal(await fileKind(folder.file("none")), "missing");
});

Deno.test("requireRegularFile() refuses what would block, and leaves the rest to the caller", async () => {
  await using folder = await TempFolder.make();
  const pipe = await folder.pipe("pipe");
  assert.throws(() => requireRegularFile(pipe), /^FileError: is a pipe, not a regular file$/);
  requireRegularFile(await folder.write("file", ""));
  requireRegularFile(folder.file("none"));
});
