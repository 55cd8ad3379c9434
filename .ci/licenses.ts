// The licenses of everybody else's code in a bundle, from the packages it was made of.
//
// The bundler puts the path of each file before what it took from it: what is not there was left
// out, and its license is not our users' concern.
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/** How files of licenses are called. */
const LICENSE_FILE = /^(licen[cs]e|copying|notice)(\.(md|txt))?$/i;
/** A line of the bundler's. */
const ORIGIN = /^\/\/ (\S+\.(?:[cm]?[jt]s|json))$/gm;

const EXECUTABLE =
  `External Server is published under the Apache License 2.0. Its executable also contains

- the Deno runtime, https://github.com/denoland/deno, MIT License, Copyright the Deno authors, and
  with it V8, https://v8.dev, BSD 3-Clause License, Copyright the V8 project authors;
- the npm packages below.
`;

/** A license is missing, or it is not known which there should be. */
export class LicenseError extends Error {
  override readonly name = "LicenseError";
}

interface Package {
  readonly name: string;
  readonly version: string;
  readonly license?: string;
  readonly folder: string;
}

/**
 * Returns the names, versions and license texts of all packages in a bundle.
 *
 * @param folder where the bundle is
 * @param root the folder the bundler ran in: what lies in it is our own
 * @param header what stands above them
 * @throws {LicenseError} when a package has no license text, or no package is found
 */
export async function licensesOf(
  folder: string,
  root: string,
  header = EXECUTABLE,
): Promise<string> {
  const packages = await packagesIn(folder, root);
  if (packages.length === 0) throw new LicenseError("The bundle does not say what it is made of");
  const texts = await Promise.all(packages.map(licenseText));
  return [header, ...texts].join(`\n${"-".repeat(80)}\n\n`);
}

async function packagesIn(folder: string, root: string): Promise<Package[]> {
  const found = new Map<string, Package>();
  const known = new Map<string, Promise<Package | undefined>>();
  for (const file of await readdir(folder)) {
    if (!file.endsWith(".js")) continue;
    const text = await readFile(join(folder, file), "utf8");
    for (const [, origin = ""] of text.matchAll(ORIGIN)) {
      const path = join(root, origin);
      if (!relative(root, path).startsWith("..") && !path.includes("/node_modules/")) continue;
      const start = dirname(path);
      const looked = known.get(start) ?? packageOf(start);
      known.set(start, looked);
      const one = await looked;
      if (one === undefined) throw new LicenseError(`No package has the file "${path}"`);
      found.set(`${one.name}@${one.version}`, one);
    }
  }
  return [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

/** The package a folder belongs to; the packages' own inner package.json have no version. */
async function packageOf(start: string): Promise<Package | undefined> {
  for (let folder = start; folder !== dirname(folder); folder = dirname(folder)) {
    const text = await readFile(join(folder, "package.json"), "utf8").catch(() => "{}");
    const { name, version, license } = JSON.parse(text) as Partial<Package>;
    if (name && version) {
      return { name, version, folder, ...(license === undefined ? {} : { license }) };
    }
  }
  return undefined;
}

async function licenseText({ name, version, license, folder }: Package): Promise<string> {
  const files = (await readdir(folder)).filter((file) => LICENSE_FILE.test(file)).sort();
  if (files.length === 0) throw new LicenseError(`Package "${name}" has no license text`);
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
  const kind = typeof license === "string" ? ` (${license})` : "";
  return `${name} ${version}${kind}\n\n${texts.map((text) => text.trim()).join("\n\n")}\n`;
}
