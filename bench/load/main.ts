// The load generator: a process of its own, driven by lines of JSON on its standard input.
import { Histogram } from "../../src/simulator/histogram.ts";
import { monotonicUs } from "../support/monotonic.ts";
import { readLines } from "../../tests/support/lines.ts";
import { LoadCar, type LoadCounts } from "./load_car.ts";
import type { LoadReport, LoadRequest } from "./protocol.ts";

const TICK_MS = 1;
const PING_MS = 7_000;
const POLL_MS = 5;

class Load {
  readonly #cars: LoadCar[] = [];
  readonly #counts: LoadCounts = {
    sent: 0,
    answered: 0,
    lost: 0,
    commands: 0,
    ended: 0,
    wrong: 0,
    latency: new Histogram(),
    commandAge: new Histogram(),
  };
  #unopened = 0;
  #running = 0;
  #runningSinceUs = 0;
  readonly #timers: ReturnType<typeof setInterval>[] = [];

  async handle(request: LoadRequest): Promise<LoadReport> {
    switch (request.ask) {
      case "open":
        this.#open(request);
        break;
      case "running":
        await until(() => this.#running >= request.cars, request.timeoutMs);
        break;
      case "load":
        for (const car of this.#cars) car.load(request);
        break;
      case "reset":
        this.#reset();
        break;
      case "drain":
        for (const car of this.#cars) car.rest();
        await until(() => this.#inFlight() === 0, request.timeoutMs);
        break;
      case "report":
        break;
    }
    return this.#report();
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const car of this.#cars) car.close();
  }

  #open(request: LoadRequest & { ask: "open" }): void {
    const { port, company, first, cars, session, modules, startsPerSecond } = request;
    for (let i = 0; i < cars; i++) {
      this.#cars.push(
        new LoadCar({
          port,
          company,
          car: `car_${first + i}`,
          session,
          modules,
          counts: this.#counts,
          onRunning: (running) => this.#onRunning(running),
        }),
      );
    }
    const startedAt = performance.now();
    this.#timers.push(setInterval(() => {
      const now = performance.now();
      const due = Math.ceil((now - startedAt + TICK_MS) / 1_000 * startsPerSecond);
      while (this.#unopened < Math.min(due, this.#cars.length)) {
        this.#cars[this.#unopened++]?.open();
      }
      for (const car of this.#cars) car.tick(now);
    }, TICK_MS));
    this.#timers.push(setInterval(() => {
      for (const car of this.#cars) car.ping();
    }, PING_MS));
  }

  #onRunning(running: boolean): void {
    this.#running += running ? 1 : -1;
    if (running) this.#runningSinceUs = monotonicUs();
  }

  #inFlight(): number {
    return this.#cars.reduce((sum, car) => sum + car.inFlight, 0);
  }

  #reset(): void {
    const none = { sent: 0, answered: 0, lost: 0, commands: 0, ended: 0, wrong: 0 };
    Object.assign(this.#counts, none);
    this.#counts.latency.reset();
    this.#counts.commandAge.reset();
  }

  #report(): LoadReport {
    const { latency, commandAge, ...counts } = this.#counts;
    return {
      ...counts,
      running: this.#running,
      runningSinceUs: this.#runningSinceUs,
      inFlight: this.#inFlight(),
      latency: latency.toJSON(),
      commandAge: commandAge.toJSON(),
    };
  }
}

async function until(done: () => boolean, timeoutMs: number): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!done() && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

const load = new Load();
const encoder = new TextEncoder();
for await (const line of readLines(Deno.stdin.readable)) {
  const report = await load.handle(JSON.parse(line) as LoadRequest);
  await Deno.stdout.write(encoder.encode(`${JSON.stringify(report)}\n`));
}
load.stop();
