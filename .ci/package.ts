// Makes the npm package of the Internal Client: `deno task package [--output FOLDER]`.
//
// One ES module with its source map and no dependencies, type declarations, license and the licenses
// of what is inside.
import { cp } from "node:fs/promises";
import { dirname, join, normalize, relative } from "node:path";
import ts from "typescript";
import config from "../deno.json" with { type: "json" };
import { LICENSES, option, ROOT, say } from "./compile.ts";
import { licensesOf } from "./licenses.ts";

const SRC = join(ROOT, "src");
const ENTRY = "internal_client/mod.ts";

/** What the program's folder and the package are called. */
const PACKAGE = {
  name: "fleet-internal-client",
  version: config.version,
  description: "Connects a device to the Module Gateway of its car: Fleet Protocol v2",
  license: config.license,
  type: "module",
  exports: { ".": { types: `./types/${ENTRY.replace(".ts", ".d.ts")}`, default: "./index.js" } },
  engines: { node: ">=20" },
  files: ["index.js", "index.js.map", "types", LICENSES],
};

const HEADER =
  "The Internal Client is published under the Apache License 2.0. It contains the npm packages below.\n";

/** Makes the package in a folder, which is replaced. */
export async function makePackage(output: string): Promise<void> {
  await Deno.remove(output, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(output, { recursive: true });
  await bundle(join(output, "index.js"));
  await Deno.writeTextFile(join(output, LICENSES), await licensesOf(output, ROOT, HEADER));
  await declare(join(output, "types"));
  await Deno.writeTextFile(join(output, "package.json"), `${JSON.stringify(PACKAGE, null, 2)}\n`);
  await cp(join(ROOT, "LICENSE"), join(output, "LICENSE"));
  await cp(join(dirname(join(SRC, ENTRY)), "README.md"), join(output, "README.md"));
}

async function bundle(file: string): Promise<void> {
  const options = ["--quiet", "--platform", "deno", "--sourcemap", "linked", "--output", file];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", ...options, join(SRC, ENTRY)],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(`Cannot bundle ${ENTRY}: ${new TextDecoder().decode(stderr)}`);
}

/** Writes the declarations of the entry, and of all that they mention. */
async function declare(folder: string): Promise<void> {
  const declared = new Map<string, string>();
  ts.createProgram([join(SRC, ENTRY)], {
    allowImportingTsExtensions: true,
    declaration: true,
    emitDeclarationOnly: true,
    lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    // `deno task check` does that.
    noCheck: true,
    rootDir: SRC,
    target: ts.ScriptTarget.ESNext,
    types: [],
  }).emit(undefined, (path, text) => void declared.set(relative(SRC, path), text));
  const waiting = [ENTRY.replace(".ts", ".d.ts")];
  for (const file of waiting) {
    const text = declared.get(file);
    if (text === undefined) throw new Error(`Cannot declare ${ENTRY}: expected "${file}"`);
    const target = join(folder, file);
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeTextFile(target, text.replaceAll(/(from "\.[^"]+)\.ts"/g, '$1.js"'));
    for (const [, specifier = ""] of text.matchAll(/from "(\.[^"]+)\.ts"/g)) {
      const next = `${normalize(join(dirname(file), specifier))}.d.ts`;
      if (!waiting.includes(next)) waiting.push(next);
    }
  }
}

if (import.meta.main) {
  const output = option("--output") ?? join(ROOT, "dist/internal-client");
  await makePackage(output);
  say(output);
}
