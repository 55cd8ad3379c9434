// The npm package of the Internal Client: installed by npm, checked by TypeScript, run by Node.js.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import config from "../../deno.json" with { type: "json" };
import { ScriptedGateway } from "../internal_client/scripted_gateway.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { needsBundler } from "./trials.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

const USER = `
import { InternalClient, NoCommand, jsonDevice, type ClientState } from "fleet-internal-client";

await using client = await InternalClient.connect({
  port: Number(process.argv[2]),
  module: 1000,
  type: 0,
  role: "button",
  name: "front button",
});
try {
  client.lastCommand();
} catch (error) {
  console.log(error instanceof NoCommand);
}
const button = jsonDevice<{ pressed: boolean }, { lit: boolean }>(client);
const command = await button.sendStatus({ pressed: true });
const state: ClientState = client.state;
console.log(command?.lit, state.kind);
`;

async function run(command: string, args: string[], cwd: string): Promise<string> {
  const child = new Deno.Command(command, { args, cwd, env: { NO_COLOR: "1" } }).output();
  const { code, stdout, stderr } = await waitFor(child, `${command} to end`, 120_000);
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert.equal(code, 0, `${command} ${args.join(" ")}: ${out}${err}`);
  return out ?? "";
}

Deno.test({
  name: `the package can be installed and used with Node.js${
    needsBundler === false ? "" : ` [skipped: no ${needsBundler}]`
  }`,
  ignore: needsBundler !== false,
  async fn() {
    await using folder = await TempFolder.make();
    const made = folder.file("made");
    await run(
      Deno.execPath(),
      ["run", "-A", "--no-check", ".ci/package.ts", "--only", "internal-client", "--output", made],
      ROOT,
    );
    await run("npm", ["pack", "--silent", "--pack-destination", folder.path], made);
    const archive = folder.file(`fleet-internal-client-${config.version}.tgz`);
    const contents = await run("tar", ["-tzf", archive], folder.path);
    const files = ["README.md", "LICENSE", "THIRD_PARTY_LICENSES", "index.js", "index.js.map"];
    for (const file of files) assert.ok(contents.includes(`package/${file}\n`), file);
    await folder.write("package.json", JSON.stringify({ type: "module", private: true }));
    await run("npm", ["install", "--silent", "--offline", "--no-audit", archive], folder.path);

    const source = await folder.write("user.ts", USER);
    const program = ts.createProgram([source], {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
      strict: true,
      outDir: folder.path,
      types: [],
    });
    const problems = ts.getPreEmitDiagnostics(program)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "))
      // What Node.js brings is not what is checked here.
      .filter((text) => !text.includes("'process'"));
    assert.deepEqual(problems, []);
    program.emit();

    await using gateway = await ScriptedGateway.start();
    const running = run("node", [join(folder.path, "user.js"), `${gateway.port}`], folder.path);
    const peer = await gateway.peer();
    await peer.accept();
    assert.equal(await peer.answer('{"lit":true}'), '{"pressed":true}');
    assert.equal(await running, "true\ntrue connected\n");
    await waitFor(peer.closed, "the client to close its connection");
  },
});
