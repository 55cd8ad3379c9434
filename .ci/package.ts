// Makes our npm packages: `deno task package [--output FOLDER] [--only NAME]`.
//
// Each is one ES module with its source map and no dependencies, type declarations, license and the
// licenses of what is inside; or type declarations alone.
import { cp } from "node:fs/promises";
import { dirname, join, normalize, relative } from "node:path";
import ts from "typescript";
import config from "../deno.json" with { type: "json" };
import { LICENSES, option, ROOT, say } from "./compile.ts";
import { licensesOf } from "./licenses.ts";

const SRC = join(ROOT, "src");

interface Package {
  readonly name: string;
  readonly description: string;
  /** In src/, with a README.md beside it. */
  readonly entry: string;
  /** What stands above the licenses of what is inside; absent: it has types alone. */
  readonly header?: string;
}

/** By folder. */
const PACKAGES: Readonly<Record<string, Package>> = {
  "internal-client": {
    name: "fleet-internal-client",
    description: "Connects a device to the Module Gateway of its car: Fleet Protocol v2",
    entry: "internal_client/mod.ts",
    header: "The Internal Client is published under the Apache License 2.0. It contains the npm " +
      "packages below.\n",
  },
  "fleet-module": {
    name: "fleet-module",
    description: "Types of modules in TypeScript for the External Server and Module Gateway",
    entry: "fleet_module/mod.ts",
  },
};

/** Makes a package in a folder, which is replaced. */
async function makePackage({ entry, header, ...about }: Package, output: string): Promise<void> {
  await Deno.remove(output, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(output, { recursive: true });
  const index = join(output, "index.js");
  if (header === undefined) await Deno.writeTextFile(index, "export {};\n");
  else {
    await bundle(entry, index);
    await Deno.writeTextFile(join(output, LICENSES), await licensesOf(output, ROOT, header));
  }
  await declare(entry, join(output, "types"));
  const types = `./types/${entry.replace(".ts", ".d.ts")}`;
  const manifest = {
    ...about,
    version: config.version,
    license: config.license,
    type: "module",
    exports: { ".": { types, default: "./index.js" } },
    engines: { node: ">=20" },
    files: ["index.js", "types", ...(header === undefined ? [] : ["index.js.map", LICENSES])],
  };
  await Deno.writeTextFile(join(output, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  await cp(join(ROOT, "LICENSE"), join(output, "LICENSE"));
  await cp(join(dirname(join(SRC, entry)), "README.md"), join(output, "README.md"));
}

async function bundle(entry: string, file: string): Promise<void> {
  const options = ["--quiet", "--platform", "deno", "--sourcemap", "linked", "--output", file];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", ...options, join(SRC, entry)],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(`Cannot bundle ${entry}: ${new TextDecoder().decode(stderr)}`);
}

/** Writes the declarations of the entry, and of all that they mention. */
async function declare(entry: string, folder: string): Promise<void> {
  const declared = new Map<string, string>();
  ts.createProgram([join(SRC, entry)], {
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
  const waiting = [entry.replace(".ts", ".d.ts")];
  for (const file of waiting) {
    const text = declared.get(file);
    if (text === undefined) throw new Error(`Cannot declare ${entry}: expected "${file}"`);
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
  const only = option("--only");
  const output = option("--output");
  for (const [folder, made] of Object.entries(PACKAGES)) {
    if (only !== undefined && only !== folder) continue;
    const target = only === undefined || output === undefined
      ? join(output ?? join(ROOT, "dist"), folder)
      : output;
    await makePackage(made, target);
    say(target);
  }
}
