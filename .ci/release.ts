// Makes what is published: `deno task release [--output FOLDER] [--target TRIPLE]`.
//
// For each target one archive with the executable, example configurations with their JSON Schema,
// the systemd unit, the documentation, license and the licenses of what is inside; and SHA256SUMS
// over all of them. A target that cannot be made here is named, and makes the release fail: it would not be
// whole. `--target` asks for one. Each target needs a base runtime, see base_runtime.ts.
import { createHash } from "node:crypto";
import { join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { compile, CompileError, HERE, LICENSES, option, ROOT, say } from "./compile.ts";

/** Platforms as Deno names them, and as the archives do. */
const TARGETS: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "linux-x86_64",
  "aarch64-unknown-linux-gnu": "linux-aarch64",
};

/** Beside the executable. */
const FILES = ["config", "docs", "README.md", "CHANGELOG.md", "LICENSE"];

/** Makes the archive of a target in a folder, and returns its name. */
async function archive(target: string, output: string): Promise<string> {
  const name = `external-server-${config.version}-${TARGETS[target]}`;
  const folder = await Deno.makeTempDir({ prefix: "external-server-release-" });
  try {
    const content = join(folder, name);
    await compile({ output: join(content, "external-server"), target });
    await Deno.stat(join(content, LICENSES)).catch((cause) => {
      throw new CompileError(`Cannot release for ${target}: no ${LICENSES}`, { cause });
    });
    await run("cp", ["-r", ...FILES.map((file) => join(ROOT, file)), content]);
    // Whoever packs the same files gets the same archive, but for the time in the executable.
    const same = ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=u+w,go=rX"];
    await run("tar", [...same, "-C", folder, "-czf", join(output, `${name}.tar.gz`), name]);
    return `${name}.tar.gz`;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function run(command: string, args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args }).output();
  if (!success) throw new Error(`Cannot run "${command}": ${new TextDecoder().decode(stderr)}`);
}

/** Returns the targets that could not be made, with the reason. */
async function release(targets: readonly string[], output: string): Promise<string[]> {
  await Deno.mkdir(output, { recursive: true });
  const missing: string[] = [];
  let sums = "";
  for (const target of targets) {
    try {
      const name = await archive(target, output);
      const bytes = await Deno.readFile(join(output, name));
      sums += `${createHash("sha256").update(bytes).digest("hex")}  ${name}\n`;
      say(`${join(output, name)} (${(bytes.length / 1e6).toFixed(0)} MB)`);
    } catch (error) {
      if (!(error instanceof CompileError)) throw error;
      missing.push(`${target}: ${error.message}`);
    }
  }
  await Deno.writeTextFile(join(output, "SHA256SUMS"), sums);
  return missing;
}

if (import.meta.main) {
  const wanted = option("--target");
  const targets = wanted === undefined ? Object.keys(TARGETS) : [wanted];
  if (wanted !== undefined && TARGETS[wanted] === undefined) {
    say(`--target: Expected one of ${Object.keys(TARGETS).join(", ")}: found "${wanted}"`);
    Deno.exitCode = 1;
  } else {
    const missing = await release(targets, option("--output") ?? join(ROOT, "dist/release"));
    for (const line of missing) say(`Not made here: ${line}`);
    if (missing.length > 0) {
      say(`Made ${targets.length - missing.length} of ${targets.length} targets on ${HERE}`);
      Deno.exitCode = 1;
    }
  }
}
