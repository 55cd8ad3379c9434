// What the operators' side costs while it is off: nothing.
import assert from "node:assert/strict";
import { Operators } from "../../src/http/operators.ts";
import { Server } from "../../src/server/server.ts";
import { documented, load } from "../config/support.ts";
import { FakeHosts } from "../server/fake_hosts.ts";
import { ListLog } from "../support/list_log.ts";
import { MemoryTransport } from "../support/memory_transport.ts";
import { settled, VirtualClock } from "../support/virtual_clock.ts";

/** A server of two cars that are connected and idle, and how many timers it has then. */
async function timersOf(http: boolean): Promise<number> {
  const clock = new VirtualClock();
  const log = new ListLog();
  const hosts = new FakeHosts();
  const transports: MemoryTransport[] = [];
  const config = { address: "127.0.0.1", port: 0 };
  const operators = http ? new Operators({ config, log, clock }) : undefined;
  const server = new Server({
    config: load(documented({ cars: { car_a: {}, car_b: {} } })).config,
    log,
    clock,
    contextsPerHost: 15,
    startHost: (events, _config, kind) => hosts.start(events, kind),
    createTransport() {
      const transport = new MemoryTransport();
      transports.push(transport);
      return transport;
    },
    ...(operators === undefined ? {} : { subscribers: operators.subscribers }),
  });
  await server.start();
  await operators?.start({ fleet: server, setLogLevel: () => {} });
  for (const transport of transports) transport.up();
  await settled();
  assert.deepEqual(server.snapshot().cars.map(({ state }) => state), ["CONNECTED", "CONNECTED"]);
  // What has changed is collected for a moment.
  await clock.advance(200);
  const { timers } = clock;
  await operators?.stop();
  await server.stop();
  assert.equal(clock.timers, 0);
  return timers;
}

Deno.test("Server has no timer while nothing goes on and HTTP is off, and three while it is on", async () => {
  assert.equal(await timersOf(false), 0);
  // The event loop's lag, the second that is counted, and connections on which nothing is said.
  assert.equal(await timersOf(true), 3);
});
