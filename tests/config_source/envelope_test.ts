// Envelopes: what is signed, and what a wrong one is refused for.
import assert from "node:assert/strict";
import { makeKeyPair, openDocument, seal } from "../../src/config_source/envelope.ts";

const BODY = '{ "company_name": "acme",\n "rate": 5.0 }';

Deno.test("a signed envelope gives its body byte by byte, its version and its labels", async () => {
  const { privateKey, publicKey } = await makeKeyPair();
  const text = await seal({ body: BODY, version: 7, labels: ["canary"] }, privateKey);
  const { info, body } = await openDocument(text, publicKey, 5);
  assert.equal(body, BODY);
  assert.deepEqual([info.version, info.labels, info.fetchedAt], [7, ["canary"], 5]);
  const plain = await openDocument(BODY, undefined, 5);
  assert.equal(plain.info.hash, info.bodyHash);
  assert.notEqual(info.hash, info.bodyHash);
  assert.equal(plain.info.version, null);
});

Deno.test("with a public key, nothing is taken that was not signed as it is", async () => {
  const { privateKey, publicKey } = await makeKeyPair();
  const other = await makeKeyPair();
  const signed = JSON.parse(await seal({ body: BODY, version: 7, labels: [] }, privateKey));
  const wrong: Readonly<Record<string, unknown>> = {
    "found one of another key": { ...signed, version: 8 },
    "or of other content": { ...signed, body: `${BODY} ` },
    "Expected a signature of public_key": { ...signed, labels: ["canary"] },
    "Expected a signature, as public_key is set": { ...signed, signature: undefined },
    "Expected a signed envelope": JSON.parse(BODY),
    "Expected an envelope: signature": { ...signed, signature: "?" },
    "Expected an envelope: version": { ...signed, version: 0 },
    "Expected an envelope: body": { ...signed, body: {} },
    "Expected an envelope: keys": { ...signed, more: 1 },
  };
  for (const [expected, document] of Object.entries(wrong)) {
    const opened = openDocument(JSON.stringify(document), publicKey, 0);
    await assert.rejects(opened, (error: Error) => {
      assert.equal(error.name, "EnvelopeError");
      assert.ok(error.message.includes(expected), error.message);
      return true;
    });
  }
  await assert.rejects(openDocument(JSON.stringify(signed), other.publicKey, 0), /another key/);
  for (const garbage of ["", "<html>", "7", "null"]) {
    await assert.rejects(openDocument(garbage, undefined, 0), /^EnvelopeError: Expected/);
  }
});

Deno.test("seal() says what is wrong with a private key", async () => {
  const { publicKey } = await makeKeyPair();
  const sealed = { body: BODY, version: 1, labels: [] };
  await assert.rejects(seal(sealed, publicKey), /Expected a private key, PEM/);
  const pem = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
  await assert.rejects(seal(sealed, pem), /Expected an Ed25519 private key/);
});
