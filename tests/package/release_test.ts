// What is published: archives that can be checked, unpacked and run, and a unit systemd takes.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { TempFolder } from "../support/temp.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Where the tests know that a program can be compiled, they have one. */
const COMPILES = Deno.env.has("EXTERNAL_SERVER_BINARY");
const ARCHITECTURE = Deno.build.arch;

async function run(command: string, args: string[], cwd = ROOT): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${text}`);
  return text;
}

function exists(command: string): boolean {
  try {
    return new Deno.Command(command, { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** What the source imports is inside, with texts of its own; what others need, is not. */
async function namesPackages(file: string): Promise<void> {
  const packages = (await Deno.readTextFile(file)).split(/\n-{80}\n\n/).slice(1);
  const names = packages.map((text) => text.slice(0, text.indexOf(" ")));
  const source = await run("grep", ["-rhoE", "--include=*.ts", '(from|import\\() *"[^"]+"', "src"]);
  for (const specifier of Object.keys(config.imports)) {
    const name = /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? "";
    if (new RegExp(`"${RegExp.escape(name)}[/"]`).test(source)) {
      assert.ok(names.includes(name), name);
    }
  }
  for (const name of ["fast-check", "playwright-core"]) assert.ok(!names.includes(name), name);
  // What packages bring along is inside, too.
  assert.ok(names.includes("mqtt-packet") && names.includes("readable-stream"));
  for (const text of packages) {
    assert.match(text, /^\S+ \d+\.\d+\.\d+\S* \(.+\)\n\n/);
    assert.match(text, /permission|license/i);
    assert.ok(text.length > 500, text);
  }
}

Deno.test({
  name: `the release has an archive that can be checked, unpacked and run${
    COMPILES ? "" : " [skipped: no compiled program]"
  }`,
  ignore: !COMPILES,
  async fn() {
    await using folder = await TempFolder.make();
    const target = `${ARCHITECTURE}-unknown-linux-gnu`;
    const options = ["--target", target, "--output", folder.path];
    await run(Deno.execPath(), ["run", "-A", "--no-check", ".ci/release.ts", ...options]);
    const name = `external-server-${config.version}-linux-${ARCHITECTURE}`;
    assert.match(
      await run("sha256sum", ["--check", "SHA256SUMS"], folder.path),
      new RegExp(`${name}\\.tar\\.gz: OK`),
    );
    await run("tar", ["-xzf", `${name}.tar.gz`], folder.path);
    const content = folder.file(name);
    const files = [...Deno.readDirSync(content)].map((entry) => entry.name).sort();
    assert.deepEqual(files, [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "THIRD_PARTY_LICENSES",
      "config",
      "docs",
      "external-server",
    ]);
    await namesPackages(join(content, "THIRD_PARTY_LICENSES"));
    const program = join(content, "external-server");
    assert.ok((await run(program, ["--version"])).startsWith(`external-server ${config.version} `));
    assert.deepEqual(
      JSON.parse(await run(program, ["schema"])),
      JSON.parse(await Deno.readTextFile(join(content, "config/external-server.schema.json"))),
    );
    await Deno.stat(join(content, "config/external-server.service"));
  },
});

Deno.test("the release refuses a target it does not know", async () => {
  const args = ["run", "-A", "--no-check", ".ci/release.ts", "--target", "m68k"];
  const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
  assert.equal(code, 1);
  assert.match(new TextDecoder().decode(stderr), /--target: Expected one of .*: found "m68k"/);
});

const SYSTEMD = exists("systemd-analyze");

Deno.test({
  name: `systemd takes the unit${SYSTEMD ? "" : " [skipped: no systemd-analyze]"}`,
  ignore: !SYSTEMD,
  async fn() {
    await using folder = await TempFolder.make();
    const unit = await Deno.readTextFile(join(ROOT, "config/external-server.service"));
    // It also checks that what is to be started is there.
    const text = unit.replaceAll("/usr/local/bin/external-server", "/bin/true");
    const file = await folder.write("external-server.service", text);
    assert.equal(await run("systemd-analyze", ["verify", "--man=no", file]), "");
    // Of 100; what is left is what the server is for, such as the network.
    await run("systemd-analyze", ["security", "--offline=true", "--threshold=15", file]);
  },
});
