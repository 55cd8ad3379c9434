// Several servers that share a fleet: real processes around a real etcd and a real broker. Gateways
// have clocks of ten minutes: one whose session goes on has noticed nothing.
import assert from "node:assert/strict";
import { Etcd, etcdTest } from "../support/etcd.ts";
import type { Gateway } from "../../src/simulator/gateway.ts";
import type { ServerProcess } from "./server_process.ts";
import { PATIENT, Stage } from "./stage.ts";

const CARS = ["car_1", "car_2", "car_3", "car_4"];
const SERVED = /\((\w+)\)\tServed here, epoch/;

/** A stage with etcd, on which servers join one cluster. */
class Cluster implements AsyncDisposable {
  readonly stage: Stage;
  readonly etcd: Etcd;

  private constructor(stage: Stage, etcd: Etcd) {
    this.stage = stage;
    this.etcd = etcd;
  }

  static async set(): Promise<Cluster> {
    const stage = await Stage.set();
    try {
      return new Cluster(stage, await Etcd.start());
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts a server; waits until it has joined. */
  async member(instance: string, more: Readonly<Record<string, unknown>> = {}) {
    return await this.stage.serve({
      cars: Object.fromEntries(CARS.map((car) => [car, {}])),
      more: {
        logging: { console: { level: "DEBUG", use: true } },
        cluster: { etcd: [this.etcd.url], instance, lease_s: 2 },
        ...more,
      },
    });
  }

  /** Gateways of all cars, whose sessions run. */
  async gateways(): Promise<Gateway[]> {
    const gateways = CARS.map((car) => this.stage.gateway(car, { clocks: PATIENT, devices: 2 }));
    await Promise.all(gateways.map((gateway) => gateway.running()));
    return gateways;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]();
    await this.etcd[Symbol.asyncDispose]();
  }
}

/** Waits until a server serves every one of these cars. */
async function serves(server: ServerProcess, cars: readonly string[]): Promise<void> {
  await Promise.all(
    cars.map((car) => server.line(new RegExp(`\\(${car}\\)\\tServed here, epoch`))),
  );
}

function servedBy(server: ServerProcess): Set<string> {
  return new Set(server.lines.flatMap((line) => SERVED.exec(line)?.[1] ?? []));
}

etcdTest("a server of a cluster that stops hands its cars over, and no gateway notices", async () => {
  await using cluster = await Cluster.set();
  const first = await cluster.member("a");
  await serves(first, CARS);
  const gateways = await cluster.gateways();
  const sessions = gateways.map(({ sessionId }) => sessionId);
  const second = await cluster.member("b");
  assert.equal((await first.stop()).code, 0);
  await serves(second, CARS);
  const answers = gateways.map((gateway) => gateway.answered());
  await Promise.all(answers);
  assert.deepEqual(gateways.map(({ sessionId }) => sessionId), sessions);
  assert.deepEqual(gateways.flatMap(({ violations }) => violations), []);
  assert.deepEqual([...servedBy(second)].sort(), CARS);
  assert.doesNotMatch(second.text, /Cannot take the session over/);
});
