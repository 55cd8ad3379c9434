// What brokers allow on the cars' topics [TOPIC-NAMES], and that no gateway is disturbed.
import assert from "node:assert/strict";
import { EmbeddedBroker } from "../../src/broker/broker.ts";
import { silentLog } from "../../src/log/log.ts";
import type { CarConfig, ServerConfig } from "../../src/config/resolve/config.ts";
import type { Finding, Findings } from "../../src/doctor/findings.ts";
import { checkPublishing, checkQuietPublishing } from "../../src/doctor/broker/publishing.ts";
import { checkSubscriptions, explainUntried } from "../../src/doctor/broker/topics.ts";
import { closesAtPublish, sendsAfterSuback } from "../adversary/broker.ts";
import { publishPacket, RawBroker } from "../mqtt/raw_broker.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { PUBLISH_QOS2 } from "../support/mqtt_packets.ts";
import { localBroker, TestGateway, textOf } from "../support/mqtt_peers.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { carOf, configOf, linesOf, NEVER, ownBroker, withStatus } from "./support.ts";

const TWO_CARS = [carOf("car_1"), carOf("car_2")];

function run(
  check: typeof checkPublishing,
  config: ServerConfig,
  more: { returnMs?: number } = {},
): Promise<readonly Finding[]> {
  const found: Promise<Findings> = check({ config, tls: undefined, signal: NEVER, ...more });
  return waitFor(found.then(({ list }) => list), "the topics' checks");
}

function configFor(port: number, cars: readonly CarConfig[] = TWO_CARS): ServerConfig {
  return configOf(localBroker(port), cars);
}

mosquittoTest("checkSubscriptions() names the cars whose topic is refused", async () => {
  await using broker = await Mosquitto.start({ subscribable: ["acme/car_1/module_gateway"] });
  const findings = await run(checkSubscriptions, configFor(broker.port));
  assert.deepEqual(linesOf(findings), [
    "ok car_1: May subscribe to module_gateway",
    "failed car_2: May not subscribe to module_gateway",
  ]);
});

mosquittoTest("checkSubscriptions() goes through many cars, and disturbs no gateway", async () => {
  await using broker = await Mosquitto.start();
  const cars = Array.from({ length: 50 }, (_, index) => carOf(`car_${index}`));
  await using gateway = await TestGateway.connect(broker.port, "car_7");
  const findings = await run(checkSubscriptions, configFor(broker.port, cars));
  assert.equal(withStatus(findings, "ok").length, 50);
  assert.equal(findings.length, 50);
  // What the doctor might have sent would have come before this.
  await gateway.client.publishAsync("acme/car_7/external_server", "end", { qos: 1 });
  assert.equal(textOf(await gateway.messages.next("the end")), "end");
  assert.equal(gateway.notifications.size, 0);
});

mosquittoTest("checkSubscriptions() warns of messages the broker keeps", async () => {
  await using broker = await Mosquitto.start();
  {
    await using gateway = await TestGateway.connect(broker.port);
    const topic = "acme/car_1/external_server_disconnect";
    await gateway.client.publishAsync(topic, "now", { qos: 1, retain: true });
  }
  const findings = await run(checkSubscriptions, configFor(broker.port));
  assert.deepEqual(withStatus(findings, "warning"), [
    "The broker keeps a retained message on external_server_disconnect: " +
    "the gateway gets it with every connection",
  ]);
});

mosquittoTest("checkPublishing() learns from MQTT 5 which topic is refused", async () => {
  await using folder = await TempFolder.make();
  const rules = await folder.write(
    "acl",
    [
      "user server",
      "topic write acme/car_1/external_server",
      "topic write acme/car_1/external_server_disconnect",
      "topic write acme/car_2/external_server",
      "",
    ].join("\n"),
  );
  await using broker = await Mosquitto.start({
    users: { server: "x" },
    lines: [`acl_file ${rules}`],
  });
  const login = localBroker(broker.port, { username: "server", password: "x" });
  const findings = await run(checkPublishing, configOf(login, TWO_CARS));
  assert.deepEqual(linesOf(findings).slice(1), [
    "ok car_1: May publish to external_server and external_server_disconnect",
    "failed car_2: May not publish to external_server_disconnect (not authorized)",
  ]);
  assert.match(withStatus(findings, "warning")[0] ?? "", /connected gateways end their/);
});

Deno.test("checkPublishing() watches what comes back where there is no MQTT 5", async () => {
  const config = configFor(0);
  const broker = new EmbeddedBroker({
    broker: config.broker,
    maxMessageBytes: 1_000_000,
    log: silentLog,
  });
  await broker.start();
  try {
    const served = configFor(broker.port);
    assert.equal(withStatus(await run(checkSubscriptions, served), "ok").length, 2);
    // Longer than ever needed: it is over when everything is back.
    const findings = await run(checkPublishing, served, { returnMs: 30_000 });
    assert.equal(withStatus(findings, "ok").length, 2, linesOf(findings).join("\n"));
  } finally {
    await broker.stop();
  }
});

