// Modules in TypeScript and JavaScript in a configuration.
import assert from "node:assert/strict";
import { loadConfig } from "../../src/config/load.ts";
import { compareConfigs } from "../../src/config/plan/compare.ts";
import { effectiveDocument } from "../../src/config/plan/effective.ts";
import { TempFolder } from "../support/temp.ts";
import { documented, failure, lines, load } from "./support.ts";

const withModule = (module: Record<string, unknown>) =>
  documented({ common_modules: { "7": module } });

Deno.test("A script has the permissions that its module is granted, and no others", () => {
  const { config } = load(withModule({
    lib_path: "module.ts",
    permissions: {
      net: ["api.example:443"],
      read: ["data", "/etc/ssl"],
      write: [],
      env: ["TOKEN"],
    },
  }));
  const module = config.cars[0]?.modules[0];
  assert.deepEqual(module?.permissions, {
    net: ["api.example:443"],
    read: ["/srv/data", "/etc/ssl"],
    env: ["TOKEN"],
  });
  assert.equal(module?.script?.files[0]?.path, "/srv/module.ts");
  const again = load(JSON.parse(JSON.stringify(effectiveDocument(config, { showSecrets: true }))));
  assert.deepEqual(again.config.cars, config.cars);
  const plain = load(withModule({ lib_path: "module.ts" })).config.cars[0]?.modules[0];
  assert.equal(plain?.permissions, undefined);
});

Deno.test("Permissions are for scripts, and are lists of names", () => {
  const problems = (module: Record<string, unknown>) => lines(failure(withModule(module)).problems);
  assert.deepEqual(problems({ lib_path: "lib.so", permissions: { net: [] } }), [
    "common_modules.7.permissions: Expected permissions only for a module in TypeScript or " +
    "JavaScript: found a shared library",
  ]);
  assert.deepEqual(problems({ lib_path: "module.ts", permissions: { net: true, env: [""] } }), [
    "common_modules.7.permissions.net: Expected a list of hosts, each with a port or without, none " +
    "of them empty: found true",
    "common_modules.7.permissions.env.0: Expected a list of environment variables, none of them " +
    'empty: found the string ""',
  ]);
});

Deno.test("A script with a changed file, or other permissions, is a change of its cars alone", async () => {
  await using folder = await TempFolder.make();
  await folder.write("helper.js", "export const one = 1;");
  await folder.write("module.ts", 'import { one } from "./helper.js"; export default one;');
  await folder.write("other.mjs", "export default 1;");
  const config = async (permissions: Record<string, unknown> = {}) => {
    const cars = {
      a: { specific_modules: { "7": { lib_path: "module.ts", permissions } } },
      b: { specific_modules: { "7": { lib_path: "other.mjs" } } },
    };
    const document = documented({ common_modules: {}, cars });
    const file = await folder.write("config.json", JSON.stringify(document));
    return (await loadConfig(file)).config;
  };
  const before = await config();
  const changes = async (permissions?: Record<string, unknown>) =>
    compareConfigs(before, await config(permissions), { embeddedBroker: false }).changed;
  assert.deepEqual(await changes(), []);
  const [permitted, ...others] = await changes({ net: ["example.com"] });
  assert.deepEqual([permitted?.car, others.length], ["a", 0]);
  await folder.write("helper.js", "export const one = 2;");
  const [changed, ...more] = await changes();
  assert.deepEqual([changed?.car, more.length], ["a", 0]);
  assert.match(JSON.stringify(changed), /content of lib_path/);
});

Deno.test("A script that cannot be run is a problem of the configuration, with its place", async () => {
  await using folder = await TempFolder.make();
  const problem = async (text: string) => {
    await folder.write("module.ts", text);
    const document = withModule({ lib_path: "module.ts" });
    const file = await folder.write("config.json", JSON.stringify(document));
    let message = "";
    await assert.rejects(loadConfig(file), (error: Error) => {
      message = error.message;
      return error.name === "ConfigError";
    });
    const path = "common_modules.7.lib_path: Expected a module that can be run: ";
    assert.ok(message.includes(`${path}${folder.path}/`), message);
    return message.slice(message.indexOf(path) + path.length + folder.path.length);
  };
  assert.equal(
    await problem("let a = 1;\nlet x: = 2;"),
    "/module.ts:2:8: Unexpected token",
  );
  assert.match(await problem('\nimport "./none.ts";'), /^\/none\.ts: Cannot be read: /);
  assert.match(await problem('import "../escape.ts";'), /own folder.*: found "\.\.\/escape\.ts"$/);
  for (
    const name of ["/etc/passwd.json", "file:///a.js", "npm:x", "https://a/b.js", "node:vm", "x"]
  ) {
    const message = await problem(`import * as a from "${name}"; a();`);
    assert.match(message, /Expected imports of \.ts/, name);
    assert.ok(message.endsWith(`found "${name}"`), message);
  }
  assert.match(
    await problem("await import(prompt()!);"),
    /:1:\d+: Expected an import of a literal/,
  );
  assert.match(
    await problem("\nimport.meta.url;"),
    /^\/module\.ts:2:\d+: Expected no import\.meta/,
  );
  await folder.write("data.json", "{");
  const json = 'import data from "./data.json" with { type: "json" }; data;';
  assert.match(await problem(json), /^\/data\.json: Expected JSON: /);
});
