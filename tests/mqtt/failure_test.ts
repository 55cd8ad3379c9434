// What a broker can refuse, and the words we have for it [WAIT-RETRY].
import assert from "node:assert/strict";
import type { BrokerConfig } from "../../src/config/resolve/config.ts";
import type { TlsFiles } from "../../src/net/tls.ts";
import { brokerAdvice } from "../../src/transport/mqtt/broker_advice.ts";
import {
  BrokerRefusedError,
  BrokerStalledError,
  MalformedFrameError,
  TlsFileError,
  WebSocketRefusedError,
} from "../../src/net/errors.ts";
import {
  BROKER_FAILURE_CODES,
  describeFailure,
  endedEarly,
} from "../../src/transport/mqtt/failure.ts";
import { Certificates } from "../support/certificates.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { localBroker, makeConnector, TestCar, TestGateway, textOf } from "../support/mqtt_peers.ts";
import { TempFolder } from "../support/temp.ts";

/** Starts a car that cannot connect, and returns the first line that says why. */
async function reportOf(broker: BrokerConfig): Promise<string> {
  const { connector, lines } = await makeConnector(broker);
  await using car = new TestCar(connector);
  car.begin();
  const line = await lines.next("the report");
  assert.equal(car.transport.stats.connects, 0);
  return line;
}

function tlsBroker(port: number, tls: TlsFiles, host = "127.0.0.1"): BrokerConfig {
  return localBroker(port, { protocol: "mqtts", host, tls });
}

/** Shows that messages pass between a car there and a gateway here. */
async function assertCarries(broker: BrokerConfig, gatewayPort: number): Promise<void> {
  const { connector } = await makeConnector(broker);
  await using _car = await new TestCar(connector).start(true);
  await using gateway = await TestGateway.connect(gatewayPort);
  for (const size of [10, 200, 70_000]) {
    await gateway.send("x".repeat(size));
    assert.equal(textOf(await gateway.messages.next("the echo")), "x".repeat(size));
  }
}

/** An error as it is thrown, its code, and whether the broker said no. */
const FAILURES = [
  [undefined, "closed", false],
  [new WebSocketRefusedError("no"), "web_socket", true],
  [new MalformedFrameError("Cannot read an endless frame"), "web_socket", false],
  // Their class decides, not their wording.
  [new BrokerRefusedError('not allowed to subscribe to "acme/WebSocket/x"'), "other", true],
  [new BrokerStalledError("no answer to CONNECT within 10 s"), "no_answer", false],
  [Object.assign(new Error("Connection refused: x"), { code: 4 }), "not_authorized", true],
  [Object.assign(new Error("Connection refused: x"), { code: 9 }), "other", true],
  [new Error("Connection refused (os error 111)"), "connection_refused", false],
  [new Error("connection refused"), "connection_refused", false],
  [new Error("Connection reset by peer (os error 104)"), "reset", false],
  // The system says it with a capital and a number, Rust without.
  [new Error("Broken pipe (os error 32)"), "reset", false],
  [new Error("broken pipe"), "reset", false],
  [new Error("peer closed connection without sending TLS close_notify"), "cut_off", false],
  [new Error("received fatal alert: CertificateRequired"), "client_certificate_wanted", false],
  [new Error("received fatal alert: BadCertificate"), "tls_refused", false],
  [new Error("something new"), "other", false],
] as const;

Deno.test("describeFailure() gives every failure a code, our own errors by class", () => {
  for (const [error, code, refused] of FAILURES) {
    const found = describeFailure(error);
    assert.deepEqual([found.code, found.refused], [code, refused], `${error}`);
  }
});

/** What systems, rustls and mqtt.js say, and what becomes of it. */
const REASONS = [
  ["connect ETIMEDOUT 10.0.0.1:1883", "timed_out", "connection timed out"],
  ["No route to host: EHOSTUNREACH", "unreachable", "host or network unreachable"],
  ["failed to lookup address information", "host_not_found", "host name not found"],
  ["certificate expired: verified at", "certificate_expired", "has expired"],
  ["certificate not valid yet: verified", "certificate_not_yet_valid", "is not valid yet"],
  [
    'not valid for name "a"; certificate is only valid for DnsName("b"), IpAddress(1.2.3.4)',
    "certificate_of_other_host",
    'for another host: "b", 1.2.3.4',
  ],
  ["not valid for name a", "certificate_of_other_host", "another host: not valid for name a"],
  ["invalid peer certificate: UnknownIssuer", "authority_unknown", "by the authority"],
  ["fatal alert: ProtocolVersion", "tls_refused", "the TLS connection: ProtocolVersion"],
  ["received corrupt message", "no_tls", "does not speak TLS on this port"],
  ["the stream was closed", "cut_off", "the stream was closed"],
  ["something new", "other", "something new"],
] as const;

