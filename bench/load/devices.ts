// Devices of an internal server as a process of their own, on bare sockets: what is measured is the
// server. Answers each request, a line of JSON, with a report.
import { encodeDeviceMessage, frameOf } from "../../src/protocol/codec/mod.ts";
import type { Device } from "../../src/protocol/mod.ts";
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

const STATUS = new TextEncoder().encode('{"pressed":true,"count":1234}');
/** How often due statuses are sent, in milliseconds. */
const TICK_MS = 1;
/** A status that is not answered by then has failed, in milliseconds. */
const ANSWER_MS = 5_000;

/** One connection; a status waits for the answer to the one before. */
class LoadDevice {
  readonly module: number;
  readonly #conn: Deno.TcpConn;
  readonly #status: Uint8Array;
  readonly #buffer = new Uint8Array(4_096);
  #sentAt = 0;
  dueAt = 0;
  isWaiting = true;

  constructor(conn: Deno.TcpConn, device: Device) {
    this.module = device.module;
    this.#conn = conn;
    this.#status = frameOf(
      encodeDeviceMessage({ kind: "device_status", device, statusData: STATUS }),
    );
  }

  static async connect(port: number, device: Device): Promise<LoadDevice> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    await conn.write(frameOf(encodeDeviceMessage({ kind: "device_connect", device })));
    const one = new LoadDevice(conn, device);
    await one.#answer();
    return one;
  }

  /** Sends a status; resolves with the milliseconds to its answer. */
  async speak(): Promise<number> {
    this.#sentAt = performance.now();
    this.isWaiting = true;
    await this.#conn.write(this.#status);
    await this.#answer();
    return performance.now() - this.#sentAt;
  }

  close(): void {
    this.#conn.close();
  }

  async #answer(): Promise<void> {
    let bytes = 0;
    let length = 4;
    while (bytes < length) {
      const count = await this.#conn.read(this.#buffer.subarray(bytes));
      if (count === null) throw new Error("The internal server has closed the connection");
      bytes += count;
      if (bytes >= 4) length = 4 + new DataView(this.#buffer.buffer).getUint32(0, true);
    }
    this.isWaiting = false;
  }
}

const devices: LoadDevice[] = [];

async function connect(port: number, module: number, count: number): Promise<void> {
  for (let made = 0; made < count; made++) {
    const deviceRole = `role_${devices.length}`;
    const device = { module, deviceType: 0, deviceRole, deviceName: "device", priority: 0 };
    devices.push(await LoadDevice.connect(port, device));
  }
}

/** Each device speaks at its own moment, at a steady rate. */
async function measure(rate: number, seconds: number): Promise<DevicesReport> {
  const everyMs = 1_000 / rate;
  const from = performance.now();
  const until = from + seconds * 1_000;
  const took: number[] = [];
  let failed = 0;
  for (const [index, device] of devices.entries()) {
    device.dueAt = from + everyMs * (index / devices.length);
  }
  for (let now = from; now < until; now = performance.now()) {
    for (const device of devices) {
      if (device.dueAt > now) continue;
      device.dueAt += everyMs;
      if (device.isWaiting) continue;
      device.speak().then(
        (ms) => void (device.module === 1 && took.push(ms)),
        () => void failed++,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  const givenUpAt = performance.now() + ANSWER_MS;
  while (devices.some(({ isWaiting }) => isWaiting) && performance.now() < givenUpAt) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  failed += devices.filter(({ isWaiting }) => isWaiting).length;
  took.sort((a, b) => a - b);
  const p99Ms = took[Math.floor(took.length * 0.99)] ?? NaN;
  return { answered: took.length, failed, p50Ms: median(took), p99Ms };
}

function print(line: unknown): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
}

for await (const line of readLines(Deno.stdin.readable)) {
  const request = JSON.parse(line) as DevicesRequest;
  if ("port" in request) {
    await connect(request.port, request.module, request.count);
    print({ connected: devices.length });
  } else {
    print(await measure(request.rate, request.seconds));
  }
}
for (const device of devices) device.close();
