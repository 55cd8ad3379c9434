// Many gateways over one broker, and a gateway that says only what a test tells it to.
import assert from "node:assert/strict";
import { ConnectResponseType } from "../../src/protocol/messages.ts";
import { Fleet } from "../../src/simulator/fleet.ts";
import {
  GatewayLinkError,
  ScriptedGateway,
  UnexpectedMessageError,
} from "../support/scripted_gateway.ts";
import { Mosquitto, mosquittoTest } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import { FakeMqttServer } from "./fake_server.ts";

const LINES = ["set_tcp_nodelay true", "max_queued_messages 0"];

function brokerAt({ port }: Mosquitto) {
  return { host: "127.0.0.1", port };
}

mosquittoTest("Fleet runs many gateways, counts them together and leaves nothing", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using _server = await FakeMqttServer.start(broker.port, "acme");
  await using fleet = new Fleet({
    gateways: Array.from({ length: 60 }, (_, i) => ({
      company: "acme",
      car: `car_${i}`,
      broker: brokerAt(broker),
      rate: 20,
    })),
  }).start();
  await fleet.allRunning(60_000);
  assert.equal(fleet.running, 60);
  assert.equal(fleet.everRan, 60);
  assert.equal(await fleet.drain(60_000), true);
  assert.equal(fleet.stats.sent, fleet.stats.answered);
  assert.equal(fleet.inFlight, 0);
  assert.deepEqual(fleet.violations, []);
  const rates = fleet.rates();
  assert.ok(Math.abs(rates.sentPerSecond * rates.seconds - fleet.stats.sent) < 0.001);
  assert.equal(fleet.rates().sentPerSecond, 0);
  await fleet.stop();
  assert.equal(fleet.running, 0);
});

mosquittoTest("ScriptedGateway says what it is told, right or wrong", async () => {
  await using broker = await Mosquitto.start({ lines: LINES });
  await using server = await FakeMqttServer.start(broker.port, "acme");
  await using gateway = new ScriptedGateway({
    company: "acme",
    car: "car_1",
    broker: brokerAt(broker),
    devices: 2,
  });
  await gateway.open();
  assert.deepEqual((await gateway.connectSequence()).map((c) => c.messageCounter), [0, 1]);
  const [device] = gateway.devices;
  assert.ok(device);
  assert.equal(gateway.status(device, "second", { counter: 4 }), 4);
  assert.equal(gateway.status(device, "first", { counter: 3 }), 3);
  assert.equal((await gateway.expect("status_response")).messageCounter, 3);
  assert.equal((await gateway.expect("status_response")).messageCounter, 4);
  const notified = gateway.expectNotification();
  server.notify("car_1");
  await notified;
  assert.equal(gateway.notifications, 1);
  gateway.connect({ sessionId: "again" });
  const response = await gateway.expect("connect_response");
  assert.deepEqual(response, {
    kind: "connect_response",
    sessionId: "again",
    type: ConnectResponseType.OK,
  });
  gateway.status(device);
  await assert.rejects(gateway.expect("command"), UnexpectedMessageError);
});

mosquittoTest(
  "ScriptedGateway.connectSequence() fails where a faithful gateway would give up",
  async () => {
    await using broker = await Mosquitto.start();
    await using server = await FakeMqttServer.start(broker.port, "acme");
    await using gateway = new ScriptedGateway({
      company: "acme",
      car: "car_1",
      broker: brokerAt(broker),
    });
    await gateway.open();
    server.car("car_1").alreadyLogged("another");
    await waitFor(() => gateway.unread.length > 0, "a message of another session");
    await assert.rejects(gateway.connectSequence(), {
      name: "UnexpectedMessageError",
      message: 'Cannot go through the connect sequence of gateway "car_1": unexpected_message, ' +
        'connect response of type 1 for session "another"',
    });
  },
);

mosquittoTest("ScriptedGateway.open() says why there is no broker", async () => {
  await using broker = await Mosquitto.start();
  await broker.kill();
  await using gateway = new ScriptedGateway({
    company: "acme",
    car: "car_1",
    broker: brokerAt(broker),
  });
  await assert.rejects(gateway.open(), GatewayLinkError);
});
