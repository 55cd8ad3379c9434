// What the configuration takes from files.
import assert from "node:assert/strict";
import { findPem, readSecret, withFiles } from "../../src/config/files.ts";
import { secretOf } from "../../src/text/mod.ts";
import { place } from "./support.ts";

Deno.test("secretOf() drops one newline at the end, and nothing else", () => {
  const texts = { "a\n": "a", "a\r\n": "a", a: "a", "a\n\n": "a\n", " a \n": " a ", "\n": "" };
  for (const [text, secret] of Object.entries(texts)) {
    assert.equal(secretOf(text), secret, JSON.stringify(text));
  }
});

Deno.test("readSecret() finds a file and reads the secret in it, or says why not", () => {
  assert.deepEqual(readSecret("password", place), {
    ok: true,
    path: "/srv/password",
    text: "from file",
  });
  const missing = readSecret("none", place);
  assert.match(missing.ok ? "" : missing.message, /^Expected an existing file: found none at /);
});

Deno.test("findPem() and readSecret() read no more than such a file can have", () => {
  const limits: number[] = [];
  const files = {
    ...place.files,
    readText(_path: string, maxBytes: number) {
      limits.push(maxBytes);
      return "";
    },
  };
  assert.ok(findPem("cert.pem", { ...place, files }).ok);
  assert.ok(readSecret("password", { ...place, files }).ok);
  assert.deepEqual(limits, [1_048_576, 65_536]);
});

Deno.test("withFiles() looks at each file once, however often it is asked for", async () => {
  const looks: string[] = [];
  const source = {
    kind(path: string) {
      looks.push(`kind ${path}`);
      return Promise.resolve("file" as const);
    },
    readText(path: string) {
      looks.push(`text ${path}`);
      return path === "/b" ? Promise.reject(new Error("broken")) : Promise.resolve(`in ${path}`);
    },
  };
  const parse = (path: string) =>
    withFiles(source, (files) => {
      for (let times = 0; times < 3; times++) {
        if (files.kind(path) === "file") files.readText(path, 10);
      }
      return files.kind(path) === "file" ? files.readText(path, 10) : "";
    });
  assert.equal(await parse("/a"), "in /a");
  assert.deepEqual(looks.splice(0), ["kind /a", "text /a"]);
  await assert.rejects(parse("/b"), /broken/);
  assert.deepEqual(looks, ["kind /b", "text /b"]);
});
