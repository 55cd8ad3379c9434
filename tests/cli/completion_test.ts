// The completion scripts as shells use them.
import assert from "node:assert/strict";
import { completionScript, describeProgram, SHELLS } from "../../src/cli/completion.ts";
import { ProgramProcess } from "../e2e/server_process.ts";
import { TempFolder } from "../support/temp.ts";
import { Command, Option } from "commander";

async function scriptFor(shell: string): Promise<string> {
  await using process = new ProgramProcess(["completion", shell]);
  assert.equal((await process.ended()).code, 0, process.text);
  return process.text;
}

/** What bash offers after these words, in a folder of its own with two files. */
async function offered(folder: TempFolder, script: string, ...words: string[]): Promise<string[]> {
  const line = ["external-server", ...words];
  const text = `${script}
compopt() { :; }
COMP_WORDS=(${line.map((word) => `'${word}'`).join(" ")})
COMP_CWORD=${line.length - 1}
_external_server
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const file = await folder.write(".script", text);
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["--norc", file],
    cwd: folder.path,
  }).output();
  const decoder = new TextDecoder();
  assert.ok(success, decoder.decode(stderr));
  assert.equal(decoder.decode(stderr), "");
  return decoder.decode(stdout).split("\n").filter((word) => word !== "").sort();
}

Deno.test("completion bash completes commands, options and files", async () => {
  await using folder = await TempFolder.make();
  await folder.write("car.json", "");
  await folder.write("ca.pem", "");
  const script = await scriptFor("bash");
  const offer = (...words: string[]) => offered(folder, script, ...words);
  assert.deepEqual(await offer("sim"), ["simulate"]);
  assert.deepEqual(await offer("c"), ["ca.pem", "car.json", "check", "completion"]);
  assert.deepEqual(await offer("--ve"), ["--version"]);
  assert.deepEqual(await offer("--c"), ["--ca", "--cert", "--config"]);
  assert.deepEqual(await offer("config.json", "--ca", "ca."), ["ca.pem"]);
  assert.deepEqual(await offer("check", "car"), ["car.json"]);
  assert.deepEqual(await offer("check", "--t"), ["--tls"]);
  assert.deepEqual(await offer("demo", "--"), ["--cars", "--help", "--seconds"]);
  assert.deepEqual(await offer("demo", "--cars", ""), []);
  assert.deepEqual(await offer("simulate", "--du"), ["--duplicate"]);
  assert.deepEqual(await offer("simulate", "-c", "car"), ["car.json"]);
  assert.deepEqual(await offer("completion", ""), [...SHELLS].sort());
  assert.deepEqual(await offer("schema", ""), []);
});

Deno.test("completion names every command and option that help names", async () => {
  await using help = new ProgramProcess(["simulate", "--help"]);
  await help.ended();
  const options = [...help.text.matchAll(/^\s+(?:-\w, )?--([\w-]+)/gm)].map(([, name]) => name);
  assert.ok(options.length > 20);
  for (const shell of SHELLS) {
    const script = await scriptFor(shell);
    for (const name of options) {
      assert.ok(script.includes(shell === "fish" ? `-l ${name}` : `--${name}`), `${shell} ${name}`);
    }
  }
});

Deno.test("completion refuses a shell it does not know with 2", async () => {
  await using process = new ProgramProcess(["completion", "tcsh"]);
  assert.equal((await process.ended()).code, 2);
  assert.match(process.text, /bash, zsh, fish/);
});

for (const shell of SHELLS) {
  Deno.test(`completionScript() quotes what people write for ${shell}`, () => {
    const program = new Command("external-server").description("it's [one]: the program");
    program.command("run").description("it's [two]: a command");
    program.addOption(new Option("--kind <kind>", "that's [it]").choices(["one", "two"]));
    const script = completionScript(shell, describeProgram(program));
    assert.match(script, /one two/);
    // Every quote that is opened is closed.
    const { success } = new Deno.Command("bash", { args: ["-n", "-c", script] }).outputSync();
    if (shell === "bash") assert.ok(success);
    assert.equal((script.replaceAll("\\'", "").match(/'/g) ?? []).length % 2, 0);
  });
}

Deno.test("help of each command ends with examples of it", async () => {
  await using help = new ProgramProcess(["--help"]);
  await help.ended();
  const list = help.text.slice(help.text.indexOf("Commands:"), help.text.indexOf("Examples:"));
  const commands = [...list.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name ?? "");
  assert.ok(commands.includes("completion"), list);
  await Promise.all(
    commands.filter((name) => name !== "help").map(async (name) => {
      await using process = new ProgramProcess([name, "--help"]);
      await process.ended();
      assert.match(process.text, new RegExp(`Examples:\\n +external-server ${name}`), name);
    }),
  );
});
