// What brokers allow on the cars' topics [TOPIC-NAMES], and that nobody is disturbed.
import assert from "node:assert/strict";
import { Aedes, type AedesOptions } from "aedes";
import { EmbeddedBroker } from "../../src/mqtt/broker.ts";
import { listen } from "../../src/mqtt/broker_listener.ts";
import { silentLog } from "../../src/log/log.ts";
import type { CarConfig, ServerConfig } from "../../src/config/model.ts";
import type { Finding, Findings } from "../../src/doctor/findings.ts";
import { checkPublishing } from "../../src/doctor/publishing.ts";
import { checkSubscriptions, explainUntried } from "../../src/doctor/topics.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { localBroker, TestGateway, textOf } from "../support/mqtt_peers.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { carOf, configOf, linesOf, NEVER, withStatus } from "./support.ts";

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

/** A broker with rules Mosquitto does not have. */
async function ownBroker(rules: AedesOptions): Promise<{ port: number } & AsyncDisposable> {
  const aedes = await Aedes.createBroker(rules);
  const listening = await listen({
    broker: localBroker(0),
    maxFrameBytes: 1_000_000,
    maxClients: 10,
    log: silentLog,
    accept: ({ stream }) => void aedes.handle(stream),
  });
  return {
    port: listening.port,
    async [Symbol.asyncDispose]() {
      listening.close();
      await waitFor(new Promise<void>((resolve) => aedes.close(resolve)), "the broker to end");
    },
  };
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
  assert.match(withStatus(findings, "warning")[0] ?? "", /gateways that are connected end their/);
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
  // It takes every message, but lets nobody read these; and it knows no MQTT 5.
  await using broker = await ownBroker({ authorizeForward: () => null });
  const findings = await run(checkPublishing, configFor(broker.port));
  assert.deepEqual(withStatus(findings, "failed"), []);
  const silent = withStatus(findings, "warning").filter((text) =>
    /not come back: either/.test(text)
  );
  assert.equal(silent.length, 2);
});

Deno.test("checkSubscriptions() finds the car over which a broker closes the connection", async () => {
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

Deno.test("explainUntried() says what was not tried, and why", () => {
  const untried = explainUntried(configFor(1), false).list;
  assert.deepEqual(untried.map(({ status }) => status), ["skipped", "skipped"]);
  assert.match(untried[0]?.message ?? "", /Not tried for 2 cars: whether they may be published to/);
  assert.equal(explainUntried(configFor(1), true).list.length, 1);
});
