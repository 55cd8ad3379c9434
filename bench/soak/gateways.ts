// The cars of the soak: faithful gateways, some of which come and go or behave badly.
//
// Arguments: the broker's port, the company, how many cars, statuses a second of each. Prints a report for every line it gets.
import { Fleet } from "../../src/simulator/fleet.ts";
import type { GatewayOptions } from "../../src/simulator/gateway_options.ts";
import { readLines } from "../../tests/support/lines.ts";

const [port, company = "", cars, rate = "2"] = Deno.args;
const broker = { host: "127.0.0.1", port: Number(port) };

/** Every tenth car of a kind; the others are well-behaved. */
const KINDS: readonly Partial<GatewayOptions>[] = [
  { reconnectEveryMs: 20_000 },
  { misbehavior: { drop: 0.01, reorder: 0.05, duplicate: 0.05 } },
  { devices: 5, errorMessage: "out of order" },
  { payload: 20_000 },
];

const gateways = Array.from({ length: Number(cars) }, (_, i): GatewayOptions => ({
  company,
  car: `car_${i + 1}`,
  broker,
  rate: Number(rate),
  seed: i + 1,
  clocks: { retryMs: 2_000 },
  ...KINDS[i % 10],
}));

await using fleet = new Fleet({ gateways }).start();

/** What no gateway would ever send, on the topic of one of them. */
const garbage = setInterval(() => {
  const gateway = fleet.gateways[Math.floor(Math.random() * fleet.gateways.length)];
  gateway?.publishRaw(crypto.getRandomValues(new Uint8Array(Math.floor(1 + 200 * Math.random()))));
}, 100);

for await (const _ of readLines(Deno.stdin.readable)) {
  const { latency: _latency, ...stats } = fleet.stats.toJSON();
  const report = { running: fleet.running, p99Ms: fleet.stats.latency.percentile(0.99), ...stats };
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(report)}\n`));
}
clearInterval(garbage);
