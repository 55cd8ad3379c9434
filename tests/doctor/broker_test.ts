// Brokers and their certificates, as the doctor sees them [MQTT-SETTINGS] [CLI-TLS].
import assert from "node:assert/strict";
import type { BrokerConfig } from "../../src/config/resolve/config.ts";
import type { TlsFiles } from "../../src/net/tls.ts";
import { checkBroker, checkEmbeddedBroker } from "../../src/doctor/broker/broker.ts";
import {
  type CertificateCheck,
  checkBrokerCertificate,
  checkCertificateFiles,
} from "../../src/doctor/broker/certificates.ts";
import type { Finding } from "../../src/doctor/findings.ts";
import { Certificates } from "../support/certificates.ts";
import { freePort, Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { waitFor } from "../support/wait.ts";
import { configOf, linesOf, NEVER, withStatus } from "./support.ts";

async function check(broker: BrokerConfig): Promise<{ usable: boolean; findings: Finding[] }> {
  const config = configOf(broker);
  const { material } = await checkCertificateFiles(config);
  const checked = checkBroker(config, material, NEVER);
  const { usable, findings } = await waitFor(checked, "the broker's check", 30_000);
  return { usable, findings: [...findings.list] };
}

/** The only failure, as one line with its advice. */
async function failureOf(broker: BrokerConfig): Promise<string> {
  const { usable, findings } = await check(broker);
  assert.equal(usable, false);
  const failed = findings.filter(({ status }) => status === "failed");
  assert.equal(failed.length, 1, linesOf(findings).join("\n"));
  return `${failed[0]?.message} -> ${failed[0]?.advice}`;
}

function secure(port: number, tls: TlsFiles, host = "127.0.0.1"): BrokerConfig {
  return localBroker(port, { protocol: "mqtts", host, tls });
}

mosquittoTest("checkBroker() goes up to an accepted CONNECT", async () => {
  await using broker = await Mosquitto.start({ users: { server: "secret" } });
  const login = { username: "server", password: "secret" };
  const { usable, findings } = await check(
    localBroker(broker.port, { host: "localhost", ...login }),
  );
  assert.ok(usable);
  const messages = withStatus(findings, "ok");
  assert.match(messages[0] ?? "", /^Name resolved: .*127\.0\.0\.1/);
  assert.match(messages[1] ?? "", /^TCP: reached .*127\.0\.0\.1/);
  assert.equal(messages[2], "MQTT 3.1.1: CONNECT accepted with user name");
  const wrong = localBroker(broker.port, { username: "server", password: "hunter2" });
  const failure = await failureOf(wrong);
  assert.match(failure, /^MQTT CONNECT refused: not authorized.* -> Check mqtt_username/);
  assert.doesNotMatch(failure, /hunter2/);
});

Deno.test("checkBroker() says at which step it ends, and what to do", async () => {
  assert.match(
    await failureOf(localBroker(1)),
    /^Cannot connect over TCP: connection refused -> Start the broker/,
  );
  assert.match(
    await failureOf(localBroker(1883, { host: "no-such-host.invalid" })),
    /^The name cannot be resolved: host name not found -> Check the spelling/,
  );
  const rude = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    for await (const conn of rude) conn.close();
  })();
  assert.match(
    await failureOf(localBroker(rude.addr.port)),
    /^(MQTT CONNECT refused|Lost while connecting): (closed by the broker|connection reset) -> /,
  );
  rude.close();
  await served;
});

