// The test support itself: what other tests stand on.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { Certificates } from "./certificates.ts";
import { freePort, Mosquitto, mosquittoTest } from "./mosquitto.ts";
import { waitFor } from "./wait.ts";

Deno.test("Certificates.make() makes an expired one, one for another host and good ones", async () => {
  await using certificates = await Certificates.make();
  const read = async (file: string) => new X509Certificate(await Deno.readTextFile(file));
  // Not every supported runtime can tell the names in a certificate.
  const names = async (file: string) => {
    const [, base64 = ""] = (await Deno.readTextFile(file)).split(/-----[A-Z ]+-----/);
    return atob(base64.replaceAll("\n", ""));
  };
  const server = await read(certificates.server.certFile);
  assert.ok(Date.parse(server.validTo) > Date.now());
  assert.match(await names(certificates.server.certFile), /localhost/);
  assert.ok(Date.parse((await read(certificates.expired.certFile)).validTo) < Date.now());
  assert.match(await names(certificates.otherHost.certFile), /elsewhere\.test/);
});

Deno.test("waitFor() names what did not come", async () => {
  const never = Promise.withResolvers<void>();
  await assert.rejects(waitFor(never.promise, "the moon", 10), /10 ms waiting for the moon/);
  await assert.rejects(waitFor(() => false, "the sun", 10), /10 ms waiting for the sun/);
});

Deno.test("freePort() is none that the system gives out by itself", async () => {
  const range = await Deno.readTextFile("/proc/sys/net/ipv4/ip_local_port_range");
  const [first = NaN, last = NaN] = range.trim().split(/\s+/).map(Number);
  for (let draw = 0; draw < 20; draw++) {
    const port = freePort();
    assert.ok(port < first || port > last, `port ${port}`);
  }
});

mosquittoTest("Mosquitto.start() takes connections, also after kill() and restart()", async () => {
  await using broker = await Mosquitto.start();
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port: broker.port });
  (await connect()).close();
  await broker.kill();
  await assert.rejects(connect());
  await broker.restart();
  (await connect()).close();
});

mosquittoTest("Mosquitto.start() reports why a broker ended at once", async () => {
  const options = { port: freePort(), lines: ["no_such_option 1"] };
  await assert.rejects(Mosquitto.start(options), /no_such_option/);
});