Deno.test("describeFailure() puts what others say into words", () => {
  for (const [message, code, words] of REASONS) {
    const found = describeFailure(new Error(message));
    assert.deepEqual([found.code, found.refused], [code, false], message);
    assert.ok(found.reason.includes(words), found.reason);
  }
  const refusals = [
    [1, "mqtt_refused", "MQTT 3.1.1 refused"],
    [2, "client_id_refused", "client id refused"],
    [3, "broker_unavailable", "broker unavailable"],
    [4, "not_authorized", "not authorized: bad user name or password"],
    [5, "not_authorized", "not authorized"],
    [6, "other", "refused by the broker with return code 6"],
  ] as const;
  for (const [number, code, reason] of refusals) {
    const error = Object.assign(new Error("Connection refused: x"), { code: number });
    assert.deepEqual(describeFailure(error), { code, reason, refused: true });
  }
});

Deno.test("endedEarly() blames the end itself only where nothing better is known", () => {
  for (const code of BROKER_FAILURE_CODES) {
    const found = endedEarly({ code, reason: "x", refused: code === "not_authorized" });
    const dropped = code === "closed" || code === "reset" || code === "cut_off";
    assert.deepEqual(found, {
      code: dropped ? "ended_early" : code,
      reason: "the connection ended soon after it was accepted: x",
      refused: code === "not_authorized",
    });
  }
});

Deno.test("brokerAdvice() has advice for every failure code", () => {
  const general = brokerAdvice("other");
  const without = BROKER_FAILURE_CODES.filter((code) => brokerAdvice(code) === general);
  assert.deepEqual(without, ["cut_off", "other"]);
});

Deno.test("MqttTransport reports a refused connection with the address", async () => {
  assert.equal(
    await reportOf(localBroker(1)),
    "Cannot use the broker mqtt://127.0.0.1:1: connection refused (car car_1). " +
      "Start the broker, check address and port, and that it listens on more than its own loopback",
  );
});

Deno.test("MqttTransport reports a host that does not exist", async () => {
  const line = await reportOf(localBroker(1883, { host: "no-such-host.invalid" }));
  assert.match(line, /mqtt:\/\/no-such-host\.invalid:1883: host name not found/);
});

mosquittoTest("MqttTransport logs in with user name and password", async () => {
  await using broker = await Mosquitto.start({ users: { server: "secret" } });
  const right = localBroker(broker.port, { username: "server", password: "secret" });
  const { connector } = await makeConnector(right);
  await using _car = await new TestCar(connector).start();
  const wrong = await reportOf({ ...right, password: "wrong" });
  assert.match(wrong, /not authorized/);
  assert.ok(!wrong.includes("wrong"));
  assert.match(await reportOf(localBroker(broker.port)), /not authorized/);
});

