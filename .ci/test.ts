// Runs tests: `deno task test [PATH...] [--coverage] [OPTION...]`.
//
// A path is looked up in the project, then in tests/; without one, every test runs. Options are those
// of `deno test`, written as one word (--filter=NAME). --coverage[=FOLDER] prints a table, and
// writes pages for a browser to html/ in that folder, dist/coverage by default.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const COVERAGE = /^--coverage(?:=(.+))?$/;
const FLAGS = ["--no-prompt", "--allow-all", "--no-check", "--parallel"];

/** Where tests may be, before any other place. */
function findTest(path: string): string | undefined {
  return [resolve(ROOT, path), join(ROOT, "tests", path)].find((one) => existsSync(one));
}

async function deno(args: readonly string[], env: Record<string, string> = {}): Promise<number> {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], cwd: ROOT, env });
  return (await command.spawn().status).code;
}

async function main(args: readonly string[]): Promise<number> {
  const options = args.filter((arg) => arg.startsWith("-") && !COVERAGE.test(arg));
  const paths: string[] = [];
  for (const path of args.filter((arg) => !arg.startsWith("-"))) {
    const found = findTest(path);
    if (found === undefined) {
      // deno-lint-ignore no-console -- a script's problems belong on standard error
      console.error(`Cannot find the test "${path}": neither in "${ROOT}" nor in its "tests"`);
      return 1;
    }
    paths.push(found);
  }
  const tests = paths.length > 0 ? paths : ["tests/"];
  const test = ["test", ...FLAGS, ...options];
  const covered = args.map((arg) => COVERAGE.exec(arg)).find((found) => found !== null);
  if (covered === undefined) return await deno([...test, ...tests]);
  const folder = resolve(ROOT, covered[1] ?? "dist/coverage");
  if (existsSync(folder)) await Deno.remove(folder, { recursive: true });
  // By the environment, programs that tests start are covered as well.
  const env = { DENO_COVERAGE_DIR: folder };
  const code = await deno([...test, "--coverage-raw-data-only", ...tests], env);
  const coverage = ["coverage", `--include=^file://${ROOT}src/`];
  const table = await deno([...coverage, folder]);
  const pages = await deno([...coverage, "--html", folder]);
  return code || table || pages;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
