// The limit to compare with: a bare mqtt.js client for each car that sends back what it receives.
//
// No protocol, no modules; options as mqtt.js has them, but for TCP_NODELAY, which the server sets
// as well. Arguments: port, company, number of cars, commands a second and car.
import { Buffer } from "node:buffer";
import mqtt from "mqtt";
import { carTopics } from "../src/protocol/topics.ts";
import { monotonicUs } from "./support/monotonic.ts";

const [port, company = "", cars, commandsPerSecond] = Deno.args;

let subscribed = 0;
for (let i = 1; i <= Number(cars); i++) {
  const { moduleGateway, externalServer } = carTopics(company, `car_${i}`);
  const client = mqtt.connect({ host: "127.0.0.1", port: Number(port), reconnectPeriod: 100 });
  (client.stream as { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true);
  client.on("message", (_topic, payload) => client.publish(externalServer, payload, { qos: 1 }));
  client.on("connect", () =>
    client.subscribe(moduleGateway, { qos: 1 }, () => {
      if (++subscribed === Number(cars)) {
        Deno.stdout.writeSync(new TextEncoder().encode("subscribed\n"));
      }
      if (Number(commandsPerSecond) > 0) sendCommands(client, externalServer);
    }));
}

/** Commands as modules have them: at a steady pace, with the moment in which they came to be. */
function sendCommands(client: mqtt.MqttClient, topic: string): void {
  const periodMs = 1_000 / Number(commandsPerSecond);
  const send = () => {
    // Whoever measures has to begin at the latest possible moment.
    const stamp = new Uint8Array(8);
    new DataView(stamp.buffer).setBigUint64(0, BigInt(Math.round(monotonicUs())), true);
    client.publish(topic, Buffer.from(stamp.buffer), { qos: 1 });
  };
  setTimeout(() => setInterval(send, periodMs), Math.random() * periodMs);
}

for await (const _ of Deno.stdin.readable);
Deno.exit(0);
