// A disk that can really be full: a small tmpfs, where one can be mounted.
import assert from "node:assert/strict";
import { TempFolder } from "./temp.ts";

async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  const options = { args, stdout: "null", stderr: "null" } as const;
  try {
    return (await new Deno.Command(command, options).output()).success;
  } catch {
    return false;
  }
}

/** A disk of so many bytes, as `mount` takes them; `await using`. Undefined: this user may not mount one. */
export async function smallDisk(
  size = "1m",
): Promise<(AsyncDisposable & { readonly path: string }) | undefined> {
  const folder = await TempFolder.make();
  const { path } = folder;
  if (!await succeeds("mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path)) {
    await folder[Symbol.asyncDispose]();
    return undefined;
  }
  return {
    path,
    async [Symbol.asyncDispose]() {
      assert.ok(await succeeds("umount", path), `Cannot unmount ${path}`);
      await folder[Symbol.asyncDispose]();
    },
  };
}

export const canMount = await (async () => {
  await using disk = await smallDisk();
  return disk !== undefined;
})();
