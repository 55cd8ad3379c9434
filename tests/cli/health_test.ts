// `health`: one line and an exit status for container health checks.
import assert from "node:assert/strict";
import { runHealth } from "../../src/cli/health.ts";
import { Fixture } from "../http/fixture.ts";
import { Certificates } from "../support/certificates.ts";
import { TempFolder } from "../support/temp.ts";

async function health(options: { readonly url?: string; readonly config?: string }) {
  const lines: string[] = [];
  const output = {
    out: (line: string) => lines.push(`out ${line}`),
    err: (line: string) => lines.push(`err ${line}`),
  };
  const status = await runHealth(options, { ...output });
  return { status, text: lines.join("\n") };
}

Deno.test("runHealth() returns 0 for a server that answers, needing no key", async () => {
  await using fixture = await Fixture.start();
  const { status, text } = await health({ url: `${fixture.operators.url}/healthz` });
  assert.equal(status, 0);
  assert.match(text, /^out Healthy: {"status":"ok"/);
});

Deno.test("runHealth() returns 1 for a refusal, for silence, and for what is no URL", async () => {
  await using fixture = await Fixture.start();
  const { url } = fixture.operators;
  const refused = await health({ url: `${url}/api/cars` });
  assert.equal(refused.status, 1);
  assert.match(refused.text, /^err Not healthy: ".*" answered with 401/);
  const port = new URL(url).port;
  await fixture[Symbol.asyncDispose]();
  const gone = await health({ url: `http://127.0.0.1:${port}/healthz` });
  assert.equal(gone.status, 1);
  assert.match(gone.text, /^err Not healthy: Cannot reach/);
  for (const wrong of ["nonsense", "ftp://127.0.0.1/"]) {
    assert.equal((await health({ url: wrong })).status, 1, wrong);
  }
});

Deno.test("runHealth() finds the port in the configuration, and reads nothing else of it", async () => {
  await using certificates = await Certificates.make();
  await using plain = await Fixture.start();
  await using secure = await Fixture.start({ http: { tls: certificates.otherHost } });
  await using folder = await TempFolder.make();
  const portOf = ({ operators }: Fixture) => Number(new URL(operators.url).port);
  const cases = [
    [{ http: { port: portOf(plain) } }, 0],
    [{ http: { address: "0.0.0.0", port: portOf(plain) } }, 0],
    [{ http: { port: portOf(secure), tls_cert: "cert.pem" } }, 0],
    [{ http: { port: portOf(secure) } }, 1],
    [{ http: { port: 0 } }, 1],
  ] as const;
  for (const [document, expected] of cases) {
    const config = await folder.write("config.json", JSON.stringify(document));
    const { status, text } = await health({ config });
    assert.equal(status, expected, text);
  }
  const broken = await folder.write("broken.json", '{"api_key": "swordfish"');
  const { status, text } = await health({ config: broken });
  assert.equal(status, 1);
  assert.match(text, /not JSON$/);
  assert.equal((await health({ config: folder.file("none.json") })).status, 1);
});
