// Whether the server could listen for HTTP, with its TLS files.
import assert from "node:assert/strict";
import { checkHttp } from "../../src/doctor/http.ts";
import { Certificates } from "../support/certificates.ts";
import { freePort } from "../support/mosquitto.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { configOf, linesOf } from "./support.ts";

const address = "127.0.0.1";
const NO_KEY = "ok keys: None is asked for: only this machine can reach the port";
type Http = NonNullable<Parameters<typeof checkHttp>[0]["http"]>;

async function check(http?: Http): Promise<string[]> {
  const config = configOf(localBroker(1));
  return linesOf((await checkHttp({ ...config, ...(http && { http }) })).list);
}

Deno.test("checkHttp() listens for a moment, with the configured certificate", async () => {
  await using certificates = await Certificates.make();
  const port = freePort();
  assert.deepEqual(await check({ address, port }), [
    NO_KEY,
    `ok http://127.0.0.1:${port}: The server can listen here`,
  ]);
  const { certFile, keyFile } = certificates.server;
  const lines = await check({ address, port, tls: { certFile, keyFile } });
  assert.match(
    lines[1] ?? "",
    /^(ok|warning) .*: Certificate ".*": (valid for|expires in) \d+ days/,
  );
  assert.ok(lines.includes(`ok ${keyFile}: The key belongs to the certificate`), lines.join("\n"));
  assert.equal(lines.at(-1), `ok https://127.0.0.1:${port}: The server can listen here`);
});

Deno.test("checkHttp() says what keeps the server from listening", async () => {
  await using certificates = await Certificates.make();
  const taken = Deno.listen({ hostname: address, port: 0 });
  const { port } = taken.addr;
  // What accepts and closes is no server of ours.
  const closing = (async () => {
    for await (const connection of taken) connection.close();
  })();
  assert.deepEqual(await check({ address, port }), [
    NO_KEY,
    `failed 127.0.0.1:${port}: Cannot listen for HTTP: the port is in use`,
  ]);
  taken.close();
  await closing;
  const { server: { certFile }, client: { keyFile } } = certificates;
  assert.deepEqual(await check({ address, port, tls: { certFile, keyFile } }), [
    NO_KEY,
    `failed TLS files: Cannot use key file "${keyFile}": it does not belong to the certificate in "${certFile}"`,
  ]);
  assert.deepEqual(await check(), ['skipped http: HTTP is off: there is no section "http"']);
});

Deno.test("checkHttp() names the keys that are asked for, and not what they are", async () => {
  const port = freePort();
  const [known = ""] = await check({
    address,
    port,
    apiKey: "hunter2hunter2hunter2",
    keys: [{ name: "wall", scope: "read", hash: "0".repeat(64) }],
  });
  assert.equal(known, "ok keys: Asked for: api_key (admin), wall (read)");
});

Deno.test("checkHttp() leaves a running server alone", async () => {
  await using running = Deno.serve(
    { hostname: address, port: 0, onListen() {} },
    () => Response.json({ status: "ok" }),
  );
  const { port } = running.addr;
  assert.deepEqual(await check({ address, port }), [
    NO_KEY,
    `skipped 127.0.0.1:${port}: Not tried: a server answers here already`,
  ]);
});
