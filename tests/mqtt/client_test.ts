// mqtt.js as this program uses it, where it would fail with its own settings.
import { openStream } from "../../src/net/link_stream.ts";
import { concatenate } from "../../src/net/link.ts";
import { createClient } from "../../src/transport/mqtt/client.ts";
import { localBroker } from "../support/mqtt_peers.ts";
import { waitFor } from "../support/wait.ts";
import { packetType, PUBLISH, RawBroker } from "./raw_broker.ts";

Deno.test("createClient() makes clients that can be ended while acknowledgements come in", async () => {
  const messages = 100;
  await using server = new RawBroker(async (peer) => {
    await peer.acceptConnect();
    const acknowledgements: Uint8Array[] = [];
    while (acknowledgements.length < messages) {
      const packet = await peer.packet();
      if (packetType(packet) !== PUBLISH) continue;
      const idAt = 4 + (packet[3] as number);
      acknowledgements.push(new Uint8Array([0x40, 2, ...packet.subarray(idAt, idAt + 2)]));
    }
    await peer.send(concatenate(acknowledgements));
    await peer.drain();
  });
  const broker = localBroker(server.port);
  const client = createClient(() => openStream(broker), { broker, reconnectPeriod: 50 });
  const ended = Promise.withResolvers<void>();
  client.on("connect", () => {
    for (let i = 0; i < messages; i++) {
      // The rest of them is in the same read.
      const first = i === 0 ? () => void client.end(true, {}, () => ended.resolve()) : () => {};
      client.publish("t", "", { qos: 1 }, first);
    }
  });
  client.connect();
  await waitFor(ended.promise, "the client to be ended");
});
