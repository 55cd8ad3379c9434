// The code cites the rules of docs/protocol.md by their ids: each one must be there.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const CITING = ["src", "tests", "bench", "examples", "proto", ".ci", "docs", "config", "README.md"];
const TEXT = /\.(ts|js|c|h|md|json|proto|html|service)$/;
const ID = "[A-Z]{2,}(?:-[A-Z0-9]+)+";

/** Every text file below a path, generated folders left out. */
function* textsBelow(path: string): Generator<[file: string, text: string]> {
  if (!Deno.statSync(join(ROOT, path)).isDirectory) {
    if (TEXT.test(path)) yield [path, Deno.readTextFileSync(join(ROOT, path))];
    return;
  }
  for (const { name } of Deno.readDirSync(join(ROOT, path))) {
    if (name !== "build" && name !== "node_modules") yield* textsBelow(`${path}/${name}`);
  }
}

function idsIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, id = ""]) => id);
}

const protocol = Deno.readTextFileSync(join(ROOT, "docs/protocol.md"));
const defined = idsIn(protocol, new RegExp(`\\*\\*\\[(${ID})\\]\\*\\*`, "g"));

Deno.test("docs/protocol.md gives each rule an id of its own", () => {
  assert.ok(defined.length > 80, `${defined.length} rules`);
  const twice = defined.filter((id, index) => defined.indexOf(id) !== index);
  assert.deepEqual(twice, []);
});

Deno.test("every rule that is cited anywhere stands in docs/protocol.md", () => {
  const known = new Set(defined);
  const unknown: string[] = [];
  let cited = 0;
  for (const path of CITING) {
    for (const [file, text] of textsBelow(path)) {
      for (const id of idsIn(text, new RegExp(`\\[(${ID})\\]`, "g"))) {
        cited++;
        if (!known.has(id)) unknown.push(`${file}: [${id}]`);
      }
    }
  }
  assert.deepEqual(unknown, []);
  assert.ok(cited > 150, `${cited} citations`);
});

Deno.test("nothing refers to a section by its number: numbers change, and nobody finds them", () => {
  const numbered: string[] = [];
  for (const path of CITING) {
    for (const [file, text] of textsBelow(path)) {
      for (const [reference] of text.matchAll(/\bsections? \d[\d.]*/gi)) {
        numbered.push(`${file}: ${reference}`);
      }
    }
  }
  assert.deepEqual(numbered, []);
});