mosquittoTest("checkBroker() distinguishes what is wrong with TLS", async () => {
  await using certificates = await Certificates.make();
  const { caFile, otherCaFile, server, client, expired, otherHost } = certificates;
  {
    const tls = { caFile, ...server, clientCertificates: true };
    await using broker = await Mosquitto.start({ tls });
    const { usable, findings } = await check(secure(broker.port, { caFile, ...client }));
    assert.ok(usable, linesOf(findings).join("\n"));
    assert.ok(
      withStatus(findings, "ok").includes(
        "TLS: the broker's certificate is valid for this address",
      ),
    );
    const without = await failureOf(secure(broker.port, { caFile }));
    assert.match(without, /wants a client certificate -> Give the server one/);
    const other = await failureOf(secure(broker.port, { caFile: otherCaFile, ...client }));
    assert.match(other, /not signed by the authority in the CA file -> Name the certificate/);
  }
  {
    await using broker = await Mosquitto.start({ tls: { caFile, ...expired } });
    const failure = await failureOf(secure(broker.port, { caFile }));
    assert.match(failure, /certificate has expired -> Renew the broker's certificate/);
  }
  {
    await using broker = await Mosquitto.start({ tls: { caFile, ...otherHost } });
    const failure = await failureOf(secure(broker.port, { caFile }));
    assert.match(failure, /for another host: "?elsewhere\.test"? -> Use one of these names/);
  }
  await using plain = await Mosquitto.start();
  assert.match(await failureOf(secure(plain.port, { caFile })), /speak TLS|closed|reset/);
});

mosquittoTest(
  "checkBrokerCertificate() says how long it is valid, also when it is not",
  async () => {
    await using certificates = await Certificates.make();
    const { caFile, server, expired } = certificates;
    for (
      const [pair, expected] of [
        // Made for thirty days a moment ago: no longer quite thirty.
        [server, /^warning .*The broker's certificate "CN=server": expires in 29 days, on \d{4}-/],
        [expired, /^failed .*The broker's certificate "CN=expired": expired on \d{4}-/],
      ] as const
    ) {
      await using broker = await Mosquitto.start({ tls: { caFile, ...pair } });
      const config = configOf(secure(broker.port, { caFile }));
      const { material } = await checkCertificateFiles(config);
      assert.ok(material);
      const { list } = await waitFor(checkBrokerCertificate(config, material), "the certificate");
      const line = linesOf(list)[0] ?? "";
      // Older runtimes do not show certificates.
      if (!/^skipped .*Deno 2\.[0-6]\./.test(line)) assert.match(line, expected);
    }
  },
);

Deno.test("checkCertificateFiles() judges files, their dates, and whether they fit", async () => {
  await using certificates = await Certificates.make();
  const { caFile, client, expired, server } = certificates;
  const judge = (tls: TlsFiles): Promise<CertificateCheck> =>
    checkCertificateFiles(configOf(secure(1, tls)));
  const good = await judge({ caFile, ...client });
  assert.ok(good.usable && good.material?.cert);
  const lines = linesOf(good.findings.list);
  assert.ok(
    lines.some((line) => /^warning .*Client certificate "CN=client": expires in 29/.test(line)),
  );
  assert.ok(lines.some((line) => /Authority "CN=Test authority": expires in 29 days/.test(line)));
  assert.ok(lines.some((line) => /^ok .*The key belongs to the certificate/.test(line)));
  const old = await judge({ caFile, ...expired });
  assert.match(withStatus(old.findings.list, "failed")[0] ?? "", /"CN=expired": expired on/);
  const mixed = await judge({ caFile, ...client, keyFile: server.keyFile });
  assert.equal(mixed.usable, false);
  assert.match(withStatus(mixed.findings.list, "failed")[0] ?? "", /does not belong to/);
  await Deno.chmod(client.keyFile, 0o644);
  const open = await judge({ caFile, ...client });
  assert.ok(withStatus(open.findings.list, "warning").some((text) => /its mode is 644/.test(text)));
});

Deno.test("checkCertificateFiles() does not mistake another machine's name for this one", async () => {
  const statuses: Record<string, string | undefined> = {};
  for (const host of ["127.1.2.3", "localhost", "127.example.com"]) {
    const { findings } = await checkCertificateFiles(configOf(localBroker(1, { host })));
    statuses[host] = findings.list[0]?.status;
  }
  assert.deepEqual(statuses, {
    "127.1.2.3": "skipped",
    localhost: "skipped",
    "127.example.com": "warning",
  });
});

Deno.test("checkEmbeddedBroker() sees whether its port is free, and leaves it free", () => {
  const port = freePort();
  const config = configOf(localBroker(port));
  for (let round = 0; round < 2; round++) {
    const { list } = checkEmbeddedBroker(config);
    assert.deepEqual(withStatus(list, "failed"), []);
  }
  const taken = Deno.listen({ hostname: "127.0.0.1", port });
  const { list } = checkEmbeddedBroker(config);
  assert.match(
    withStatus(list, "failed")[0] ?? "",
    /^The embedded broker cannot listen here: .*in use/,
  );
  taken.close();
});
