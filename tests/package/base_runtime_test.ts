// That an executable is for the machine that its target names, whatever base runtime it is made of.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  BaseRuntimeError,
  checkExecutable,
  compilerEnvironment,
  downloadProblem,
} from "../../.ci/base_runtime.ts";
import config from "../../deno.json" with { type: "json" };
import { TempFolder } from "../support/temp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MACHINES = { x86_64: 62, aarch64: 183 } as const;
type Architecture = keyof typeof MACHINES;

const OWN: Architecture = Deno.build.arch;
const OTHER: Architecture = OWN === "x86_64" ? "aarch64" : "x86_64";

function target(architecture: Architecture): string {
  return `${architecture}-unknown-linux-gnu`;
}

/** Puts the beginning of an executable into a file. */
async function elf(folder: TempFolder, architecture: Architecture): Promise<string> {
  const header = new Uint8Array(64);
  const view = new DataView(header.buffer);
  view.setUint32(0, 0x7f454c46);
  view.setUint16(18, MACHINES[architecture], true);
  const path = folder.file(architecture);
  await Deno.writeFile(path, header);
  return path;
}

Deno.test("compilerEnvironment() takes the base runtime of the target's machine", async () => {
  await using folder = await TempFolder.make();
  const own = await elf(folder, OWN);
  const other = await elf(folder, OTHER);
  const variables = { HOME: "/home", DENORT_BIN: own };
  assert.deepEqual(compilerEnvironment(target(OWN), variables), variables);
  // The one for this machine is never packed for another; the compiler looks for its own.
  assert.deepEqual(compilerEnvironment(target(OTHER), variables), { HOME: "/home" });
  assert.deepEqual(compilerEnvironment("aarch64-apple-darwin", variables), { HOME: "/home" });
  const foreign = { DENORT_BIN: other };
  assert.deepEqual(compilerEnvironment(target(OTHER), foreign), foreign);
  const named = { ...variables, [`DENORT_BIN_${OTHER.toUpperCase()}`]: other };
  assert.equal(compilerEnvironment(target(OTHER), named).DENORT_BIN, other);
  assert.equal(compilerEnvironment(target(OWN), named).DENORT_BIN, own);
});

Deno.test("compilerEnvironment() refuses a base runtime for another machine, or none", async () => {
  await using folder = await TempFolder.make();
  const own = await elf(folder, OWN);
  const other = await elf(folder, OTHER);
  const variable = `DENORT_BIN_${OTHER.toUpperCase()}`;
  assert.throws(
    () => compilerEnvironment(target(OTHER), { [variable]: own }),
    new BaseRuntimeError(
      `${variable}: Expected an ELF file for ${OTHER}: found ${OWN} ("${own}")`,
    ),
  );
  assert.throws(
    () => compilerEnvironment(target(OWN), { DENORT_BIN: other }),
    new RegExp(`DENORT_BIN: Expected an ELF file for ${OWN}: found ${OTHER}`),
  );
  const text = await folder.write("text", "#!/bin/sh\n");
  for (const path of [text, folder.file("absent")]) {
    assert.throws(
      () => compilerEnvironment(target(OWN), { DENORT_BIN: path }),
      /found no ELF file/,
    );
  }
  checkExecutable(own, target(OWN));
  assert.throws(() => checkExecutable(own, target(OTHER)), /The executable: Expected an ELF file/);
});

Deno.test("downloadProblem() says in the server's words why there is no base runtime", () => {
  const url = "https://dl.deno.land/release/v2.9.6/denort-x86_64-unknown-linux-gnu.zip";
  const said = (why: string) =>
    `error: Writing deno compile executable 1: error sending request for url (${url}): ${why}`;
  const unknown = "client error (Connect): dns error: failed to lookup address information: " +
    "Name or service not known";
  assert.equal(
    downloadProblem(said(unknown), "x86_64-unknown-linux-gnu"),
    `Cannot download the base runtime from "${url}": host name not found. ` +
      "Let this machine reach that server, or name a base runtime with DENORT_BIN_X86_64",
  );
  const refused = "client error (Connect): tcp connect error: Connection refused (os error 111)";
  assert.match(
    downloadProblem(said(refused), "aarch64-unknown-linux-gnu") ?? "",
    /: connection refused\. .*DENORT_BIN_AARCH64$/,
  );
  assert.equal(downloadProblem("error: something else", "x86_64-unknown-linux-gnu"), undefined);
});

/** Where the tests know that a program can be compiled, they have one. */
const COMPILES = Deno.env.has("EXTERNAL_SERVER_BINARY");
const RUNTIME = COMPILES ? Deno.env.get("DENORT_BIN") : undefined;

Deno.test({
  name: `one release has an archive for each target that there is a base runtime for${
    RUNTIME === undefined ? " [skipped: no base runtime]" : ""
  }`,
  ignore: RUNTIME === undefined,
  async fn() {
    await using folder = await TempFolder.make();
    // Says that it is for the other machine: what it is made into is not run here.
    const bytes = await Deno.readFile(RUNTIME ?? "");
    new DataView(bytes.buffer).setUint16(18, MACHINES[OTHER], true);
    const other = folder.file("other");
    await Deno.writeFile(other, bytes);
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", ".ci/release.ts", "--output", folder.file("release")],
      cwd: ROOT,
      env: { [`DENORT_BIN_${OTHER.toUpperCase()}`]: other },
    });
    const { code, stderr } = await command.output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    for (const architecture of [OWN, OTHER]) {
      const name = `external-server-${config.version}-linux-${architecture}`;
      const { success } = await new Deno.Command("tar", {
        args: ["-xzf", `release/${name}.tar.gz`, `${name}/external-server`],
        cwd: folder.path,
      }).output();
      assert.ok(success, name);
      checkExecutable(folder.file(`${name}/external-server`), target(architecture));
    }
  },
});
