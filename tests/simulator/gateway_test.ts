// The whole gateway over a real broker, against a tiny server.
import assert from "node:assert/strict";
import { CommandResponseType, DeviceState } from "../../src/protocol/messages.ts";
import { StatusUnansweredError } from "../../src/simulator/errors.ts";
import { Gateway } from "../../src/simulator/gateway.ts";
import type { GatewayOptions } from "../../src/simulator/gateway_options.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { FakeMqttServer } from "./fake_server.ts";

const FAST = { retryMs: 20, lookMs: 20 };

/** A broker, a server and one gateway that runs. */
async function setup(options: Partial<GatewayOptions> = {}) {
  const broker = await Mosquitto.start({ lines: ["set_tcp_nodelay true"] });
  const server = await FakeMqttServer.start(broker.port, "acme");
  const gateway = new Gateway({
    company: "acme",
    car: "car_1",
    broker: { host: "127.0.0.1", port: broker.port },
    devices: 2,
    clocks: FAST,
    ...options,
  });
  return {
    broker,
    server,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      await server[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

function deviceAt(gateway: Gateway, index: number) {
  const device = gateway.devices[index];
  assert.ok(device);
  return device;
}

mosquittoTest("Gateway goes through the connect sequence and runs [CONNECT-MESSAGE]", async () => {
  await using test = await setup();
  const { gateway, server } = test;
  const sessionId = await gateway.start().running();
  const { received } = server.car("car_1");
  await gateway.send(deviceAt(gateway, 0), "flush");
  assert.deepEqual(
    received.map((message) => message.kind),
    ["connect", "status", "status", "command_response", "command_response", "status"],
  );
  assert.equal(gateway.sessionId, sessionId);
  assert.deepEqual(gateway.violations, []);
  assert.equal(gateway.stats.commands, 2);
});

mosquittoTest("Gateway.send() resolves with the answer and its latency", async () => {
  await using test = await setup();
  const { gateway, server } = test;
  await gateway.start().running();
  const answer = await gateway.send(deviceAt(gateway, 1), "hello", {
    state: DeviceState.ERROR,
    errorMessage: "broken",
  });
  assert.equal(answer.counter, 3);
  assert.ok(answer.latencyMs > 0);
  const status = server.car("car_1").received.at(-1);
  assert.ok(status?.kind === "status");
  assert.equal(status.deviceState, DeviceState.ERROR);
  assert.equal(new TextDecoder().decode(status.statusData), "hello");
  assert.equal(new TextDecoder().decode(status.errorMessage), "broken");
});

mosquittoTest("Gateway keeps commands for nextCommand() and answers them", async () => {
  await using test = await setup();
  const { gateway, server } = test;
  await gateway.start().running();
  const car = server.car("car_1");
  car.command(deviceAt(gateway, 0), "go");
  const command = await gateway.nextCommand({ where: (c) => c.commandData.length > 0 });
  assert.equal(new TextDecoder().decode(command.commandData), "go");
  await gateway.send(deviceAt(gateway, 0), "flush");
  const answer = car.received.findLast((message) => message.kind === "command_response");
  assert.deepEqual(answer, {
    kind: "command_response",
    sessionId: gateway.sessionId,
    type: CommandResponseType.OK,
    messageCounter: 2,
  });
});

mosquittoTest(
  "Gateway connects with its next status upon the disconnect notification",
  async () => {
    await using test = await setup({ clocks: { retryMs: 1e6, keepAliveMs: 200 } });
    const { gateway, server } = test;
    const first = await gateway.start().running();
    const gone = gateway.disconnected();
    const ended = gateway.sessionEnded();
    const next = gateway.nextSession();
    server.notify("car_1");
    await gone;
    assert.equal((await ended).reason, "notified");
    assert.notEqual(await next, first);
    assert.equal(gateway.stats.reconnects, 1);
  },
);

mosquittoTest("Gateway connects at once when it is told that it is logged in already", async () => {
  for (const version of ["1.3", "1.4"] as const) {
    await using test = await setup({ gateway: version, clocks: { retryMs: 1e6, lookMs: 100 } });
    const { gateway, server } = test;
    const first = await gateway.start().running();
    const ended = gateway.sessionEnded();
    const next = gateway.nextSession();
    // Version 1.3 has not subscribed to it.
    if (version === "1.3") server.notify("car_1");
    server.car("car_1").alreadyLogged("any session");
    assert.equal((await ended).reason, "told_to_reconnect");
    assert.notEqual(await next, first);
    assert.equal(gateway.stats.failedSequences, 0);
    assert.equal(gateway.stats.notifications, 0);
  }
});

mosquittoTest(
  "Gateway's first connection fails when it is told so, and costs a retry",
  async () => {
    await using test = await setup({ firstConnectionFails: true });
    const { gateway } = test;
    await gateway.start().running();
    assert.equal(gateway.stats.linkFailures, 1);
    assert.equal(gateway.stats.failedSequences, 0);
  },
);

mosquittoTest("Gateway.send() rejects when the session ends without an answer", async () => {
  await using test = await setup();
  const { gateway, server } = test;
  await gateway.start().running();
  server.car("car_1").answering = false;
  const answer = gateway.send(deviceAt(gateway, 0), "lost");
  server.notify("car_1");
  await assert.rejects(answer, StatusUnansweredError);
});

mosquittoTest("Gateway comes back when the broker was killed and started again", async () => {
  // Its first Connect may be there before the server is.
  await using test = await setup({ clocks: { ...FAST, sequenceMs: 300 } });
  const { gateway, broker } = test;
  await gateway.start().running();
  const ended = gateway.sessionEnded();
  await broker.kill();
  assert.equal((await ended).reason, "link_lost");
  await broker.restart();
  await using _server = await FakeMqttServer.start(broker.port, "acme");
  await gateway.running();
});

mosquittoTest("Gateway drops its link when an answer comes twice [STATUS-OLD]", async () => {
  await using test = await setup();
  const { gateway, server } = test;
  await gateway.start().running();
  const ended = gateway.sessionEnded();
  const bytes = new Uint8Array([...new TextEncoder().encode("nonsense")]);
  server.publish("acme/car_1/external_server", bytes);
  assert.equal((await ended).reason, "violation");
  assert.equal(gateway.violations[0]?.kind, "malformed");
  await gateway.nextSession();
});

mosquittoTest("Gateway.drain() waits for what is open, under load", async () => {
  await using test = await setup({ rate: 0, window: 8 });
  const { gateway } = test;
  await gateway.start().running();
  const enough = Promise.withResolvers<void>();
  const poll = setInterval(() => gateway.stats.answered > 500 && enough.resolve(), 5);
  try {
    await waitFor(enough.promise, "500 answers", 60_000);
  } finally {
    clearInterval(poll);
  }
  assert.equal(await gateway.drain(), true);
  assert.equal(gateway.inFlight, 0);
  assert.equal(gateway.stats.sent, gateway.stats.answered);
  assert.equal(gateway.stats.latency.count, gateway.stats.answered);
});

mosquittoTest("Gateway.stop() leaves nothing behind in any phase", async () => {
  await using test = await setup();
  const { gateway, broker } = test;
  await gateway.stop();
  gateway.start();
  await gateway.stop();
  await broker.kill();
  await using away = new Gateway({
    company: "acme",
    car: "car_2",
    broker: { host: "127.0.0.1", port: broker.port },
    clocks: FAST,
  }).start();
  const waiting = away.running();
  await away.stop();
  await assert.rejects(waiting, /it was stopped/);
});
