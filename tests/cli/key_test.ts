// `key new`: what it prints lets in, and only the key itself is a secret.
import assert from "node:assert/strict";
import { denialOf } from "../../src/internal_server/tokens.ts";
import { runProgram } from "../../src/cli/program.ts";
import { Fixture } from "../http/fixture.ts";
import { documented, load } from "../config/support.ts";
import { BUTTON } from "../internal_server/support.ts";

async function run(...args: string[]): Promise<{ status: number; lines: string[] }> {
  const lines: string[] = [];
  const add = (line: string) => lines.push(line);
  const status = await runProgram(["key", ...args], {
    output: { out: add, err: add },
    stop: new AbortController().signal,
    onReload: () => () => {},
    onDefect: add,
  });
  return { status, lines };
}

Deno.test("key new prints a key that its entry in the configuration lets in", async () => {
  const { status, lines } = await run("new", "--name", "wall", "--scope", "read");
  assert.equal(status, 0);
  const [, key = "", , entry] = lines.map((line) => line.trim());
  assert.match(key, /^es_[\w-]{43}$/);
  const { config } = load(documented({ http: { keys: JSON.parse(`{${entry}}`) } }));
  assert.doesNotMatch(JSON.stringify(config), new RegExp(key));
  await using fixture = await Fixture.start({
    http: { ...config.http, port: 0, apiKey: undefined } as never,
  });
  const headers = { "x-api-key": key };
  const answer = await fixture.bare("/login", { headers });
  assert.deepEqual(await answer.json(), { name: "wall", scope: "read", csrfToken: null });
  const again = await run("new", "--name", "wall", "--scope", "read");
  assert.notEqual(again.lines[1]?.trim(), key);
});

Deno.test("key new makes the token of a device", async () => {
  const { status, lines } = await run("new", "--device", "1000/0/button");
  assert.equal(status, 0);
  const [, token = "", , entry] = lines.map((line) => line.trim());
  assert.match(token, /^esd_[\w-]{43}$/);
  const tokens = JSON.parse(`{${entry}}`);
  assert.deepEqual(Object.keys(tokens), ["1000/0/button"]);
  const device = { ...BUTTON, deviceType: 0 };
  const asked = (given: string) =>
    denialOf({ kind: "device_connect", device, token: given }, { tokens });
  assert.equal(asked(token), undefined);
  assert.equal(asked(`${token}x`), "its token is wrong");
});

Deno.test("key new says what is wrong with its options", async () => {
  const wrong = {
    "name: expected 1 to 64 letters": ["new", "--name", "a b", "--scope", "read"],
    'not api_key: found "api_key"': ["new", "--name", "api_key", "--scope", "read"],
    "Allowed choices are read, operate, admin": ["new", "--name", "a", "--scope", "root"],
    "required option '--name <name>' not specified": ["new", "--scope", "read"],
    'module/type/role, as in 1000/0/button: found "lamp"': ["new", "--device", "lamp"],
    "--device: expected neither --name nor --scope": ["new", "--device", "1/0/a", "--name", "a"],
    "required option '--scope <scope>' not specified": ["new", "--name", "a"],
    "Allowed choices are new": ["old", "--name", "a", "--scope", "read"],
  };
  for (const [reason, args] of Object.entries(wrong)) {
    const { status, lines } = await run(...args);
    assert.equal(status, 2, reason);
    assert.ok(lines.join("\n").includes(reason), lines.join("\n"));
  }
});
