// What the configuration takes from files.
import assert from "node:assert/strict";
import { readSecret, secretOf } from "../../src/config/files.ts";
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
