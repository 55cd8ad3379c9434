// The completion scripts as shells use them.
import assert from "node:assert/strict";
import { SCHEMAS } from "../../src/cli/schema.ts";
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
  assert.deepEqual(await offer("c"), ["ca.pem", "car.json", "check", "completion", "config"]);
  assert.deepEqual(await offer("--ve"), ["--version"]);
  assert.deepEqual(await offer("--c"), ["--ca", "--cert", "--config", "--config-source"]);
  assert.deepEqual(await offer("config.json", "--ca", "ca."), ["ca.pem"]);
  assert.deepEqual(await offer("check", "car"), ["car.json"]);
  assert.deepEqual(await offer("check", "--t"), ["--tls"]);
  assert.deepEqual(await offer("demo", "--"), [
    "--cars",
    "--event-log",
    "--gateway",
    "--help",
    "--native",
    "--seconds",
  ]);
  assert.deepEqual(await offer("demo", "--cars", ""), []);
  assert.deepEqual(await offer("simulate", "--du"), ["--duplicate"]);
  assert.deepEqual(await offer("simulate", "-c", "car"), ["car.json"]);
  assert.deepEqual(await offer("completion", ""), [...SHELLS].sort());
  assert.deepEqual(await offer("schema", ""), [...SCHEMAS].sort());
  assert.deepEqual(await offer("replay", "ca"), ["ca.pem", "car.json"]);
});

/** Where a script is loaded, and words are completed, in front of two files. */
async function withScript(shell: string, script: (file: string) => string): Promise<string> {
  await using folder = await TempFolder.make();
  await folder.write("car.json", "");
  await folder.write("ca.pem", "");
  const completion = await folder.write(".completion", await scriptFor(shell));
  const file = await folder.write(".script", script(completion));
  const { success, stdout, stderr } = await new Deno.Command("timeout", {
    args: ["30", shell, ...(shell === "zsh" ? ["-f"] : ["--no-config"]), file],
    cwd: folder.path,
    env: { TERM: "dumb", HOME: folder.path },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout);
  assert.ok(success, `${text}${decoder.decode(stderr)}`);
  assert.equal(decoder.decode(stderr), "");
  return text;
}

function missing(shell: string): boolean {
  try {
    return !new Deno.Command(shell, { args: ["--version"], stdout: "null" }).outputSync().success;
  } catch {
    return true;
  }
}

/** Registers a test that is ignored by name where its shell is not installed. */
function shellTest(shell: string, name: string, fn: () => Promise<void>): void {
  const ignore = missing(shell);
  Deno.test({ name: `${name}${ignore ? ` [skipped: no ${shell}]` : ""}`, ignore, fn });
}

shellTest("fish", "completion fish completes commands, options and files", async () => {
  const expected: Readonly<Record<string, readonly string[]>> = {
    "sim": ["simulate"],
    "ca": ["ca.pem", "car.json"],
    "--ve": ["--version"],
    "check car": ["car.json"],
    "check --t": ["--tls"],
    "--ca ca.": ["ca.pem"],
    "simulate --du": ["--duplicate"],
    "simulate -c car": ["car.json"],
    "demo --cars ": [],
    "completion ": [...SHELLS].sort(),
  };
  const text = await withScript("fish", (file) => {
    const asked = Object.keys(expected)
      .map((words) => `echo "? ${words}"; complete -C "external-server ${words}"`);
    return `source ${file}\n${asked.join("\n")}\n`;
  });
  const offers = text.split(/^\? /m).slice(1).map((part) => {
    const [words = "", ...lines] = part.trimEnd().split("\n");
    return [words, lines.map((line) => line.split("\t")[0])] as const;
  });
  for (const [words, offer] of offers) {
    const key = Object.keys(expected).find((each) => each.trimEnd() === words.trimEnd());
    assert.deepEqual(offer, expected[key ?? ""], words);
  }
  assert.equal(offers.length, Object.keys(expected).length, text);
});

shellTest("zsh", "completion zsh completes commands, options and files", async () => {
  // What is typed before the Tab key, and what that brings, seen on a terminal of its own.
  const typed = [
    ["sim", "ulate"],
    ["--ve", "rsion"],
    ["check car", ".json"],
    ["--ca ca.", "pem"],
    ["simulate --du", "plicate"],
    ["completion f", "ish"],
  ] as const;
  const text = await withScript("zsh", (file) =>
    `zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "autoload -Uz compinit; compinit -u -D; source ${file}; print RE''ADY"
zpty -r z out '*READY*'
${
      typed.map(([words, brought]) =>
        `zpty -w -n z $'external-server ${words}\\t'
zpty -r z out '*${brought}*' && print -r -- 'completed ${words}'
zpty -w -n z $'\\x15'`
      ).join("\n")
    }
zpty -d z
`);
  for (const [words] of typed) assert.ok(text.includes(`completed ${words}\n`), text);
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
