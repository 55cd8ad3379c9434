// The npm package of module types: a module that was written with it is checked by TypeScript.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const EXAMPLES = ["example_module.ts", "gateway_module.ts"];

function problemsOf(files: readonly string[]): string[] {
  const program = ts.createProgram([...files], {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts", "lib.dom.asynciterable.d.ts"],
    strict: true,
    noEmit: true,
    types: [],
  });
  return ts.getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
}

Deno.test("The package of module types checks modules", async () => {
  await using folder = await TempFolder.make();
  const output = folder.file("node_modules/fleet-module");
  const args = ["run", "-A", "--no-check", ".ci/package.ts"];
  const made = new Deno.Command(Deno.execPath(), {
    args: [...args, "--only", "fleet-module", "--output", output],
    cwd: ROOT,
  }).output();
  const { success, stderr } = await waitFor(made, "the package", 120_000);
  assert.ok(success, new TextDecoder().decode(stderr));
  const files = [...Deno.readDirSync(output)].map(({ name }) => name).sort();
  assert.deepEqual(files, ["LICENSE", "README.md", "index.js", "package.json", "types"]);

  await folder.write("package.json", JSON.stringify({ type: "module", private: true }));
  const examples = await Promise.all(EXAMPLES.map(async (name) => {
    const text = await Deno.readTextFile(join(ROOT, "examples/module-ts", name));
    return await folder.write(name, text);
  }));
  assert.deepEqual(problemsOf(examples), []);

  const [example = ""] = examples;
  const text = await Deno.readTextFile(example);
  const wrong = await folder.write("wrong.ts", text.replace("commandAck()", "commandAcked()"));
  assert.match(problemsOf([wrong]).join("\n"), /'commandAck' is missing/);
});