mosquittoTest("MqttTransport takes a refused subscription for a failure", async () => {
  await using broker = await Mosquitto.start({ subscribable: ["acme/car_1/module_gateway"] });
  const { connector, lines } = await makeConnector(localBroker(broker.port));
  await using _allowed = await new TestCar(connector, "car_1").start();
  await using refused = new TestCar(connector, "car_2");
  refused.begin();
  assert.match(await lines.next("the report"), /not allowed to subscribe to "acme\/car_2\//);
  assert.equal(refused.ups.size, 0);
});

mosquittoTest(
  "MqttTransport speaks TLS, with a client certificate where it is wanted",
  async () => {
    await using certificates = await Certificates.make();
    const { caFile, server, client, otherHost } = certificates;
    await using broker = await Mosquitto.start({
      tls: { caFile, ...server, clientCertificates: true },
    });
    for (const host of ["127.0.0.1", "localhost"]) {
      const { connector } = await makeConnector(
        tlsBroker(broker.port, { caFile, ...client }, host),
      );
      await using car = await new TestCar(connector).start();
      assert.equal(car.transport.stats.connects, 1);
    }
    const without = await reportOf(tlsBroker(broker.port, { caFile }));
    // The broker's word is lost when its reset overtakes it.
    const reason = "(the broker wants a client certificate|connection reset)";
    assert.match(without, new RegExp(`mqtts://127\\.0\\.0\\.1:\\d+: ${reason}`));
    await assert.rejects(
      makeConnector(tlsBroker(broker.port, { caFile, ...client, keyFile: otherHost.keyFile })),
      (error) => error instanceof TlsFileError && /does not belong/.test(error.message),
    );
  },
);

mosquittoTest("MqttTransport names what is wrong with the broker's certificate", async () => {
  await using certificates = await Certificates.make();
  const { caFile, otherCaFile, server, expired, otherHost } = certificates;
  {
    await using broker = await Mosquitto.start({ tls: { caFile, ...server } });
    assert.match(
      await reportOf(tlsBroker(broker.port, { caFile: otherCaFile })),
      /certificate is not signed by the authority in the CA file/,
    );
  }
  {
    await using broker = await Mosquitto.start({ tls: { caFile, ...expired } });
    assert.match(await reportOf(tlsBroker(broker.port, { caFile })), /certificate has expired/);
  }
  {
    await using broker = await Mosquitto.start({ tls: { caFile, ...otherHost } });
    assert.match(
      await reportOf(tlsBroker(broker.port, { caFile }, "localhost")),
      /certificate is for another host: "elsewhere\.test"/,
    );
  }
});

Deno.test("A TLS file that cannot be used is named before a car connects", async () => {
  await using certificates = await Certificates.make();
  await using folder = await TempFolder.make();
  const { caFile, client } = certificates;
  const garbage = await folder.write("garbage.pem", "garbage");
  const missing = folder.file("missing.pem");
  const cases: [TlsFiles, RegExp][] = [
    [{ caFile: missing }, /Cannot read CA file ".*missing\.pem": no such file/],
    [{ caFile: garbage }, /Cannot use CA file ".*garbage\.pem": it holds no certificate/],
    [{ caFile, ...client, certFile: garbage }, /Cannot use certificate file ".*garbage\.pem"/],
    [{ caFile, ...client, keyFile: missing }, /Cannot read key file ".*missing\.pem"/],
    [{ caFile, ...client, keyFile: garbage }, /Cannot use key file ".*garbage\.pem"/],
  ];
  for (const [tls, message] of cases) {
    await assert.rejects(makeConnector(tlsBroker(1, tls)), (error) => {
      assert.ok(error instanceof TlsFileError);
      assert.match(error.message, message);
      return true;
    });
  }
});

mosquittoTest("MqttTransport speaks WebSocket", async () => {
  await using broker = await Mosquitto.start({ websockets: true });
  await assertCarries(
    localBroker(broker.port, { protocol: "ws", path: "/mqtt" }),
    broker.plainPort,
  );
});

mosquittoTest("MqttTransport speaks WebSocket over TLS with a client certificate", async () => {
  await using certificates = await Certificates.make();
  const { caFile, server, client } = certificates;
  await using broker = await Mosquitto.start({
    websockets: true,
    tls: { caFile, ...server, clientCertificates: true },
  });
  await assertCarries(
    localBroker(broker.port, { protocol: "wss", path: "/mqtt", tls: { caFile, ...client } }),
    broker.plainPort,
  );
});

Deno.test("MqttTransport reports a web server that does not speak WebSocket", async () => {
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("no", { status: 404 }),
  );
  const broker = localBroker(server.addr.port, { protocol: "ws", path: "/mqtt" });
  assert.match(await reportOf(broker), /WebSocket refused by the broker: "HTTP\/1\.1 404/);
  await server.shutdown();
});

Deno.test("MqttTransport says what is wrong with a WebSocket response, always in the same words", async () => {
  const cases = [
    ["", "found no Sec-WebSocket-Accept"],
    ["Sec-WebSocket-Accept: c3dvcmRmaXNo\r\n", "found a wrong Sec-WebSocket-Accept"],
  ] as const;
  for (const [header, found] of cases) {
    const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const answer = `HTTP/1.1 101 Switching Protocols\r\n${header}\r\n`;
    const served = serveOnce(server, new TextEncoder().encode(answer));
    const broker = localBroker(server.addr.port, { protocol: "ws", path: "/mqtt" });
    const words = `: WebSocket answer does not fit the request: ${found} (car car_1)`;
    assert.ok((await reportOf(broker)).includes(words));
    await served;
    server.close();
  }
});

/** Takes one connection, reads what it says first, answers, and closes it. */
async function serveOnce(server: Deno.Listener, answer: Uint8Array): Promise<void> {
  const conn = await server.accept();
  await conn.read(new Uint8Array(1_000));
  if (answer.length > 0) await conn.write(answer);
  conn.close();
}

Deno.test("MqttTransport reports a server that closes at once, or answers garbage", async () => {
  for (const answer of [new Uint8Array(0), new Uint8Array([0x30, 0xff, 0xff, 0xff, 0xff, 0xff])]) {
    const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const served = serveOnce(server, answer);
    const line = await reportOf(localBroker(server.addr.port));
    assert.match(line, answer.length > 0 ? /its length is endless/ : /closed by the broker/);
    await served;
    server.close();
  }
});
