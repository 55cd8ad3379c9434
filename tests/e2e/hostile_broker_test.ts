// Brokers that take every car in, and then let it down: a storm of connections was the answer.
import assert from "node:assert/strict";
import {
  type BrokerScript,
  closesAfterSuback,
  closesAtAnswer,
  sendsAfterSuback,
} from "../adversary/broker.ts";
import { connectMessage } from "../adversary/messages.ts";
import { makeDevices } from "../../src/simulator/devices.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { publishPacket, RawBroker } from "../mqtt/raw_broker.ts";
import { PUBLISH_QOS2 } from "../support/mqtt_packets.ts";
import { waitFor } from "../support/wait.ts";
import { ServerProcess } from "./server_process.ts";

const CARS = Array.from({ length: 20 }, (_, i) => `car_${i + 1}`);
/**
 * Each pause of a car is twice the one before, from 0.1 s on, less half of it by chance: no car comes
 * this often within the minute that a test may take.
 */
const MOST_CONNECTIONS = 12;

const SCRIPTS: Readonly<Record<string, BrokerScript>> = {
  "closes at the first answer": closesAtAnswer(connectMessage("car_1", makeDevices(1))),
  "closes after SUBACK": closesAfterSuback,
  "sends QoS 2": sendsAfterSuback(publishPacket(new Uint8Array(1), PUBLISH_QOS2)),
  "sends what is no MQTT": sendsAfterSuback(new Uint8Array([0x30, 255, 255, 255, 255, 255])),
};

for (const [what, script] of Object.entries(SCRIPTS)) {
  Deno.test(`a broker that ${what} gets few connections, and is named once`, async () => {
    await using broker = new RawBroker(script);
    const { module } = await buildFixtures();
    const modules = CARS.map((car) => [car, { 1000: { lib_path: module } }] as const);
    await using server = await ServerProcess.start({
      port: broker.port,
      cars: Object.fromEntries(modules),
    });
    const warning = await server.line(/\[WARNING\].*Cannot use the broker/);
    assert.match(warning, /: the connection ended soon after it was accepted: .* \(car car_\d+\)/);
    // Every car has been accepted, and has lost its connection; those lost first come again by then.
    await waitFor(() => broker.connections >= 3 * CARS.length, "the cars to come again");
    assert.equal((await server.stop()).code, 0);
    assert.ok(broker.connections <= MOST_CONNECTIONS * CARS.length, `${broker.connections}`);
    const said = server.lines.filter((line) => line.includes("Cannot use the broker"));
    assert.ok(said.length <= 2, said.join("\n"));
  });
}
