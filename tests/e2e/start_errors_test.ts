// What is said when the program cannot start, or cannot reach its broker: one line, and what to do.
import assert from "node:assert/strict";
import { breakLibraries } from "../fixtures/broken_libraries.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { Certificates } from "../support/certificates.ts";
import { freePort, Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { TempFolder } from "../support/temp.ts";
import { type ProcessOptions, ServerProcess, type TestConfig } from "./server_process.ts";

async function carsWith(path?: string): Promise<TestConfig["cars"]> {
  const lib_path = path ?? (await buildFixtures()).module;
  return { car_a: { "1000": { lib_path } } };
}

/** Starts a server that cannot start, and returns the lines that say why. */
async function criticalLines(config: TestConfig, options: ProcessOptions = {}): Promise<string[]> {
  await using server = await ServerProcess.launch(config, options);
  assert.equal((await server.ended()).code, 1, server.text);
  return server.lines.filter((line) => line.includes("[CRITICAL]"))
    .map((line) => line.slice(line.lastIndexOf("\t") + 1));
}

for (
  const [broken, said, advice] of [
    [
      "otherArchitecture",
      /: it is built for (ARM64 \(aarch64\)|x86-64), this machine is (ARM64|x86-64)/,
      /Build the library for/,
    ],
    [
      "futureGlibc",
      /: it needs glibc 2\.99, this machine has 2\.\d+ \("libc\.so\.6"\)/,
      /Build it on a system with glibc 2\.\d+ or older/,
    ],
    [
      "missingDependency",
      /: it needs "libabsent\.so\.1"/,
      /Install the package of "libabsent\.so\.1"/,
    ],
    ["truncated", /file too short|damaged|ends before|truncated|cut/i, /Copy the library again/],
    ["halfCopied", /: it is truncated: it has \d+ of at least \d+ bytes/, /Copy the library again/],
  ] as const
) {
  Deno.test(`start says in one line what is wrong with a library: ${broken}`, async () => {
    await using folder = await TempFolder.make();
    const path = (await breakLibraries(folder.path))[broken];
    const lines = await criticalLines({ port: freePort(), cars: await carsWith(path) });
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.ok(lines[0]?.startsWith(`Cannot load module 1000 of car "car_a" from "${path}": `));
    assert.match(lines[0] ?? "", said);
    assert.match(lines[0] ?? "", advice);
  });
}

Deno.test("start speaks once of a library that it refuses, and does not load it", async () => {
  await using folder = await TempFolder.make();
  const { futureGlibc: lib_path } = await breakLibraries(folder.path);
  const cars = {
    car_a: { "1000": { lib_path } },
    car_b: { "1000": { lib_path } },
    car_c: {
      "1000": { lib_path },
    },
  };
  await using server = await ServerProcess.launch({ port: freePort(), cars });
  assert.equal((await server.ended()).code, 1, server.text);
  const about = server.lines.filter((line) => line.includes(lib_path));
  assert.equal(about.length, 1, server.text);
  assert.ok(
    about[0]?.includes(`Cannot load module 1000 of 3 cars from "${lib_path}": it needs glibc`),
  );
});

Deno.test("start says in one line that the embedded broker's port is in use", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const lines = await criticalLines({ port, cars: await carsWith() }, { args: ["--broker"] });
  taken.close();
  assert.deepEqual(lines, [
    `Cannot listen on mqtt://127.0.0.1:${port}: the port is in use; end what listens there, ` +
    "or take another",
  ]);
});

Deno.test("start says in one line that the port for operators is in use", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const more = { http: { port }, logging: { console: { use: true, level: "INFO" } } };
  const config = { port: freePort(), cars: await carsWith(), more };
  const lines = await criticalLines(config, { args: ["--broker"] });
  taken.close();
  assert.deepEqual(lines, [
    `Cannot listen for HTTP on "127.0.0.1:${port}": the port is in use; end what listens there, ` +
    "or give http.port another",
  ]);
});

Deno.test("start names a key that cannot be read, with the option that names it", async () => {
  await using certificates = await Certificates.make();
  await using folder = await TempFolder.make();
  const { caFile, client: { certFile } } = certificates;
  for (const [key, said] of [[folder.path, /directory/], [folder.file("none"), /existing file/]]) {
    const args = ["--tls", "--ca", caFile, "--cert", certFile, "--key", String(key)];
    const config = { port: freePort(), cars: await carsWith() };
    await using server = await ServerProcess.launch(config, { args });
    assert.equal((await server.ended()).code, 1);
    assert.equal(server.lines.length, 1, server.text);
    assert.ok(
      server.text.startsWith("error: --key: ") && server.text.includes(String(key)),
      server.text,
    );
    assert.match(server.text, said as RegExp);
  }
});