Deno.test("checkPublishing() does not take silence for a refusal", async () => {
  // It takes every message, but lets no client read these; and it does not speak MQTT 5.
  await using broker = await ownBroker({ authorizeForward: () => null });
  const findings = await run(checkPublishing, configFor(broker.port));
  assert.deepEqual(withStatus(findings, "failed"), []);
  const silent = withStatus(findings, "warning").filter((text) =>
    /not come back: either/.test(text)
  );
  assert.equal(silent.length, 2);
});

Deno.test("checkSubscriptions() finds the car on whose topic a broker closes the connection", async () => {
  await using broker = await ownBroker({
    authorizeSubscribe(_client, subscription, done) {
      const refused = subscription.topic.startsWith("acme/car_2/");
      done(refused ? new Error("not allowed") : null, subscription);
    },
  });
  assert.deepEqual(linesOf(await run(checkSubscriptions, configFor(broker.port))), [
    "ok car_1: May subscribe to module_gateway",
    "failed car_2: Subscribing to module_gateway failed: closed by the broker",
  ]);
});

/** Quiet cars, after a moment of listening. */
const checkQuiet: typeof checkPublishing = (options) =>
  checkQuietPublishing({ ...options, listenMs: 200 });

mosquittoTest(
  "checkQuietPublishing() publishes nothing to cars whose gateway is heard",
  async () => {
    await using broker = await Mosquitto.start();
    await using gateway = await TestGateway.connect(broker.port);
    const speaking = setInterval(() => void gateway.send("status"), 20);
    try {
      const findings = await run(checkQuiet, configFor(broker.port));
      assert.deepEqual(linesOf(findings), [
        "skipped car_1: Not checked: publishing to its topics, as a gateway may be connected and " +
        "would notice",
        "ok car_2: May publish to external_server and external_server_disconnect",
      ]);
    } finally {
      clearInterval(speaking);
    }
    // What the doctor might have sent would have come before this.
    await gateway.client.publishAsync("acme/car_1/external_server", "end", { qos: 1 });
    assert.equal(textOf(await gateway.messages.next("the end")), "end");
    assert.equal(gateway.notifications.size, 0);
  },
);

mosquittoTest(
  "checkQuietPublishing() listens no longer than until every gateway is heard",
  async () => {
    await using broker = await Mosquitto.start();
    await using gateway = await TestGateway.connect(broker.port);
    const speaking = setInterval(() => void gateway.send("status"), 20);
    const check: typeof checkPublishing = (options) =>
      checkQuietPublishing({ ...options, listenMs: 3_600_000 });
    try {
      const findings = await run(check, configFor(broker.port, [carOf("car_1")]));
      assert.deepEqual(findings.map(({ status }) => status), ["skipped"]);
    } finally {
      clearInterval(speaking);
    }
  },
);

const CLOSES =
  "The broker closes the connection on a message to external_server or external_server_disconnect";

Deno.test("checkQuietPublishing() finds the car on whose topic a broker closes the connection", async () => {
  await using broker = await ownBroker({
    authorizePublish: (_client, { topic }, done) =>
      done(topic.startsWith("acme/car_1/") ? new Error("not allowed") : null),
  });
  assert.deepEqual(linesOf(await run(checkQuiet, configFor(broker.port))), [
    `failed car_1: ${CLOSES}: closed by the broker`,
    "ok car_2: May publish to external_server and external_server_disconnect",
  ]);
});

Deno.test("checkQuietPublishing() finds a broker that closes on every message, and gives up in time", async () => {
  await using broker = new RawBroker(closesAtPublish);
  const cars = Array.from({ length: 12 }, (_, index) => carOf(`car_${index}`));
  const findings = await run(checkQuiet, configFor(broker.port, cars));
  assert.equal(withStatus(findings, "failed").length, 10);
  assert.match(
    withStatus(findings, "failed")[0] ?? "",
    /^The broker closes .*: closed by the broker$/,
  );
  assert.deepEqual(withStatus(findings, "skipped"), [
    "Not tried: the broker has closed 10 connections already",
    "Not tried: the broker has closed 10 connections already",
  ]);
});

Deno.test("checkQuietPublishing() finds brokers that send what the server does not take", async () => {
  for (
    const [bytes, expected] of [
      [publishPacket(new Uint8Array(1), PUBLISH_QOS2), /^Message with QoS 2: 1 was asked for$/],
      [
        new Uint8Array([0x30, 0xff, 0xff, 0xff, 0xff, 0xff]),
        /ended the connection after the subsc/,
      ],
    ] as const
  ) {
    await using broker = new RawBroker(sendsAfterSuback(bytes));
    const findings = await run(checkQuiet, configFor(broker.port, [carOf("car_1")]));
    assert.match(withStatus(findings, "failed")[0] ?? "", expected);
  }
});

Deno.test("explainUntried() says what was not tried, and why", () => {
  const untried = explainUntried(configFor(1), false).list;
  assert.deepEqual(untried.map(({ status }) => status), ["skipped", "skipped"]);
  assert.match(untried[0]?.message ?? "", /Not checked for 2 cars: publishing/);
  assert.equal(explainUntried(configFor(1), true).list.length, 1);
});
