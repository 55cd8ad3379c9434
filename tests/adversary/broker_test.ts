// Brokers that let cars down, and clients that abuse the embedded one.
import assert from "node:assert/strict";
import { Gateway } from "../../src/simulator/gateway.ts";
import { COMPANY, ServerProcess } from "../e2e/server_process.ts";
import { buildFixtures } from "../fixtures/build.ts";
import { publishPacket, RawBroker } from "../mqtt/raw_broker.ts";
import { freePort } from "../support/mosquitto.ts";
import { PUBLISH_QOS2 } from "../support/mqtt_packets.ts";
import { delay } from "../support/wait.ts";
import { AttackProcess } from "./attacks.ts";
import {
  type BrokerScript,
  closesAfterSuback,
  closesAtPublish,
  sendsAfterSuback,
} from "./broker.ts";
import { answered, AT_INFO, memoryMb, stops, until } from "./support.ts";

const { module } = await buildFixtures();
const modules = { 1000: { lib_path: module } };
const CARS = 10;
/** How long a storm is looked for, in milliseconds; without pauses it has thousands of connections. */
const LOOK_MS = 3_000;

const BROKERS: readonly [string, BrokerScript, RegExp][] = [
  ["closes at the first PUBLISH", closesAtPublish, /closed/i],
  ["closes after SUBACK", closesAfterSuback, /closed/i],
  [
    "sends a message with QoS 2 after SUBACK",
    sendsAfterSuback(publishPacket(new Uint8Array(3), PUBLISH_QOS2)),
    /QoS 2/,
  ],
  [
    "sends a malformed packet after SUBACK",
    sendsAfterSuback(new Uint8Array([0x32, 0xff, 0xff, 0xff, 0xff, 1])),
    /length/,
  ],
  [
    "answers pings that were not sent",
    sendsAfterSuback(new Uint8Array(20_000).map((_, i) => i % 2 === 0 ? 0xd0 : 0)),
    /type 13: nothing asked for it/,
  ],
  [
    "sends a packet of QoS 2",
    sendsAfterSuback(new Uint8Array([0x62, 2, 0, 5])),
    /type 6: nothing asked for it/,
  ],
];

for (const [what, script, reason] of BROKERS) {
  Deno.test(`a broker that ${what} is not stormed, and the log says why`, async () => {
    await using broker = new RawBroker(script);
    const names = Array.from({ length: CARS }, (_, i) => `car_${i + 1}`);
    const cars = Object.fromEntries(names.map((car) => [car, modules]));
    await using server = await ServerProcess.start({ port: broker.port, cars, more: AT_INFO });
    assert.match(await server.line(/\[WARNING\]/), reason);
    const before = broker.connections;
    await delay(LOOK_MS);
    const connections = broker.connections - before;
    assert.ok(connections < 10 * CARS, `${connections} connections in ${LOOK_MS} ms`);
    const warnings = server.lines.filter((line) => /\[WARNING\]/.test(line));
    assert.ok(warnings.length <= CARS, warnings.join("\n"));
    await stops(server);
  });
}

/** A server that is its own broker, with one gateway. */
async function embedded(): Promise<{ server: ServerProcess; gateway: Gateway; port: number }> {
  const port = freePort();
  const cars = { car_1: modules };
  const server = await ServerProcess.start({ port, cars, more: AT_INFO }, { args: ["--broker"] });
  const broker = { host: "127.0.0.1", port };
  const gateway = new Gateway({ company: COMPANY, car: "car_1", broker }).start();
  await gateway.running();
  return { server, gateway, port };
}

Deno.test("subscribers of the embedded broker that stop reading are dropped, and no other client waits", async () => {
  const { server, gateway, port } = await embedded();
  await using _server = server;
  await using _gateway = gateway;
  const session = gateway.sessionId;
  const before = await memoryMb(server);
  const deaf = { port, clients: 20, topic: "#" };
  await using _deaf = await AttackProcess.start("deafSubscribers", deaf);
  const large = { port, car: "nobody", perSecond: 250, junk: "noise", bytes: 100_000 } as const;
  await using flood = await AttackProcess.start("flood", large);
  await server.line(/\[WARNING\].*client/i);
  const { sent = 0 } = await until(flood, "sent", 1_500);
  await answered(gateway, 20);
  const { sent: after = Infinity } = await flood.counts();
  assert.ok(after - sent < 2_500, `${after - sent} large messages meanwhile`);
  const grown = await memoryMb(server) - before;
  assert.ok(grown < 250, `${grown} MB more`);
  assert.equal(gateway.sessionId, session);
  assert.deepEqual(gateway.violations, []);
  const warnings = server.lines.filter((line) => /\[WARNING\]/.test(line));
  assert.ok(warnings.length <= 40, warnings.join("\n"));
  await stops(server);
});

Deno.test("a client of the embedded broker cannot subscribe without limit", async () => {
  const { server, gateway, port } = await embedded();
  await using _server = server;
  await using _gateway = gateway;
  const before = await memoryMb(server);
  const many = { port, count: 200_000, topicBytes: 20 };
  await using attack = await AttackProcess.start("subscriptions", many);
  await until(attack, "closed", 1);
  await server.line(/\[WARNING\].*subscri/i);
  await answered(gateway, 20);
  const grown = await memoryMb(server) - before;
  assert.ok(grown < 60, `${grown} MB more`);
  await stops(server);
});
