// Several servers that share a fleet: real processes around a real etcd and a real broker. Gateways
// have clocks of ten minutes: one whose session goes on has noticed nothing.
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { ClusterView } from "../../src/http/api/cluster.ts";
import { Etcd, etcdTest } from "../support/etcd.ts";
import type { Gateway } from "../../src/simulator/gateway.ts";
import { freePort } from "../support/mosquitto.ts";
import { waitFor } from "../support/wait.ts";
import type { ServerProcess } from "./server_process.ts";
import { PATIENT, Stage } from "./stage.ts";

const API_KEY = "0123456789abcdef";
const CARS = ["car_1", "car_2", "car_3", "car_4"];
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

/** Statuses of all gateways, one after the other, from now on. */
class Traffic {
  readonly #gateways: readonly Gateway[];
  readonly #sessions: readonly (string | undefined)[];
  readonly #sending: Promise<number>[];
  #ending = false;

  constructor(gateways: readonly Gateway[]) {
    this.#gateways = gateways;
    this.#sessions = gateways.map(({ sessionId }) => sessionId);
    this.#sending = gateways.map((gateway) => this.#send(gateway));
  }

  /** Every status was answered in the session that was there at the beginning, by the rules. */
  async unnoticed(): Promise<void> {
    this.#ending = true;
    const sent = await Promise.all(this.#sending);
    assert.ok(sent.every((count) => count > 0), `${sent}`);
    assert.deepEqual(this.#gateways.map(({ sessionId }) => sessionId), this.#sessions);
    assert.deepEqual(this.#gateways.flatMap(({ violations }) => violations), []);
  }

  async #send(gateway: Gateway): Promise<number> {
    const [device] = gateway.devices;
    assert.ok(device);
    for (let count = 0;; count++) {
      if (this.#ending && count > 0) return count;
      await gateway.send(device, `status ${count}`);
    }
  }
}

etcdTest("a server that stops hands its cars over, and no gateway notices", async () => {
  await using cluster = await Cluster.set();
  const first = await cluster.member("a");
  await serves(first, CARS);
  const traffic = new Traffic(await cluster.gateways());
  const second = await cluster.member("b");
  assert.equal((await first.stop()).code, 0);
  await serves(second, CARS);
  await traffic.unnoticed();
  assert.doesNotMatch(second.text, /connect again/);
});

etcdTest(
  "the cars of a server that is killed go on elsewhere, and no gateway notices",
  async () => {
    await using cluster = await Cluster.set();
    const first = await cluster.member("a");
    await serves(first, CARS);
    const traffic = new Traffic(await cluster.gateways());
    const second = await cluster.member("b");
    first.signal("SIGKILL");
    await serves(second, CARS);
    await traffic.unnoticed();
    assert.doesNotMatch(second.text, /connect again/);
  },
);

etcdTest("a server that was frozen gives its cars up, and takes its share again", async () => {
  await using cluster = await Cluster.set();
  const first = await cluster.member("a");
  await serves(first, CARS);
  const traffic = new Traffic(await cluster.gateways());
  const second = await cluster.member("b");
  first.signal("SIGSTOP");
  await serves(second, CARS);
  first.signal("SIGCONT");
  await first.line(/The lease in the cluster's store is lost/);
  await first.line(/The cluster's store answers again/);
  await traffic.unnoticed();
});

etcdTest(
  "operators see the whole fleet from any server, move a car, and a pause goes with it",
  async () => {
    await using cluster = await Cluster.set();
    const start = async (instance: string) => {
      const port = freePort();
      const keyFile = `${cluster.stage.record.file}.key`;
      await Deno.writeTextFile(keyFile, "key-of-the-cluster");
      const server = await cluster.member(instance, {
        http: { port, api_key: API_KEY },
        cluster: {
          etcd: [cluster.etcd.url],
          instance,
          lease_s: 2,
          advertise: `http://127.0.0.1:${port}`,
          key_file: keyFile,
        },
      });
      const call = async (method: string, params: object) => {
        const response = await waitFor(
          fetch(`http://127.0.0.1:${port}/rpc`, {
            method: "POST",
            headers: { "content-type": "application/json", "x-api-key": API_KEY },
            body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
          }),
          `an answer to ${method}`,
        );
        const { result, error } = await response.json();
        assert.equal(error, undefined, JSON.stringify(error));
        return result;
      };
      await server.operatorsUrl();
      return { server, call };
    };
    const first = await start("a");
    await serves(first.server, CARS);
    const traffic = new Traffic(await cluster.gateways());
    const second = await start("b");
    await first.call("cluster.move", { car: "car_2", to: "b" });
    await serves(second.server, ["car_2"]);
    await first.call("cluster.move", { car: "car_2", to: "a" });
    await first.server.line(/\(car_2\)\tServed here, epoch \d+: its session goes on/);
    await traffic.unnoticed();
    await first.call("car.pause", { car: "car_1", reason: "brake check" });
    await second.call("cluster.drain", { instance: "a" });
    await serves(second.server, CARS);
    // What an instance knows of the others is a moment old.
    await waitFor(async () => {
      const view: ClusterView = await first.call("cluster.members", {});
      const states = view.cars.map(({ car, owner, health }) => {
        return `${car} ${owner}${health === "paused" ? " paused" : ""}`;
      });
      return view.members.every(({ problem }) => problem === null) &&
        isDeepStrictEqual(states, ["car_1 b paused", "car_2 b", "car_3 b", "car_4 b"]);
    }, "the whole fleet on the second server");
    const [paused] = (await second.call("fleet.list", { q: "car_1" })).cars;
    assert.equal(paused.pause.by, "cluster");
  },
);

etcdTest("a second server with the id of a live one does not start", async () => {
  await using cluster = await Cluster.set();
  const first = await cluster.member("a");
  await serves(first, CARS);
  await assert.rejects(
    cluster.member("a"),
    /CRITICAL.*Cannot join the cluster as "a": a live instance has this id\n/,
  );
});

etcdTest(
  "a server without etcd starts, says so, and takes its cars when etcd is there",
  async () => {
    await using cluster = await Cluster.set();
    await cluster.etcd.kill();
    const server = await cluster.member("a");
    await server.line(/The cluster's store is away: no car changes hands/);
    await cluster.etcd.run();
    await serves(server, CARS);
    // A store that is away later takes nothing from it.
    const traffic = new Traffic(await cluster.gateways());
    await traffic.unnoticed();
  },
);
