// Devices of an internal server as a process of their own, each with the Internal Client. Answers
// each request, a line of JSON, with a report.
import { InternalClient } from "../../src/internal_client/mod.ts";
import { readLines } from "../../tests/support/lines.ts";
import { median } from "../support/figure.ts";

/** To connect further devices, or to have those of module 1 measured. */
export type DevicesRequest =
  | { readonly port: number; readonly module: number; readonly count: number }
  | { readonly rate: number; readonly seconds: number };

/** What a window of measuring gave; of module 1 only. */
export interface DevicesReport {
  readonly answered: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

function print(line: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

const STATUS = new TextEncoder().encode('{"pressed":true,"count":1234}');
const AT_ONCE = 50;

const clients: { readonly module: number; readonly client: InternalClient }[] = [];

async function connect(port: number, module: number, count: number): Promise<void> {
  const first = clients.length;
  for (let made = 0; made < count; made += AT_ONCE) {
    const batch = Array.from(
      { length: Math.min(AT_ONCE, count - made) },
      (_, index) =>
        InternalClient.connect({
          port,
          module,
          type: 0,
          role: `role_${first + made + index}`,
          name: "device",
          timeoutMs: 30_000,
          reconnect: "forever",
        }),
    );
    for (const client of await Promise.all(batch)) clients.push({ module, client });
  }
}

/** Each device speaks at its own moment, at a steady rate. */
async function measure(rate: number, seconds: number): Promise<DevicesReport> {
  const everyMs = 1_000 / rate;
  const until = performance.now() + seconds * 1_000;
  const took: number[] = [];
  let failed = 0;
  await Promise.all(clients.map(async ({ module, client }, index) => {
    let due = performance.now() + everyMs * (index / clients.length);
    while (due < until) {
      const pause = due - performance.now();
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      const from = performance.now();
      try {
        await client.sendStatus(STATUS, { timeoutMs: 10_000 });
        if (module === 1) took.push(performance.now() - from);
      } catch {
        failed++;
      }
      due += everyMs;
    }
  }));
  took.sort((a, b) => a - b);
  const p99Ms = took[Math.floor(took.length * 0.99)] ?? NaN;
  return { answered: took.length, failed, p50Ms: median(took), p99Ms };
}

for await (const line of readLines(Deno.stdin.readable)) {
  const request = JSON.parse(line) as DevicesRequest;
  if ("port" in request) {
    await connect(request.port, request.module, request.count);
    print(JSON.stringify({ connected: clients.length }));
  } else {
    print(JSON.stringify(await measure(request.rate, request.seconds)));
  }
}
await Promise.all(clients.map(({ client }) => client.close()));