Deno.test("start, doctor and the log say the same of TLS files for HTTP that do not fit", async () => {
  await using certificates = await Certificates.make();
  const { server: { certFile: tls_cert }, client: { keyFile: tls_key } } = certificates;
  const more = {
    http: { port: freePort(), tls_cert, tls_key },
    logging: { console: { use: true, level: "INFO" } },
  };
  const config = { port: freePort(), cars: await carsWith(), more };
  const said =
    `Cannot use key file "${tls_key}": it does not belong to the certificate in "${tls_cert}"`;
  assert.deepEqual(await criticalLines(config, { args: ["--broker"] }), [said]);
});

Deno.test("start says in one line why a key cannot be used", async () => {
  await using certificates = await Certificates.make();
  await using folder = await TempFolder.make();
  const { caFile, client: { certFile, keyFile } } = certificates;
  const locked = folder.file("locked.key");
  const encrypt = ["pkey", "-in", keyFile, "-aes256", "-passout", "pass:secret", "-out", locked];
  assert.ok((await new Deno.Command("openssl", { args: encrypt }).output()).success);
  const garbage = await folder.write("garbage.key", "not a key");
  const cars = await carsWith();
  for (
    const [key, said] of [
      [locked, /it is protected by a passphrase; store it without one/],
      [garbage, /it holds no private key in PEM form/],
      [certificates.server.keyFile, /it does not belong to the certificate in/],
    ] as const
  ) {
    const args = ["--tls", "--ca", caFile, "--cert", certFile, "--key", key];
    const lines = await criticalLines({ port: freePort(), cars }, { args });
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.ok(lines[0]?.startsWith(`Cannot use key file "${key}": `));
    assert.match(lines[0] ?? "", said);
  }
});

Deno.test("start keeps trying where there is no broker, and says so with address and reason", async () => {
  const port = freePort();
  await using server = await ServerProcess.start({ port, cars: await carsWith() });
  const line = await server.line(/Cannot use the broker/);
  assert.match(
    line,
    new RegExp(
      `mqtt://127\\.0\\.0\\.1:${port}: connection refused \\(car car_a\\)\\. Start the broker, `,
    ),
  );
  await using _broker = await Mosquitto.start({ port });
  await server.line(/The broker .* works again/);
});

mosquittoTest(
  "start says that the broker's certificate has expired, or is for another host",
  async () => {
    await using certificates = await Certificates.make();
    const { caFile, expired, otherHost, server: good } = certificates;
    const args = ["--tls", "--ca", caFile];
    for (
      const [files, said] of [
        [expired, /the broker's certificate has expired .*Renew the broker's certificate/],
        [
          otherHost,
          /the broker's certificate is for another host: "elsewhere\.test" .*Use one of these names/,
        ],
      ] as const
    ) {
      await using broker = await Mosquitto.start({ tls: { caFile, ...files } });
      const config = { port: broker.port, cars: await carsWith() };
      await using server = await ServerProcess.start(config, { args });
      assert.match(await server.line(/Cannot use the broker mqtts:/), said);
      assert.equal((await server.stop()).code, 0);
    }
    await using broker = await Mosquitto.start({ tls: { caFile, ...good } });
    const config = { port: broker.port, cars: await carsWith() };
    const options = { args: ["--tls", "--ca", certificates.otherCaFile] };
    await using server = await ServerProcess.start(config, options);
    assert.match(await server.line(/Cannot use the broker mqtts:/), /not signed by the authority/);
  },
);

mosquittoTest("start says that the broker wants a client certificate", async () => {
  await using certificates = await Certificates.make();
  const { caFile, server: own } = certificates;
  await using broker = await Mosquitto.start({
    tls: { caFile, ...own, clientCertificates: true },
  });
  const config = { port: broker.port, cars: await carsWith() };
  const options = { args: ["--tls", "--ca", caFile] };
  await using server = await ServerProcess.start(config, options);
  assert.match(
    await server.line(/Cannot use the broker mqtts:/),
    // What the broker says last may be lost when it closes: then the advice says what to think of.
    /the broker wants a client certificate .*Give the server one|reset .*or a client certificate/,
  );
});

mosquittoTest("start reaches a broker over TLS with a certificate of its own", async () => {
  await using certificates = await Certificates.make();
  const { caFile, server: own, client } = certificates;
  const tls = { caFile, ...own, clientCertificates: true };
  await using broker = await Mosquitto.start({ tls });
  const config = { port: broker.port, cars: await carsWith() };
  const args = ["--tls", "--ca", caFile, "--cert", client.certFile, "--key", client.keyFile];
  await using server = await ServerProcess.start(config, { args });
  await server.line(/\(car_a\)\tState \w+ is now CONNECTED/);
  assert.equal((await server.stop()).code, 0);
});

Deno.test("start is reached over TLS where it is the broker itself", async () => {
  await using certificates = await Certificates.make();
  const { caFile, server: { certFile, keyFile } } = certificates;
  const port = freePort();
  const args = ["--broker", "--tls", "--ca", caFile, "--cert", certFile, "--key", keyFile];
  await using server = await ServerProcess.start({ port, cars: await carsWith() }, { args });
  await server.line(/The embedded broker listens on mqtts:/);
  await server.line(/\(car_a\)\tState \w+ is now CONNECTED/);
  assert.equal((await server.stop()).code, 0);
});
